"""Access tokens from a file, a command or a token endpoint, asked once each time.

Promises: the loop is not kept by a slow disk; a command is started without a shell, with nothing on its input, and
ends with all that it started when it takes too long or says too much. Never: when (`tokens`), what is done with a
token; HTTP is a callable (`token_endpoint`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.token_answers import MAX_ANSWER, NewToken, of_text
from asyncmta.delivery.tokens import Fetch


class TokenSources:
    """`endpoint`: who speaks HTTP; only grants with a URL need it."""

    def __init__(self, endpoint: Fetch | None = None) -> None:
        self._endpoint = endpoint

    async def fetch(self, grant: Grant) -> NewToken:
        """Raises NoToken."""
        if grant.file:
            found = of_text(await asyncio.to_thread(_read, grant.file))
        elif grant.command:
            found = of_text(await _run(grant.command))
        else:
            assert self._endpoint is not None
            return await self._endpoint(grant)
        if isinstance(found, str):
            raise NoToken(found)
        return found


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_ANSWER)
    except OSError as error:
        raise NoToken(f"{path}: cannot be read: {error.strerror}") from None


async def _run(command: tuple[str, ...]) -> bytes:
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nothing, stdout=asyncio.subprocess.PIPE, stderr=nothing, start_new_session=True
        )
    except OSError as error:
        raise NoToken(f"{command[0]}: cannot be run: {error.strerror}") from None
    assert process.stdout is not None
    printed = bytearray()
    try:
        while len(printed) <= MAX_ANSWER and (octets := await process.stdout.read(MAX_ANSWER)):
            printed += octets
        if len(printed) > MAX_ANSWER:
            raise NoToken(f"{command[0]}: printed more than {MAX_ANSWER} octets")
        code = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise NoToken(f"{command[0]}: ended with {code}")
    return bytes(printed)

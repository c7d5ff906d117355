"""The secret with which tokens of confirmation are made: 32 octets in a file of the spool, made when first needed.

Promises: it is durable before a token is made with it, so that a restart does not make letters worthless; nobody but
the owner of the spool can read it. Never: in the log, in a reply, on the loop.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from asyncmta.system.disk import Disk
from asyncmta.system.replacing import replace

SIZE = 32


class Secret:
    """One for an Mta."""

    def __init__(self, *, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._path = f"{directory}/secret"
        self._octets: bytes | None = None
        self._turn = asyncio.Lock()

    async def get(self) -> bytes:
        """The octets; raises OSError."""
        async with self._turn:
            if self._octets is None:
                self._octets = await asyncio.to_thread(self._read_or_make)
            return self._octets

    def _read_or_make(self) -> bytes:
        disk = self._disk
        with suppress(FileNotFoundError):
            file = disk.open(self._path)
            try:
                octets = disk.read_at(file, SIZE, 0)
            finally:
                disk.close(file)
            if len(octets) == SIZE:
                return octets
        octets = secrets.token_bytes(SIZE)
        replace(disk, self._path, octets)
        return octets

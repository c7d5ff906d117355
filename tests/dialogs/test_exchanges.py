r"""Every AUTH exchange of the folder `exchanges`, over the connection that serves sockets, whole and in pieces.

The lines are those of the other dialogs (C:, C=, S:, X:, # and !) with these of their own: `{b64:text}` in a line
stands for the base64 of the text (escapes of Python); `+: seconds` is time that passes; `L: login` says who has
logged in (`-`: nobody).
Users are those of `USERS`, whose passwords are their names and "pencil"; `! source callable` has tokens instead, which
are "good", "bad" and "later".
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncmta.auth import accounts, scram
from asyncmta.auth.hashes import make_hash
from asyncmta.auth.users_file import User, format_user
from asyncmta.inbound.access import AccessSettings
from asyncmta.inbound.throttle import Rate
from asyncmta.routing import parse_pattern
from tests.dialogs.player import octet_by_octet, unescape, whole
from tests.unit.inbound.inboundkit import Kit, KitTransport

FILES = sorted((Path(__file__).parent / "exchanges").glob("*.smtp"))
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")  # of the example in RFC 7677
USERS = (
    User("user", make_hash("pencil"), scram.make_verifier("pencil", SALT, 4096)),
    User("alice@example.org", make_hash("pencil"), senders=(parse_pattern("*@example.org"),)),
    User("grün", make_hash("grün")),
)


class Tokens:
    async def check_token(self, mechanism: str, login: str, token: str) -> bool | str | None:
        return {"good": login or "owner", "later": None}.get(token, False)


def encoded(line: str) -> str:
    return re.sub(r"\{b64:([^}]*)\}", lambda found: b64encode(unescape(found[1])).decode(), line)


class Player:
    """One connection, kept busy until nothing happens any more."""

    def __init__(self, settings: dict[str, str], users: Path) -> None:
        tokens = settings.get("source") == "callable"
        rate = Rate(int(settings.get("failures", "20")), 600.0)
        access = AccessSettings(
            users="" if tokens else str(users),
            senders=settings.get("senders", "any"),
            failures_per_client=rate,
            failures_per_login=rate,
            failure_delay=float(settings.get("delay", "0")),
        )
        self.kit = Kit(
            access=access,
            authenticate=Tokens() if tokens else None,
            role="submission",
            allow_plaintext_auth=True,
        )
        self.connection, self.transport = self.kit.connect(KitTransport((settings.get("client", "192.0.2.1"), 4321)))
        self.out = b""

    async def quiet(self) -> None:
        """Until no exchange goes on that waits for us: threads come back in their own time."""
        for _ in range(3000):
            await self.kit.clock.settle(5)
            self.out += self.transport.take()
            if self.connection._work is None or self.waits:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the exchange does not end")

    @property
    def waits(self) -> bool:
        """For a line of the client, or for time to pass."""
        lines = getattr(self.connection._on_input, "__self__", None)
        is_asked = lines is not None and lines._waiting is not None and not lines._waiting.done()
        return is_asked or any(timer.is_set for _, _, timer in self.kit.clock._timers if timer.when % 1)

    async def say(self, chunk: bytes) -> None:
        if not self.transport.is_closing():
            self.connection.data_received(chunk)
        await self.quiet()


async def play(file: Path, users: Path, split: Callable[[bytes], Any]) -> bytes:
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    settings = dict(line[2:].split(" ", 1) for line in lines if line.startswith("! "))
    player = Player(settings, users)
    try:
        await _steps(player, [line for line in lines if not line.startswith("! ")], split)
    finally:
        player.connection.connection_lost(None)
        await player.kit.listener.sessions.cancel_tasks()
        await player.kit.access.close()
    return player.out


async def _steps(player: Player, lines: list[str], split: Callable[[bytes], Any]) -> None:
    heard = 0
    await player.quiet()
    for line in lines:
        mark, argument = line[:2], encoded(line[3:])
        match mark:
            case "C:" | "C=":
                octets = argument.encode() + b"\r\n" if mark == "C:" else unescape(argument)
                for chunk in split(octets):
                    await player.say(chunk)
            case "S:":
                text, end, _ = player.out[heard:].partition(b"\r\n")
                assert text.decode().startswith(argument), f"expected {argument!r}, got {text!r}"
                heard += len(text) + len(end)
            case "+:":
                player.kit.clock.advance(float(argument))
                await player.quiet()
            case "L:":
                assert (player.connection._conversation.state.login or "-") == argument  # type: ignore[union-attr]
            case "X:":
                assert player.transport.closed, "it is still open"
            case _:
                raise AssertionError(line)
    assert player.out[heard:] == b"", "said more than that"
    assert player.transport.closed == any(line.startswith("X:") for line in lines)


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auth") / "users"
    path.write_text("".join(f"{format_user(user)}\n" for user in USERS), "utf-8")
    return path


@pytest.mark.parametrize("split", [whole, octet_by_octet], ids=["whole", "by octet"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_exchange(
    file: Path, split: Callable[[bytes], Any], users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts.Accounts, "nonce", staticmethod(lambda: b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"))
    text = file.read_text("utf-8")
    assert text.startswith("# ")
    if split is octet_by_octet and "! at once" in text:
        return
    await play(file, users, split)


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 15

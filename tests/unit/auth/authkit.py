"""What the tests of the sources share: a log that is a list, users as text, a check of a hash that takes no time."""

from __future__ import annotations

from typing import Any

from asyncmta.auth import scram
from asyncmta.auth.users_file import User

PENCIL = scram.make_verifier("pencil", b"salt of sixteen.", 4096)


def hash_of(password: str) -> str:
    """A line's hash that `fits` knows: bcrypt in form, the password in letters behind it."""
    return "$2b$04$" + password.encode().hex().ljust(53, ".")


def fits(user: User, password: str) -> bool:
    return user.hash == hash_of(password) or (not user.hash and password == "pencil")


class Log:
    """Every line as its event and its facts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def note(self, level: str, event: str, /, **facts: Any) -> None:
        self.lines.append((event, {"level": level, **facts}))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.lines if name == event]

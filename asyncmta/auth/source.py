"""What a source of users is asked, and what it answers: verdicts, exchanges, and the protocol of a source.

Promises: only `Granted` lets anybody in; whatever went wrong is `No.UNSURE`, so that a client tries again and forgets
no password of its user. Never: who is right; how an answer sounds (`inbound`).

RFC 4954 4 and 6 (AUTH).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from msgspec import Struct

from asyncmta.routing import Pattern

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN")
SCRAM = "SCRAM-SHA-256"
TOKEN_MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
MECHANISMS = (*PASSWORD_MECHANISMS, SCRAM, *TOKEN_MECHANISMS)  # in the order in which they are offered


class Granted(Struct, frozen=True):
    """The client is this user, under the name that the source has for it."""

    login: str


class No(Enum):
    WRONG = "wrong"  # no such user, or not its password: nobody is told which
    MALFORMED = "malformed"  # not a message of the mechanism
    UNSURE = "unsure"  # it cannot be told now


Verdict = Granted | No


class Attempt(Struct, frozen=True):
    """How somebody tries to log in: by which mechanism, from where, and over TLS or not."""

    mechanism: str
    ip: str = ""
    tls: bool = False


class Exchange(Protocol):
    """One exchange of a mechanism other than PLAIN and LOGIN."""

    async def step(self, response: bytes) -> bytes | Verdict:
        """What follows from this response: one more challenge, or the verdict."""
        ...


Changed = Callable[[tuple[str, ...]], None]
"""Hears which mechanisms are offered."""


class Source(Protocol):
    """Where users are known."""

    def watch(self, changed: Changed) -> None:
        """Tell which mechanisms can be offered: now, and each time that changes."""
        ...

    async def password(self, attempt: Attempt, login: str, password: str) -> Verdict: ...

    def exchange(self, attempt: Attempt) -> Exchange: ...

    def senders(self, login: str) -> tuple[Pattern, ...] | None:
        """The addresses that this login may send from; None: the source says nothing about it."""
        ...

    async def close(self) -> None: ...


class Authenticate(Protocol):
    """`Mta(authenticator=...)`: an async callable for passwords. None: it cannot be told now.

    An object that also has `check_token` (see `CheckToken`) takes OAUTHBEARER and XOAUTH2 too; one that has only that
    method takes nothing else.
    """

    def __call__(self, mechanism: str, login: str, password: str, /) -> Awaitable[bool | None]: ...


class CheckToken(Protocol):
    """The other thing an authenticator may be asked."""

    def check_token(self, mechanism: str, login: str, token: str, /) -> Awaitable[bool | str | None]:
        """Is the token good for this login? The login that it belongs to (which counts then), True for the one that
        the client named ("" when it named none), False, or None when it cannot be told now."""
        ...

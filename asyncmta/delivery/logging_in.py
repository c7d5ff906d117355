"""AUTH on an open session: mechanisms one after another until one is taken, a token renewed once when it was stale.

Promises: one refusal of a password is enough, and no other mechanism tries it again; a token that a server refuses
is renewed and tried once more on the same session; no secret in an outcome. Never: sockets (`ask` is the session's
way to say a line), a deadline.

RFC 4954 4 and 6; RFC 7628 3.2.3 (failure by a challenge).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from asyncmta.credentials import Login
from asyncmta.delivery.mechanisms import MOST_CHALLENGES, NOT_HERE, Secret, answer, candidates, first_words
from asyncmta.mail.outcome import Cause, Deferred, Place, Scope
from asyncmta.mail.reply import Reply, reply

Ask = Callable[[bytes], Awaitable[Reply]]
"""Say a line (without its end), and hear the reply. Raises what the session makes of a lost connection."""


class NoToken(Exception):
    """There is no access token for the moment; the message says why, without secrets."""


class GivesTokens(Protocol):
    """Where the access token of one login comes from."""

    async def current(self) -> str:
        """Raises NoToken."""
        ...

    async def renewed(self, refused: str) -> str:
        """Another one than this, which a server refused; raises NoToken when there is none."""
        ...

    def accepted(self, token: str) -> None:
        """A server took it."""


async def log_in(
    ask: Ask, login: Login, offered: Iterable[str], *, place: Place, port: int, tokens: GivesTokens | None
) -> Reply | Deferred:
    """The reply of a server that did not let us in, for the caller to judge; the 235 of one that did; or why nothing
    was tried."""
    mechanisms = candidates(login, offered, is_private=bool(place.tls))
    if not mechanisms:
        named = "no AUTH mechanism that we have" if login.auth == "auto" else f"no AUTH {login.auth.upper()}"
        return _deferred(f"the server offers {named}", place)
    try:
        value = login.password if tokens is None else await tokens.current()
        said = await _try(ask, mechanisms, Secret(login.username, value, place.host, port))
        if tokens is None:
            return said
        if said.code == 535:
            value = await tokens.renewed(value)
            said = await _try(ask, mechanisms, Secret(login.username, value, place.host, port))
        if said.code == 235:
            tokens.accepted(value)
    except NoToken as error:
        return _deferred(f"no access token: {error}", place)
    return said


async def _try(ask: Ask, mechanisms: list[str], secret: Secret) -> Reply:
    for mechanism in mechanisms:
        said = await _exchange(ask, mechanism, secret)
        if said.code not in NOT_HERE:
            break
    return said


async def _exchange(ask: Ask, mechanism: str, secret: Secret) -> Reply:
    words = first_words(mechanism, secret)
    command = f"AUTH {mechanism.upper()}".encode()
    said = await ask(command if words is None else command + b" " + _encoded(words))
    for _ in range(MOST_CHALLENGES):
        if said.code != 334:
            return said
        challenge = _decoded(said)
        words = answer(mechanism, secret, challenge) if challenge is not None else None
        said = await ask(b"*" if words is None else base64.b64encode(words))
    if said.code == 334:
        said = await ask(b"*")
    return said


def _encoded(words: bytes) -> bytes:
    return base64.b64encode(words) or b"="  # RFC 4954 4: an empty initial response


def _decoded(said: Reply) -> bytes | None:
    try:
        return base64.b64decode("".join(said.lines).strip(), validate=True)
    except ValueError:
        return None


def _deferred(text: str, place: Place) -> Deferred:
    return Deferred(Cause.REFUSED, reply(454, "4.7.0", text), Scope.SITE, place)

"""What a Python program says of passwords and tokens, as a source: `Mta(settings, authenticator=...)`.

Promises: the callable is asked as it always was (mechanism, login, password); OAUTHBEARER and XOAUTH2 are offered
only where it has `check_token`; what it answers beyond its types counts as "it cannot be told". Never: a mechanism.

RFC 7628 3.2 (what follows from a token that is not good).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncmta.auth import oauth
from asyncmta.auth.source import (
    PASSWORD_MECHANISMS,
    TOKEN_MECHANISMS,
    Attempt,
    Authenticate,
    Changed,
    CheckToken,
    Exchange,
    Granted,
    No,
    Source,
    Verdict,
)
from asyncmta.routing import Pattern

AskToken = Callable[[str, str, str], Awaitable[bool | str | None]]


class Callables:
    """The source of an authenticator; `rest` is asked for all that the authenticator does not do."""

    def __init__(self, authenticator: Authenticate | CheckToken, rest: Source | None = None) -> None:
        self._password: Authenticate | None = authenticator if callable(authenticator) else None
        self._token: AskToken | None = getattr(authenticator, "check_token", None)
        self._rest = rest
        if self._password is None and self._token is None:
            raise TypeError("an authenticator is an async callable, has a method check_token, or both")
        if self._password is not None and rest is not None:
            raise ValueError("an authenticator for passwords was given, and auth.users or auth.dovecot is set too")

    def watch(self, changed: Changed) -> None:
        tokens = TOKEN_MECHANISMS if self._token is not None else ()
        if self._rest is None:
            changed((*(PASSWORD_MECHANISMS if self._password is not None else ()), *tokens))
        else:
            self._rest.watch(lambda others: changed((*(name for name in others if name not in tokens), *tokens)))

    async def password(self, attempt: Attempt, login: str, password: str) -> Verdict:
        if self._password is None:
            return No.UNSURE if self._rest is None else await self._rest.password(attempt, login, password)
        return _verdict(await self._password(attempt.mechanism, login, password), login)

    def exchange(self, attempt: Attempt) -> Exchange:
        if self._token is not None and attempt.mechanism in TOKEN_MECHANISMS:
            return TokenExchange(attempt.mechanism, self._token)
        assert self._rest is not None
        return self._rest.exchange(attempt)

    def senders(self, login: str) -> tuple[Pattern, ...] | None:
        return None if self._rest is None else self._rest.senders(login)

    async def close(self) -> None:
        if self._rest is not None:
            await self._rest.close()


class TokenExchange:
    """OAUTHBEARER or XOAUTH2 with one client."""

    def __init__(self, mechanism: str, check: AskToken) -> None:
        self._mechanism = mechanism
        self._check = check
        self._has_failed = False

    async def step(self, response: bytes) -> bytes | Verdict:
        if self._has_failed:
            return No.WRONG
        given = oauth.bearer(self._mechanism, response)
        if given is None:
            return No.MALFORMED
        verdict = _verdict(await self._check(self._mechanism, given.login, given.token), given.login)
        self._has_failed = verdict is No.WRONG
        return oauth.refusal(self._mechanism) if self._has_failed else verdict


def _verdict(answer: object, login: str) -> Verdict:
    """A login has to come from somewhere, and goes into the log and the journal."""
    if answer is False:
        return No.WRONG
    known = login if answer is True else answer
    return Granted(known) if isinstance(known, str) and known and known.isprintable() else No.UNSURE

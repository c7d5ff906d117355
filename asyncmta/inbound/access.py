"""Who is let in and what they may do then, built from the settings: the source of users, the counts, the allowance.

One object for all listeners of an Mta. Promises: no source is opened beside another that it would hide; a file of
users with a fault refuses the start. Never: a decision; those are in `attempts`, `allowance` and `auth`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from asyncmta.auth.accounts import Accounts
from asyncmta.auth.callables import Callables
from asyncmta.auth.checking import Checking
from asyncmta.auth.dovecot import Dovecot
from asyncmta.auth.source import Authenticate, CheckToken, Source
from asyncmta.inbound.allowance import Allowance, anything
from asyncmta.inbound.attempts import Attempts
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.throttle import Rate
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock

Authenticator = Authenticate | CheckToken


class AccessSettings(Struct, frozen=True, kw_only=True):
    """`[auth]` of config.toml."""

    users: str = ""
    dovecot: str = ""
    senders: str = "any"
    failures_per_client: Rate | None = Rate(20, 600.0)
    failures_per_login: Rate | None = Rate(20, 600.0)
    failure_delay: float = 1.0


class Access:
    """`users` is None where nobody can log in."""

    def __init__(
        self,
        *,
        settings: AccessSettings,
        limits: Limits,
        clock: Clock,
        maillog: MailLog,
        authenticator: Authenticator | None = None,
        secret: bytes = b"",
        domains: Iterable[str] = (),
    ) -> None:
        """`secret` is nobody's business and stays the same after a restart. Raises `users.UsersRefused`."""
        users = self.users = _source(settings, clock, maillog, secret)
        if authenticator is not None:
            users = self.users = Callables(authenticator, users)
        self.failure_delay = settings.failure_delay
        self.attempts = Attempts(
            per_client=settings.failures_per_client, per_login=settings.failures_per_login, now=clock.monotonic
        )
        self.allowance = Allowance(
            limits=limits,
            now=clock.monotonic,
            senders=anything if users is None else users.senders,
            only_own=settings.senders == "own",
            domains=domains,
        )

    async def close(self) -> None:
        if self.users is not None:
            await self.users.close()


def _source(settings: AccessSettings, clock: Clock, maillog: MailLog, secret: bytes) -> Source | None:
    if settings.users:
        now = clock.monotonic
        checking = Checking(now)
        return Accounts(settings.users, secret=secret, monotonic=now, maillog=maillog, checking=checking)
    return Dovecot(settings.dovecot, clock=clock, maillog=maillog) if settings.dovecot else None

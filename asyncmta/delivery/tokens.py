"""Access tokens for smarthosts: one for each grant, kept in memory, renewed before it expires.

Promises: one renewal at a time for a grant, however many sessions want it; a token that still works is used while a
new one is fetched, and goes on being used when that fails; who has none waits for it, and is told why when there is
none. A token that was good and is refused is renewed at once; one that never was, once a minute at most. Failures back
off, and are logged without secrets. Never: the way tokens are asked for (`fetch` is given), SMTP.

RFC 6749 1.5 and 6.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from asyncmta.credentials import Grant
from asyncmta.delivery.logging_in import NoToken
from asyncmta.delivery.token_answers import NewToken
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

FETCH_TIME = 30.0
MARGIN = 300.0  # so long before it expires a token is renewed, or at two thirds of a short life
UNSAID = 300.0  # how long a token is used without asking, where nobody said how long it lives
LAST_MOMENTS = 10.0  # of its life, in which a token is not used any more: it has to reach the server alive
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
BETWEEN_REFUSED = 60.0

Fetch = Callable[[Grant], Awaitable[NewToken]]
"""Get a new token; raises NoToken, with a reason that has no secret in it."""
Note = Callable[..., None]


class Tokens:
    """All of one transport, by grant."""

    def __init__(self, *, clock: Clock, fetch: Fetch, note: Note) -> None:
        self._clock = clock
        self._fetch = fetch
        self._note = note
        self._of: dict[Grant, TokenOfGrant] = {}

    def of(self, grant: Grant) -> TokenOfGrant:
        found = self._of.get(grant)
        if found is None:
            found = self._of[grant] = TokenOfGrant(grant, clock=self._clock, fetch=self._fetch, note=self._note)
        return found

    async def close(self) -> None:
        for each in self._of.values():
            await each.close()


class TokenOfGrant:
    """As `GivesTokens`. Times are on the clock's monotonic scale."""

    def __init__(self, grant: Grant, *, clock: Clock, fetch: Fetch, note: Note) -> None:
        self._grant = grant
        self._clock = clock
        self._fetch = fetch
        self._note = note
        self._token = ""
        self._dies_at = 0.0
        self._renew_at = 0.0
        self._is_proven = False
        self._failures = 0
        self._reason = ""
        self._not_before = 0.0  # after a failure, or a refusal of what was fetched
        self._refused_until = 0.0  # after a token that nobody ever took
        self._fetching: asyncio.Task[None] | None = None

    async def current(self) -> str:
        now = self._clock.monotonic()
        if now >= self._dies_at:
            await self._renew()
        elif now >= self._renew_at and now >= self._not_before:
            self._begin()
        return self._usable()

    async def renewed(self, refused: str) -> str:
        now = self._clock.monotonic()
        if refused == self._token:
            if not self._is_proven and self._fetching is None:
                if now < self._refused_until:
                    self._reason = "the server refuses the token that we were given, and no other is asked for yet"
                    self._dies_at, self._not_before = now, max(self._not_before, self._refused_until)
                    raise NoToken(self._reason)
                self._refused_until = now + BETWEEN_REFUSED
            self._is_proven = False
            self._dies_at = now  # it is of no use to others either
            await self._renew()
        token = self._usable()
        if token == refused:
            raise NoToken("the server refuses the token, and we are given no other")
        return token

    def accepted(self, token: str) -> None:
        if token == self._token:
            self._is_proven = True

    async def close(self) -> None:
        fetching = self._fetching
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait([fetching])

    def _usable(self) -> str:
        if self._clock.monotonic() >= self._dies_at:
            raise NoToken(self._reason or "it has expired")
        return self._token

    async def _renew(self) -> None:
        """Wait for a new one, fetched now or on its way already."""
        if self._fetching is None and self._clock.monotonic() < self._not_before:
            return
        await asyncio.wait([self._begin()])  # whoever waits may be cancelled; what is fetched is for others too

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch_one(), name="access token")
        return self._fetching

    async def _fetch_one(self) -> None:
        try:
            async with Deadline(self._clock, FETCH_TIME):
                new = await self._fetch(self._grant)
        except NoToken as error:
            self._failed(str(error))
        except TimeoutError:
            self._failed(f"no answer in {FETCH_TIME:.0f} seconds")
        except Exception as error:
            self._note("error", "internal_error", error=error, grant=self._grant.name)
            self._failed("internal error")
        else:
            self._take(new)
        finally:
            self._fetching = None

    def _failed(self, reason: str) -> None:
        now = self._clock.monotonic()
        wait = min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT)
        self._failures = min(self._failures + 1, 10)
        self._reason, self._not_before = reason, now + wait
        left = max(0.0, self._dies_at - now)
        works_for = round(left) if math.isfinite(left) else None
        self._note(
            "warning", "token_failed", grant=self._grant.name, reason=reason, again_in=round(wait), works_for=works_for
        )

    def _take(self, new: NewToken) -> None:
        now, life = self._clock.monotonic(), new.lifetime
        if life is None:
            self._dies_at, self._renew_at = math.inf, now + UNSAID
        else:
            self._dies_at = now + life - min(LAST_MOMENTS, life / 3)
            self._renew_at = now + life - min(MARGIN, life / 3)
        self._is_proven &= new.token == self._token
        self._token = new.token
        self._failures, self._reason, self._not_before = 0, "", 0.0
        if new.refresh_token and new.refresh_token != self._grant.refresh_token:
            # RFC 6749 6: the old one may be worth nothing now. The settings have it, and only they outlive us.
            self._grant = replace(self._grant, refresh_token=new.refresh_token)
            self._note("info", "refresh_token_changed", grant=self._grant.name)
        self._note("info", "token_renewed", grant=self._grant.name, lifetime=life)

"""How a site stands: what is said of it to those who may not be tried there, and to people.

Never: a decision; the numbers are the backlog's.
"""

from __future__ import annotations

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.exchange import Site
from asyncmta.mail.outcome import Cause, Deferred, Failed, Postponed, Scope
from asyncmta.mail.reply import reply
from asyncmta.system.clock import Clock


class Standing:
    """Of one site."""

    __slots__ = ("_backlog", "_clock", "is_closing", "last_failure")

    def __init__(self, backlog: Backlog, clock: Clock) -> None:
        self._backlog = backlog
        self._clock = clock
        self.last_failure: Failed | Deferred | None = None
        self.is_closing = False

    def postponed(self) -> Postponed:
        """For whom nothing was tried."""
        left = max(0.0, self._backlog.suspended_until - self._clock.monotonic())
        return Postponed(self._clock.now() + left, "stopping" if self.is_closing else f"suspended: {self._why()}")

    def instead(self) -> Deferred:
        """For recipients that were not tried, of a consignment that was tried in part."""
        if isinstance(self.last_failure, Deferred):
            return self.last_failure
        return Deferred(Cause.CONNECT, reply(451, "4.4.1", f"not tried: {self._why()}"), Scope.SITE)

    def view(self, site: Site, idle: int) -> SiteView:
        backlog = self._backlog
        suspended = backlog.suspended_until > self._clock.monotonic()
        until = self.postponed().until if suspended else None
        return SiteView(
            key=site.key,
            hosts=tuple(exchanger.host for exchanger in site.exchangers),
            waiting=len(backlog.waiting),
            sessions=backlog.live,
            idle=idle,
            opening=backlog.opening,
            window=backlog.window,
            suspended_until=until,
            last_failure=str(self.last_failure.reply) if self.last_failure is not None else "",
            limit=backlog.most_sessions,
            suspended_since=until - backlog.suspension if until is not None else None,
        )

    def _why(self) -> str:
        return str(self.last_failure.reply) if self.last_failure is not None else "stopping"

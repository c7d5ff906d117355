"""Is the loop late? One timer for all listeners, which runs while something happens to a session, and says so once.

Promises: while nothing happens, and the loop does not lag, there is no timer; a lag and its end are each one line of
the log. Never: what late is (`lag`), or whom it concerns (`sessions`).
"""

from __future__ import annotations

from asyncmta.inbound.lag import Lag
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock, Timer
from asyncmta.system.meter import Meter

LATENESS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopWatch:
    """Asked at every greeting. `begin` and `end` come in pairs: a listener's sessions do something, or do nothing."""

    def __init__(self, *, clock: Clock, maillog: MailLog) -> None:
        self._clock = clock
        self._maillog = maillog
        self._lag = Lag()
        self._users = 0
        self._due = 0.0
        self._timer: Timer | None = None
        self.lateness = Meter(LATENESS)  # of the ticks, in seconds

    @property
    def is_lagging(self) -> bool:
        return self._lag.is_lagging

    def begin(self) -> None:
        self._users += 1
        if self._timer is None:
            self._set_timer()

    def end(self) -> None:
        self._users -= 1
        if not self._users and not self.is_lagging and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self._due = self._clock.monotonic() + self._lag.settings.tick
        self._timer = self._clock.call_at(self._due, self._tick)

    def _tick(self) -> None:
        lag, late = self._lag, self._clock.monotonic() - self._due
        self.lateness.add(max(0.0, late))
        if lag.observe(late):
            if lag.is_lagging:
                self._maillog.note("warning", "loop_lags", seconds=round(lag.late, 3), effect="new sessions get 421")
            else:
                self._maillog.note("info", "loop_recovered")
        self._timer = None
        if self._users or lag.is_lagging:
            self._set_timer()

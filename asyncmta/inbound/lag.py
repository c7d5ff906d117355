"""When the loop is so late, for so long, that nobody new is to be taken, and when it has recovered.

Promises: one late tick means nothing (a snapshot of the machine, a debugger), nor does one in time while it lags.
Never: clocks, timers, sessions.

reliability.md Y05, P-67: an overload is said to those who come, at once, instead of by a greeting that never comes.
"""

from __future__ import annotations

from msgspec import Struct


class LagSettings(Struct, frozen=True, kw_only=True):
    """Seconds, but for `in_a_row`: so many ticks of one kind change what is thought of the loop. A tick is as long as
    that of the sweep, so that it wakes no process that would have slept."""

    tick: float = 1.0
    too_late: float = 2.0
    in_time: float = 0.5
    in_a_row: int = 3


class Lag:
    """What is thought of the loop, from how late each tick came."""

    __slots__ = ("_row", "is_lagging", "late", "settings")

    def __init__(self, settings: LagSettings | None = None) -> None:
        self.settings = settings if settings is not None else LagSettings()
        self.is_lagging = False
        self.late = 0.0  # the last tick, in seconds
        self._row = 0  # ticks that spoke for a change, without one between them that did not

    def observe(self, late: float) -> bool:
        """A tick came, so many seconds late. Has what is thought of the loop changed?"""
        self.late = late
        settings = self.settings
        speaks = late <= settings.in_time if self.is_lagging else late > settings.too_late
        self._row = self._row + 1 if speaks else 0
        if self._row < settings.in_a_row:
            return False
        self._row = 0
        self.is_lagging = not self.is_lagging
        return True

"""What the classes of this room share: one object each of a scheduler, passed around together; and who waits for what.

Never: state of its own, but for those who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct, field

from asyncmta.maillog import MailLog
from asyncmta.scheduling.agenda import HEAD_STARTS, Agenda
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.unreached import Unreached
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


class SchedulerSettings(Struct, frozen=True, kw_only=True):
    """Limits count recipients. in_hand: at most this many are being tried. share: of one destination. quantum: of one
    message in a turn, when others wait. high_water: when so many are due and not in hand, new mail has to wait.
    report_after: seconds from the first failure of a pass that still runs to its report (0.0: when it ends).
    warn_after: seconds after which a sender is told that his message waits (0.0: never). soft: failures are deferrals,
    until the lifetime is over."""

    retry: RetrySchedule = RetrySchedule()
    report_after: float = 60.0
    warn_after: float = 0.0
    soft: bool = False
    in_hand: int = 20_000
    share: int = 2_000
    quantum: int = 30
    high_water: int = 100_000
    head_starts: tuple[float, float, float] = HEAD_STARTS

    def __post_init__(self) -> None:
        if not 1 <= self.quantum <= self.in_hand:
            raise ValueError("the quantum is at least 1 and at most what may be in hand")
        if self.share < 1 or self.high_water < 1:
            raise ValueError("share and high_water are at least 1")


class Means(Struct, frozen=True, kw_only=True):
    """Of one scheduler."""

    clock: Clock
    store: Store
    maillog: MailLog
    agenda: Agenda
    unreached: Unreached = field(default_factory=Unreached)

    def mourn(self, task: asyncio.Task[None], event: str) -> None:
        """One of our own tasks has ended. None of them raises, so that an exception is a bug, and is said."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.maillog.note("critical", event, error=error)


class Conditions:
    """Who waits until something holds. Conditions are asked when somebody says that things have changed."""

    __slots__ = ("_awaited",)

    def __init__(self) -> None:
        self._awaited: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds."""
        while not condition():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._awaited.append((condition, future))
            await future

    def look(self) -> None:
        """Something has changed."""
        for awaited in tuple(self._awaited):
            condition, future = awaited
            if future.done() or condition():
                self._awaited.remove(awaited)
                if not future.done():
                    future.set_result(None)

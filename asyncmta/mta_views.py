"""What an operator looks at for a while: how the MTA fares, sampled once a second while somebody could ask.

A part of the composition root, which `Mta` has this from. Promises: one timer, and none where no door is open; a sample
looks at counters and at each site, never at a message. Never: counting; that is done where things happen.
"""

from __future__ import annotations

from typing import Any

from asyncmta.counted_log import CountedLog
from asyncmta.delivery.leading import sessions_of
from asyncmta.inbound.listener import Listener
from asyncmta.mta_metrics import queue_states
from asyncmta.mta_settings import told
from asyncmta.operations import Operations
from asyncmta.rates import COLUMNS, History, Sample
from asyncmta.recent_log import Excerpt
from asyncmta.system.clock import Clock, Timer
from asyncmta.tally import Told

INTERVAL = 1.0


class Viewed(Operations):
    """The part of `Mta` that is watched."""

    maillog: CountedLog
    _listeners: list[Listener]
    _clock: Clock
    waiting_for_restart: tuple[str, ...]
    _history: History | None = None
    _sampling: Timer | None = None
    _sample_due: float = 0.0

    def observe(self, is_watched: bool) -> None:
        """Somebody can ask from now on, or nobody any more. What was seen so far is kept."""
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None
        if is_watched:
            self.maillog.keep_lines()
            if self._history is None:
                self._history = History(self._sample(0.0))
            self._sample_due = self._clock.monotonic()
            self._next_sample()

    def rates(self, step: int, most: int) -> dict[str, Any]:
        """The last steps of so many seconds as columns, and how it stands now."""
        rooms, now = self.rooms, self._clock.now()
        facts = rooms.store.facts()
        standing = {"queue": queue_states(rooms, facts), "oldest_accepted_at": facts.oldest}
        standing |= {"sessions_in": self._sessions_in(), "sessions_out": self._sessions_out()}
        history = self._history
        columns = history.columns(step, most) if history is not None else {name: [] for name in COLUMNS}
        return {"step": step, "at": now, "now": standing, **columns}

    def log(self, most: int, after: int, queue_id: str | None, event: str | None) -> Excerpt:
        """The last lines of the log, as they were written, from the moment on when somebody could ask for them."""
        recent = self.maillog.recent
        return recent.excerpt(most=most, after=after, queue_id=queue_id, event=event) if recent else Excerpt([], 0, 0)

    def told_settings(self) -> dict[str, Any]:
        """Every key that is in force, and where it came from."""
        return {"file": self.settings.source.file, "settings": list(told(self.settings, self.waiting_for_restart))}

    def _next_sample(self) -> None:
        self._sample_due += INTERVAL
        self._sampling = self._clock.call_at(self._sample_due, self._take_sample)

    def _take_sample(self) -> None:
        self._sampling = None
        if self._rooms is None or self._history is None:  # it has been left
            return
        late = max(0.0, self._clock.monotonic() - self._sample_due)
        self._history.add(self._sample(late))
        self._sample_due += late // INTERVAL * INTERVAL  # those that nobody could take are left out
        self._next_sample()

    def _sample(self, late: float) -> Sample:
        told, facts = self.maillog.tally.read(), self.rooms.store.facts()
        levels = (facts.messages, self._sessions_in(), self._sessions_out())
        return Sample(self._clock.now(), counts_of(told), levels, told.total, facts.sync_seconds, late)

    def _sessions_in(self) -> int:
        return sum(len(listener.sessions.live) for listener in self._listeners)

    def _sessions_out(self) -> int:
        return sessions_of(self.rooms.remote)


def counts_of(told: Told) -> tuple[int, ...]:
    """In the order of `rates.COUNTS`. What a route discards was delivered as far as anybody waits for it."""
    ends = dict.fromkeys(("delivered", "discarded", "deferred", "failed", "expired"), 0)
    for (outcome, _), count in told.outcomes.items():
        ends[outcome] += count
    return (
        sum(told.accepted.values()),
        told.recipients,
        sum(told.refused.values()),
        ends["delivered"] + ends["discarded"],
        ends["deferred"],
        ends["failed"] + ends["expired"],
    )

"""The mail log of an Mta with the same events counted and told: the level decides what is written, and nothing else.

Promises: an event is counted once, whether or not its line is written, or lost; whoever hears of it can neither change
nor lose its line. Never: a line, a metric's name; the counts are read by `metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from asyncmta import logline
from asyncmta.logline import Source
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Place
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.noted import Noted
from asyncmta.recent_log import RecentLines
from asyncmta.system.clock import Clock
from asyncmta.tally import Tally

Paths = tuple[Address | str | None, Address | str | None]
OnRefused = Callable[[str, str, Reply, str, Paths], None]
"""Hears of a refusal, which is in no journal: client, stage, reply, who refused, sender and recipient."""


class Traces(Protocol):
    """`telemetry`'s tracer: what spans are made of, with the time of each."""

    def accepted(self, queue_id: QueueId, about: tuple[Envelope, int, Source], now: float) -> None: ...
    def attempted(
        self, queue_id: QueueId, destination: str, at: tuple[Place, float, Reply | None], now: float
    ) -> None: ...
    def reported(self, queue_id: QueueId, dsn: QueueId | None, recipients: int, now: float) -> None: ...
    def retired(self, queue_id: QueueId) -> None: ...


class CountedLog(MailLog):
    """See `MailLog`; all that has an event of its own there is counted here. `tracer` and `on_refused` are set by
    whoever wants to hear. The four events of every message are said here and not by way of `super`, which is slow; and
    they are counted when they become lines, some dozens together, if they are to become any."""

    tracer: Traces | None = None
    on_refused: OnRefused | None = None

    def __init__(self, *, clock: Clock, **settings: Any) -> None:
        super().__init__(clock=clock, **settings)
        self._tally = Tally()
        self.noted = Noted()
        self.recent: RecentLines | None = None

    def keep_lines(self) -> None:
        """Keep the last ones from now on, for whoever can ask for them."""
        if self.recent is None:
            self.recent = RecentLines()
            self._rendering.keep(self.recent)

    @property
    def tally(self) -> Tally:
        """With all that was said so far."""
        self._render()
        return self._tally

    @property
    def lost(self) -> int:
        """Lines that were not written: nobody read them, or they came too fast."""
        return self._dropped + self._unwritten

    def accepted(self, *, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> None:
        if self._hears_info:
            self._say("info", "accepted", logline.accepted, (queue_id, envelope, size, source))
        else:
            self._tally.accepted(tls=source.tls, recipients=len(envelope.recipients), size=size)
        if self.tracer is not None:
            self._tell(self.tracer.accepted, queue_id, (envelope, size, source), self._now())

    def refused_by(
        self,
        by: str,
        *,
        client: str,
        stage: str,
        reply: Reply,
        helo: str,
        paths: Paths,
    ) -> None:
        self._tally.refused(stage, reply)
        self.noted.refused(reply)
        super().refused_by(by, client=client, stage=stage, reply=reply, helo=helo, paths=paths)
        if self.on_refused is not None:
            self._tell(self.on_refused, client, stage, reply, by, paths)

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        self.noted.note(event, facts)
        super().note(level, event, error=error, **facts)

    def login_refused(self, *, client: str, reply: Reply, helo: str, login: str) -> None:
        self._tally.refused("AUTH", reply)
        super().login_refused(client=client, reply=reply, helo=helo, login=login)

    def attempt(
        self,
        *,
        queue_id: QueueId,
        destination: str,
        place: Place,
        recipients: int,
        seconds: float,
        reply: Reply | None = None,
    ) -> None:
        if self._hears_info:
            facts = (queue_id, destination, place, (recipients, seconds, reply))
            self._say("info", "attempt", logline.attempt, facts)
        else:
            self._tally.attempted(seconds, reply)
        if self.tracer is not None:
            self._tell(self.tracer.attempted, queue_id, destination, (place, seconds, reply), self._now())

    def delivered(self, *, queue_id: QueueId, recipient: Address, outcome: Delivered, delay: float) -> None:
        if self._hears_info:
            self._say("info", "delivered", logline.settled, (queue_id, recipient, outcome, delay, None))
        else:
            self._tally.settled(outcome, delay)

    def deferred(
        self, *, queue_id: QueueId, recipient: Address, outcome: Deferred, delay: float, next_due: float | None = None
    ) -> None:
        self._tally.settled(outcome, delay)
        super().deferred(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay, next_due=next_due)

    def failed(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        self._tally.settled(outcome, delay)
        super().failed(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)

    def expired(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        self._tally.settled(outcome, delay, expired=True)
        super().expired(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)

    def bounced(
        self,
        *,
        queue_id: QueueId,
        dsn: QueueId | None,
        reverse_path: Address | None,
        recipients: int,
        actions: str = "failed",
        reason: str = "",
    ) -> None:
        self._tally.bounced(is_told=dsn is not None)
        super().bounced(
            queue_id=queue_id,
            dsn=dsn,
            reverse_path=reverse_path,
            recipients=recipients,
            actions=actions,
            reason=reason,
        )
        if self.tracer is not None:
            self._tell(self.tracer.reported, queue_id, dsn, recipients, self._now())

    def retired(self, *, queue_id: QueueId, delay: float) -> None:
        if self._hears_info:
            self._say("info", "retired", logline.retired, (queue_id, delay))
        else:
            self._tally.retired()
        if self.tracer is not None:
            self._tell(self.tracer.retired, queue_id)

    def _render(self) -> None:
        self._tally.take(self._rows)
        super()._render()

    def _tell(self, tell: Callable[..., None], *facts: object) -> None:
        try:
            tell(*facts)
        except Exception as error:
            self.note("error", "telemetry_failed", error=error)

"""Where spans come from: a mail log and a transport that tell a tracer what passes.

Promises: what is logged is logged and what is delivered is delivered, whatever becomes of the trace: a bug there is a
line of the log. Never: a line that is different for it, a turn of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from asyncmta.logline import Source
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, Envelope, QueueId
from asyncmta.mail.outcome import Place, Result
from asyncmta.mail.reply import Reply
from asyncmta.mail.transport import Done, Transport
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock
from asyncmta.telemetry.tracer import Tracer


class TracedLog(MailLog):
    """`tracer` hears of the events that spans are made of; None: nobody does."""

    tracer: Tracer | None = None

    def accepted(self, *, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> None:
        super().accepted(queue_id=queue_id, envelope=envelope, size=size, source=source)
        if self.tracer is not None:
            self._trace(partial(self.tracer.accepted, queue_id, (envelope, size, source), self._now()))

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
        super().attempt(
            queue_id=queue_id, destination=destination, place=place, recipients=recipients, seconds=seconds, reply=reply
        )
        if self.tracer is not None:
            self._trace(partial(self.tracer.attempted, queue_id, destination, (place, seconds, reply), self._now()))

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
        super().bounced(
            queue_id=queue_id,
            dsn=dsn,
            reverse_path=reverse_path,
            recipients=recipients,
            actions=actions,
            reason=reason,
        )
        if self.tracer is not None:
            self._trace(partial(self.tracer.reported, queue_id, dsn, recipients, self._now()))

    def retired(self, *, queue_id: QueueId, delay: float) -> None:
        super().retired(queue_id=queue_id, delay=delay)
        if self.tracer is not None:
            self.tracer.retired(queue_id)

    def _trace(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:
            self.note("error", "telemetry_failed", error=error)


class TracedTransport:
    """A transport before all others."""

    def __init__(self, *, tracer: Tracer, transport: Transport, clock: Clock, maillog: MailLog) -> None:
        self._tracer = tracer
        self._transport = transport
        self._clock = clock
        self._maillog = maillog

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Of one message."""
        self._transport.deliver(consignments, partial(self._done, done) if self._begin(consignments) else done)

    def _begin(self, consignments: Sequence[Consignment]) -> bool:
        """Is it told?"""
        first = consignments[0]
        try:
            context = self._tracer.context(first.queue_id, first.envelope)
            if context is None:
                return False
            now = self._clock.now()
            for each in consignments:
                self._tracer.begin(context, each, now)
        except Exception as error:
            self._maillog.note("error", "telemetry_failed", error=error, queue_id=first.queue_id)
            return False
        return True

    def _done(self, done: Done, consignment: Consignment, result: Result) -> None:
        try:
            self._tracer.end(consignment, result, self._clock.now())
        except Exception as error:
            self._maillog.note("error", "telemetry_failed", error=error, queue_id=consignment.queue_id)
        done(consignment, result)

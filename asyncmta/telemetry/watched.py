"""Where spans come from, beside the mail log (`counted_log`): a transport that tells a tracer what passes.

Promises: what is delivered is delivered, whatever becomes of the trace: a bug there is a line of the log. Never: a turn
of the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Result
from asyncmta.mail.transport import Done, Transport
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock
from asyncmta.telemetry.tracer import Tracer


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

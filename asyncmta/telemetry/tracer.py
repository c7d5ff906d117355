"""From what happens to a message to the spans of its trace: acceptance, waits, deliveries, attempts, reports.

Promises: a message that is not sampled costs one decision where it is accepted and where it is handed to a transport,
and leaves nothing behind; what is kept of those that are is bounded, and without it spans are told all the same. Never:
the time but as an argument, the network, a word to mail.

docs/telemetry.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncmta.logline import Source
from asyncmta.mail.envelope import Consignment, Envelope, QueueId, format_queue_id, parse_queue_id
from asyncmta.mail.outcome import Place, Result
from asyncmta.mail.reply import Reply
from asyncmta.telemetry.identity import (
    Context,
    bound_of,
    context_of,
    is_sampled,
    parse_traceparent,
    span_id,
    taken_up,
)
from asyncmta.telemetry.spans import (
    Attributes,
    Event,
    Span,
    of_acceptance,
    of_message,
    of_place,
    of_reply,
    of_result,
)

MOST = 10_000  # messages of which something is kept

Put = Callable[[Span], None]


class Doing:
    """A consignment in hand: its span, and since when."""

    __slots__ = ("began", "context", "span")

    def __init__(self, context: Context, span: int, began: float) -> None:
        self.context, self.span, self.began = context, span, began


class Tracer:
    """`sample`: the share of messages that is told; `key` tells this MTA's traces from others; `plain`: addresses may
    be said."""

    def __init__(self, *, sample: float, key: bytes, plain: bool, put: Put) -> None:
        self._bound = bound_of(sample)
        self._key = key
        self._plain = plain
        self._put = put
        self._number = 0
        self._taken: dict[QueueId, Context | None] = {}  # of whom who handed it in said how it is; the oldest go first
        self._in_hand: dict[QueueId, dict[str, Doing]] = {}
        self._tried: dict[QueueId, tuple[Context, float]] = {}  # the traces of who was tried and is not done; when

    def take_up(self, queue_id: QueueId, traceparent: str) -> None:
        """Before it is accepted. What is no `traceparent` changes nothing."""
        parent = parse_traceparent(traceparent)
        if parent is None:
            return
        if len(self._taken) >= MOST:
            del self._taken[next(iter(self._taken))]
        self._taken[queue_id] = taken_up(parent, queue_id, self._key) if parent.is_sampled else None

    def context(self, queue_id: QueueId, envelope: Envelope) -> Context | None:
        """None: it is not told. A copy that we made belongs to the trace of what it is a copy of."""
        first = queue_id if envelope.origin is None else parse_queue_id(envelope.origin.queue_id)
        if self._taken and first in self._taken:
            return self._taken[first]
        return context_of(first, self._key) if is_sampled(first, self._bound) else None

    # -- what happened -----------------------------------------------------------------------------------------------

    def accepted(self, queue_id: QueueId, about: tuple[Envelope, int, Source], now: float) -> None:
        envelope, size, source = about
        context = self.context(queue_id, envelope)
        if context is None:
            return
        start = source.at or now
        said = of_message(queue_id, "accept") | of_acceptance(envelope, size, source, plain=self._plain)
        self._put(
            Span(
                name="accept",
                kind="server",
                trace_id=context.trace_id,
                span_id=context.root if envelope.origin is None else self._next(context, start),
                parent=context.parent if envelope.origin is None else context.root,
                start=start,
                end=now,
                attributes=said,
            )
        )

    def begin(self, context: Context, consignment: Consignment, now: float) -> None:
        """It is handed to a transport. How long it waited for that is a span of its own."""
        queue_id = consignment.queue_id
        tried = self._tried.get(queue_id)
        since = tried[1] if tried is not None else 0.0 if consignment.attempts else consignment.accepted_at
        if since:
            said = of_message(queue_id, "queue")
            said |= {"asyncmta.destination": consignment.destination, "asyncmta.attempt": consignment.attempts + 1}
            self._told(context, "queue", (since, now), said)
        in_hand = self._in_hand.setdefault(queue_id, {})
        in_hand[consignment.destination] = Doing(context, self._next(context, now), now)

    def end(self, consignment: Consignment, result: Result, now: float) -> None:
        """It has come back."""
        queue_id = consignment.queue_id
        in_hand = self._in_hand.get(queue_id, {})
        doing = in_hand.pop(consignment.destination, None)
        if doing is None:
            return
        if not in_hand:
            del self._in_hand[queue_id]
        if queue_id in self._tried or len(self._tried) < MOST:
            self._tried[queue_id] = (doing.context, now)
        more, events, error = of_result(consignment, result, plain=self._plain)
        said = of_message(queue_id, "deliver") | {
            "asyncmta.destination": consignment.destination,
            "asyncmta.attempt": consignment.attempts + 1,
            "asyncmta.recipients": len(consignment.ordinals),
        }
        self._told(doing.context, "deliver", (doing.began, now), said | more, doing.span, (events, error))

    def attempted(self, queue_id: QueueId, destination: str, at: tuple[Place, float, Reply | None], now: float) -> None:
        """One transaction with another server, or one command, is over."""
        doing = self._in_hand.get(queue_id, {}).get(destination)
        if doing is None:
            return
        place, seconds, reply = at
        error = "" if reply is not None and reply.is_positive else str(reply.code) if reply is not None else "silence"
        said = of_message(queue_id, "send") | of_place(place) | of_reply(reply, plain=self._plain)
        said["asyncmta.destination"] = destination
        if error:
            said["error.type"] = error
        context, start = doing.context, now - seconds
        self._put(
            Span(
                name="attempt",
                kind="client",
                trace_id=context.trace_id,
                span_id=self._next(context, start),
                parent=doing.span,
                start=start,
                end=now,
                attributes=said,
                error=error,
            )
        )

    def reported(self, queue_id: QueueId, dsn: QueueId | None, recipients: int, now: float) -> None:
        """Its sender was told; the report is a message with a trace of its own."""
        tried = self._tried.get(queue_id)
        if tried is None:
            return
        said = of_message(queue_id, "report") | {"asyncmta.recipients": recipients}
        said["asyncmta.report"] = "" if dsn is None else format_queue_id(dsn)
        self._told(tried[0], "report", (now, now), said)

    def retired(self, queue_id: QueueId) -> None:
        self._tried.pop(queue_id, None)

    def kept(self) -> tuple[int, int]:
        """Messages that were tried and are not done, and messages that are in hand."""
        return len(self._tried), len(self._in_hand)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _told(
        self,
        context: Context,
        name: str,
        times: tuple[float, float],
        attributes: Attributes,
        span: int = 0,
        became: tuple[Sequence[Event], str] = ((), ""),
    ) -> None:
        """A span below the first. `became`: its events, and its error."""
        (start, end), (events, error) = times, became
        self._put(
            Span(
                name=name,
                trace_id=context.trace_id,
                span_id=span or self._next(context, start),
                parent=context.root,
                start=start,
                end=end,
                attributes=attributes,
                events=events,
                error=error,
            )
        )

    def _next(self, context: Context, start: float) -> int:
        self._number += 1
        return span_id(context, self._number, int(start * 1e9))

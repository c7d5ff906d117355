"""A message handed over while its client waits: the dot is answered with what the next hop said. Nothing is kept.

For null clients (`mode = "null-client"`): no queue, no retry, no report; whoever gave us the message has to try again.
Promises: no 250 before the next hop has taken the message for every recipient; of different answers the worst is
passed on, so that no recipient is lost without a word, and another may get the message twice. Content is in memory
only, as much as `limits.message_size` for each session. Never: sockets, routes.

RFC 5321 4.4 (Received), 6.1 (responsibility), 6.3 (loops).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import count

from asyncmta.inbound.content import Shape
from asyncmta.inbound.injection import missing_fields
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.session import ClientFacts
from asyncmta.logline import Source
from asyncmta.mail import replies
from asyncmta.mail.envelope import Consignment, Content, ContentUnavailable, Envelope, QueueId, format_queue_id
from asyncmta.mail.headers import header_section, hop_count, received
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome, Postponed
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock

Done = Callable[[Reply], None]
Result = Mapping[int, Outcome] | Postponed
Deliver = Callable[[Sequence[Consignment], Callable[[Consignment, Result], None]], None]

_CLOSING = 421  # what a next hop says before it goes; from us it would end the session


class Handover:
    """Stands where `Intake` does. `deliver` is a transport's; all goes to the one `destination`."""

    def __init__(self, *, destination: str, maillog: MailLog, clock: Clock, hostname: str, settings: Limits) -> None:
        self.deliver: Deliver | None = None  # the transport asks us for content, so that one of us comes first
        self._destination = destination
        self._maillog = maillog
        self._clock = clock
        self._hostname = hostname
        self._settings = settings
        # Nothing tells the last number of the process before: the time is ahead of any count.
        self._ids = count(int(clock.now()) << 40)
        self._contents: dict[QueueId, tuple[bytes, ...]] = {}

    def accept(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes], shape: Shape, done: Done) -> None:
        """Content that has ended, in wire form. `done` gets the reply to the dot, once."""
        octets = b"".join(parts)
        if hop_count(header_section(octets)) > self._settings.hops:
            done(replies.TOO_MANY_HOPS)
            return
        queue_id, at = QueueId(next(self._ids)), self._clock.now()
        recipients = envelope.recipients
        only = recipients[0].address if len(recipients) == 1 else None
        stamp = received(facts.opening, queue_id=queue_id, at=at, recipient=only)
        if facts.is_author:
            message_id = f"<{format_queue_id(queue_id)}@{self._hostname}>"
            stamp += missing_fields(octets, at=at, message_id=message_id, author=envelope.reverse_path)
        size, eight_bit = len(stamp), shape.eight_bit or not stamp.isascii()
        content = Content(shape.size + size, b"", shape.dotted, shape.wire_size + size, eight_bit)
        consignment = Consignment(queue_id, self._destination, envelope, tuple(range(len(recipients))), content, at)
        self._contents[queue_id] = (stamp, octets)
        assert self.deliver is not None
        self.deliver([consignment], partial(self._answer, facts, done))

    def begin_large(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes]) -> LargeHandover | Reply:
        """Content that is larger than a journal would take in one piece; here it is no different."""
        return LargeHandover(self, envelope, facts, parts)

    def read_content(self, queue_id: QueueId) -> tuple[bytes, ...]:
        """For the transport."""
        if queue_id not in self._contents:
            raise ContentUnavailable("it was answered already")
        return self._contents[queue_id]

    def _answer(self, facts: ClientFacts, done: Done, consignment: Consignment, result: Result) -> None:
        self._contents.pop(consignment.queue_id, None)
        if isinstance(result, Postponed):
            self._maillog.note("info", "not_handed_over", queue_id=consignment.queue_id, reason=result.reason)
            done(replies.NEXT_HOP_UNREACHABLE)
            return
        self._say(facts, consignment, result)
        done(reply_of(result.values()))

    def _say(self, facts: ClientFacts, consignment: Consignment, result: Mapping[int, Outcome]) -> None:
        log, queue_id, envelope = self._maillog, consignment.queue_id, consignment.envelope
        source = Source(facts.ip, facts.helo, facts.login, facts.tls)
        if all(isinstance(outcome, Delivered) for outcome in result.values()):
            log.accepted(queue_id=queue_id, envelope=envelope, size=consignment.content.size, source=source)
        delay = self._clock.now() - consignment.accepted_at
        for ordinal, outcome in result.items():
            recipient = envelope.recipients[ordinal].address
            match outcome:
                case Delivered():
                    log.delivered(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)
                case Deferred():
                    log.deferred(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)
                case Failed():
                    log.failed(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)


class LargeHandover:
    """A message whose content is still coming."""

    __slots__ = ("_envelope", "_facts", "_handover", "_parts")

    unwritten = 0  # nothing waits for a disk

    def __init__(self, handover: Handover, envelope: Envelope, facts: ClientFacts, parts: list[bytes]) -> None:
        self._handover = handover
        self._envelope = envelope
        self._facts = facts
        self._parts = list(parts)

    def write(self, parts: Sequence[bytes]) -> None:
        self._parts += parts

    def finish(self, done: Done, shape: Shape) -> None:
        parts, self._parts = self._parts, []
        self._handover.accept(self._envelope, facts=self._facts, parts=parts, shape=shape, done=done)

    def abort(self) -> None:
        self._parts = []


def reply_of(outcomes: Collection[Outcome]) -> Reply:
    """The worst of what was said: a permanent no, else a transient one, else the consent."""
    for kind in (Failed, Deferred, Delivered):
        for outcome in outcomes:
            if isinstance(outcome, kind):
                said = outcome.reply
                return replies.NEXT_HOP_UNREACHABLE if said.code == _CLOSING else said
    return replies.LOCAL_ERROR

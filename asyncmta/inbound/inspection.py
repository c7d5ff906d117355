"""What intake does of what the gate said of a message: header lines, hold, discard; and the look at its content.

Promises: a hold is durable in the same batch as the message it holds; who is discarded is left out before anything is
written, and said in the log with the queue id; content is shown to a hook before the 250, as it will be sent, and never
again. Never: a decision; header lines and tags were checked when they were made (`policy/verdict`).

RFC 5321 4.4 (what goes on top); docs/policy.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct, structs

from asyncmta.inbound.gate import verdicts_of
from asyncmta.inbound.session import ClientFacts
from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import Unstuffer
from asyncmta.maillog import MailLog
from asyncmta.policy.verdict import About, Handling, Inspect
from asyncmta.spool.records import Accepted, Held, Record

Done = Callable[[Reply], None]
ReadBack = Callable[[Accepted], AsyncIterator[bytes]]
"""`Store.read_back`: the content of large content that is written and not committed yet."""


class Entering(Struct, frozen=True):
    """A message that is about to be committed: its record, and what is known of the session and the transaction."""

    record: Accepted
    facts: ClientFacts

    @property
    def records(self) -> tuple[Record, ...]:
        record, handling = self.record, self.facts.handling
        if handling is None or not handling.held_by:
            return (record,)
        return (record, Held(record.queue_id, record.at))

    def about(self) -> About:
        """The question at the dot."""
        handling, envelope = self.facts.handling, self.record.envelope
        assert handling is not None
        return About(
            stage="dot",
            peer=handling.peer,
            reverse_path=envelope.reverse_path,
            recipient=envelope.recipients[0].address if len(envelope.recipients) == 1 else None,
            recipients=len(envelope.recipients),
            size=self.record.content.size,
            instance=handling.instance,
            is_accepted=handling.is_accepted,
        )


def nothing() -> None:
    """To give up, where all there is goes with its record."""


def kept(envelope: Envelope, facts: ClientFacts) -> Envelope:
    """Without those who are discarded."""
    handling = facts.handling
    if handling is None or not handling.discarded:
        return envelope
    gone = {address.mailbox_key for address, _ in handling.discarded}
    left = tuple(one for one in envelope.recipients if one.address.mailbox_key not in gone)
    return structs.replace(envelope, recipients=left)


def note_handling(maillog: MailLog, queue_id: QueueId | None, facts: ClientFacts, envelope: Envelope) -> None:
    """The lines that a message gets beside "accepted". `queue_id` is None for one that nobody is left of."""
    handling = facts.handling
    if handling is None:
        return
    sender = envelope.reverse_path
    for address, by in handling.discarded:
        if queue_id is None:
            maillog.note("info", "discarded", client=facts.ip, reverse_path=sender, recipient=address, by=by)
        else:
            maillog.note("info", "discarded", queue_id=queue_id, reverse_path=sender, recipient=address, by=by)
    if queue_id is not None and handling.held_by:
        maillog.note("info", "held", queue_id=queue_id, by=handling.held_by)
    if queue_id is not None and handling.tags:
        maillog.note("info", "tagged", queue_id=queue_id, tags=handling.tags)


async def inspect(entering: Entering, ask: Inspect, read_back: ReadBack) -> tuple[Entering, Reply | None]:
    """Show the content; what is to be committed then, and the reply when it is nothing."""
    record, facts = entering.record, entering.facts
    handling = facts.handling
    assert handling is not None

    def content() -> AsyncIterator[bytes]:
        return _unstuffed(read_back(record) if record.large else _each(record.parts))

    found = verdicts_of(await ask(entering.about(), record.envelope, content))
    refusal = None
    for verdict in found:
        if verdict.refuses is not None:
            return entering, verdict.refuses
        if verdict.action == "discard":
            everybody = tuple((one.address, verdict.by) for one in record.envelope.recipients)
            handling = structs.replace(handling, discarded=handling.discarded + everybody)
            refusal = replies.DISCARDED
        handling = _noted(handling, verdict.action, verdict.text, verdict.by)
    return Entering(record, structs.replace(facts, handling=handling)), refusal


def _noted(handling: Handling, action: str, text: str, by: str) -> Handling:
    """At the dot a tag is for the log alone: the header is written already."""
    if action == "hold" and not handling.held_by:
        return structs.replace(handling, held_by=by)
    if action == "tag" and text not in handling.tags:
        return structs.replace(handling, tags=(*handling.tags, text))
    return handling


async def _each(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _unstuffed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unstuffer = Unstuffer()
    async for chunk in chunks:
        yield unstuffer.feed(chunk)

"""`[[bcc]]`: who gets a copy of what passes, without being named in the header, and without a report to anybody.

A copy is one more recipient of the envelope, so that it is durable with the message, in one commit, and goes wherever
addresses go. Promises: nobody hears of it (NOTIFY=NEVER); who is a recipient already gets no second one; what was at
the address before (its Delivered-To says so) is not copied to it again; what a rule discards whole is not copied.
Reports of ours and copies for aliases are made elsewhere, and not copied. Never: a change of the content.

Seeds P-87, W-053.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from asyncmta.inbound.arrival import LargeMessage
from asyncmta.inbound.content import Shape
from asyncmta.inbound.inspection import Done, kept
from asyncmta.inbound.intake import Intake
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.session import ClientFacts
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import NOTIFY_NEVER, Envelope, QueueId, Recipient
from asyncmta.mail.headers import delivered_to
from asyncmta.mail.reply import Reply
from asyncmta.routing import Pattern

MOST_SECTION = 1 << 20  # octets at the beginning that are looked at for a loop


class Bcc(Struct, frozen=True):
    """Of mail from and for such addresses, `to` gets a copy."""

    sender: Pattern
    recipient: Pattern
    to: Address


def copies(envelope: Envelope, beginning: bytes, rules: Sequence[Bcc]) -> tuple[Recipient, ...]:
    """Who else gets it. `beginning`: of the content, as far as it is there."""
    there = {one.address.mailbox_key for one in envelope.recipients}
    found = []
    for rule in rules:
        is_meant = rule.sender.covers(envelope.reverse_path) and any(
            rule.recipient.covers(one.address) for one in envelope.recipients
        )
        if is_meant and rule.to.mailbox_key not in there and not _was_there(beginning, rule.to):
            there.add(rule.to.mailbox_key)
            found.append(Recipient(rule.to, NOTIFY_NEVER))
    return tuple(found)


def _was_there(beginning: bytes, address: Address) -> bool:
    mark = delivered_to(address).strip().lower()
    for line in beginning.split(b"\n"):
        if not line.strip():
            return False
        if line.strip().lower() == mark:
            return True
    return False


class CopyingIntake(Intake):
    """An intake that adds those who get copies."""

    def __init__(self, *, rules: Sequence[Bcc], settings: Limits, **words: Any) -> None:
        # They are none of those that a client may name.
        super().__init__(settings=structs.replace(settings, recipients=settings.recipients + len(rules)), **words)
        self._rules = rules

    def accept(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes], shape: Shape, done: Done) -> None:
        envelope = self._with_copies(envelope, facts, parts)
        super().accept(envelope, facts=facts, parts=parts, shape=shape, done=done)

    def begin_large(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes]) -> LargeMessage | Reply:
        return super().begin_large(self._with_copies(envelope, facts, parts), facts=facts, parts=parts)

    async def submit(self, envelope: Envelope, content: bytes, **words: Any) -> QueueId | Reply:
        if envelope.recipients:
            more = copies(envelope, content[:MOST_SECTION], self._rules)
            envelope = structs.replace(envelope, recipients=envelope.recipients + more)
        return await super().submit(envelope, content, **words)

    def _with_copies(self, envelope: Envelope, facts: ClientFacts, parts: Sequence[bytes]) -> Envelope:
        left = kept(envelope, facts)
        if not left.recipients:
            return envelope
        more = copies(left, b"".join(parts)[:MOST_SECTION], self._rules)
        return structs.replace(envelope, recipients=envelope.recipients + more) if more else envelope

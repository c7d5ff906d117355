"""On the way out: the last rewrite table, and then SRS for what we forward, in the envelope that is sent.

The transport before that of the network. Promises: the queue, its routes and its reports keep the envelope as it was;
what goes by LMTP to a store of ours, and to the relay of a domain of ours, goes as it is; a sender of ours, or none, is
not rewritten by SRS. Never: content; where mail goes.

seeds P-77, W-041, W-042.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Consignment, Envelope
from asyncmta.mail.rewrite import Rewriting
from asyncmta.mail.transport import Done, Transport

STRANGERS = ("mx:", "smarthost:", "qmtp:")  # how the destinations begin that lead out of the house

Forward = Callable[[Address], Address | None]
"""A sender -> the one to forward with, or None where there is no such thing."""


class Leaving:
    """`forward` is asked for the senders of what was forwarded by us."""

    def __init__(
        self, *, senders: Rewriting, recipients: Rewriting, forward: Forward | None = None, remote: Transport
    ) -> None:
        self._senders = senders
        self._recipients = recipients
        self._forward = forward
        self._remote = remote

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message."""
        given: dict[Consignment, Consignment] = {}
        for consignment in consignments:
            envelope = consignment.envelope
            if consignment.destination.startswith(STRANGERS):
                envelope = self.envelope(envelope, consignment.ordinals)
            sent = consignment
            if envelope is not consignment.envelope:
                sent = structs.replace(consignment, envelope=envelope)
            given[sent] = consignment
        self._remote.deliver(tuple(given), lambda sent, result: done(given[sent], result))

    def envelope(self, envelope: Envelope, ordinals: Sequence[int]) -> Envelope:
        """The envelope as it is sent, with these recipients; the same object where nothing changes."""
        changed = self._of_recipients(envelope, ordinals) if self._recipients else envelope
        sender = self.sender(envelope)
        return changed if sender == envelope.reverse_path else structs.replace(changed, reverse_path=sender)

    def sender(self, envelope: Envelope) -> Address | None:
        """The reverse-path to send with."""
        if envelope.reverse_path is None:
            return None
        sender, _ = self._senders.of(envelope.reverse_path)
        if envelope.origin is None or self._forward is None:
            return sender
        return self._forward(sender) or sender

    def _of_recipients(self, envelope: Envelope, ordinals: Sequence[int]) -> Envelope:
        recipients = list(envelope.recipients)
        for ordinal in ordinals:
            address, rule = self._recipients.of(recipients[ordinal].address)
            if rule is not None:
                recipients[ordinal] = structs.replace(recipients[ordinal], address=address)
        found = tuple(recipients)
        return envelope if found == envelope.recipients else structs.replace(envelope, recipients=found)

"""Addresses at the entrance: the first rewrite table, and SRS addresses of ours that lead back to whom they stand for.

Before anything else is asked about a recipient or a sender (D-80). Promises: what is rewritten by a table may be sent
to where the table says, if the address as it was given is one that we serve; an SRS address leads back only with its
hash, and not for ever (550); the address as it was given stays known, as ORCPT and in the log. Never: existence, and
permission for anything else.

seeds D-80, P-77, W-041, W-042.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.rewrite import Rewriting
from asyncmta.mail.xtext import encode_orcpt

ReturnedBy = Callable[[Address], Address | Reply | None]
"""An SRS address of ours -> whom it stands for, or why it stands for nobody; None: it is none of ours."""


def no_srs(_: Address) -> None:
    """No address is one of SRS."""


class Entered(Struct, frozen=True):
    """A recipient as it goes on from here; `granted`: it may be sent there, whoever asks."""

    recipient: Recipient
    granted: bool = False


class Readdressing:
    """One for an Mta. `serves`: may anybody send to this address as it was given? `tell` hears of each rewritten one:
    what it is for, as it was given, as it is now, by what."""

    def __init__(
        self,
        *,
        senders: Rewriting,
        recipients: Rewriting,
        returned: ReturnedBy = no_srs,
        serves: Callable[[Address], bool],
        tell: Callable[[str, Address, Address, str], None],
    ) -> None:
        self._senders = senders
        self._recipients = recipients
        self._returned = returned
        self._serves = serves
        self._tell = tell
        self.changes_senders = bool(senders)
        self.changes_recipients = bool(recipients) or returned is not no_srs

    def envelope(self, envelope: Envelope) -> Envelope:
        """An envelope with the sender rewritten."""
        sender = envelope.reverse_path
        if sender is None or not self.changes_senders:
            return envelope
        now, rule = self._senders.of(sender)
        if rule is None or now == sender:
            return envelope
        self._tell("sender", sender, now, str(rule))
        return structs.replace(envelope, reverse_path=now)

    def recipient(self, recipient: Recipient) -> Entered | Reply:
        """A recipient rewritten, and led back; or why there is nobody."""
        if not self.changes_recipients:
            return Entered(recipient)
        address = recipient.address
        found = self._returned(address)
        if isinstance(found, Reply):
            return found
        if found is not None:
            return self._changed(recipient, found, "srs", granted=True)
        now, rule = self._recipients.of(address)
        if rule is None or now == address:
            return Entered(recipient)
        return self._changed(recipient, now, str(rule), granted=self._serves(address))

    def whole(self, envelope: Envelope) -> Envelope | Reply:
        """The envelope of a message that is handed in as a whole; each mailbox once."""
        envelope = self.envelope(envelope)
        found: dict[str, Recipient] = {}
        for recipient in envelope.recipients:
            entered = self.recipient(recipient)
            if isinstance(entered, Reply):
                return entered
            found.setdefault(entered.recipient.address.mailbox_key, entered.recipient)
        return structs.replace(envelope, recipients=tuple(found.values()))

    def _changed(self, recipient: Recipient, to: Address, by: str, *, granted: bool) -> Entered:
        given = recipient.address
        self._tell("recipient", given, to, by)
        orcpt = recipient.orcpt or encode_orcpt(str(given))
        return Entered(structs.replace(recipient, address=to, orcpt=orcpt), granted)


def is_plain(address: Address) -> bool:
    """Is there nothing in the local part that another host could take for a way on from there?"""
    return not any(letter in address.local_part for letter in "%!@")

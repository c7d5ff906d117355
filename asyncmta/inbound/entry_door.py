"""The door at the entrance for recipients who may have no mail: the sandbox of a staging system, the suppression list.

Behind the rewrite tables and SRS, so that none of them leads past it. Promises: the header stays as it is; an address
that is redirected stays known as it was given, as ORCPT and in the log; of a message that is handed in whole, one
recipient on the list costs the others nothing (he fails at the exit, where his sender is told). Never: who is in the
sandbox (`policy/sandbox`) or on the list; what is to be discarded, which is done on the way out (`delivery/exit_door`).

docs/sandbox.md, docs/suppression.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import structs

from asyncmta.inbound.readdressing import Entered, Readdressing
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.policy.sandbox import Sandbox


def nobody(_: Address) -> bool:
    """There is no list."""
    return False


class EntryDoor(Readdressing):
    """A readdressing with the door behind it. `refuses`: is this address on the list, and so to be refused?"""

    def __init__(self, *, sandbox: Sandbox | None = None, refuses: Callable[[Address], bool] = nobody, **words: Any):
        super().__init__(**words)
        self._sandbox = sandbox
        self._refuses = refuses

    def recipient(self, recipient: Recipient) -> Entered | Reply:
        if self._sandbox is None and not self.changes_recipients:
            return replies.SUPPRESSED if self._refuses(recipient.address) else Entered(recipient)
        entered = self._within(recipient)
        if isinstance(entered, Reply):
            return entered
        return replies.SUPPRESSED if self._refuses(entered.recipient.address) else entered

    def whole(self, envelope: Envelope) -> Envelope | Reply:
        envelope = self.envelope(envelope)
        found: dict[str, Recipient] = {}
        for recipient in envelope.recipients:
            entered = self._within(recipient)
            if isinstance(entered, Reply):
                return entered
            found.setdefault(entered.recipient.address.mailbox_key, entered.recipient)
        if found and all(self._refuses(each.address) for each in found.values()):
            return replies.SUPPRESSED
        return structs.replace(envelope, recipients=tuple(found.values()))

    def _within(self, recipient: Recipient) -> Entered | Reply:
        """The recipient within the sandbox."""
        entered = super().recipient(recipient)
        sandbox = self._sandbox
        if sandbox is None or isinstance(entered, Reply):
            return entered
        address = entered.recipient.address
        if sandbox.allows(address):
            return entered
        target = sandbox.redirect_to
        if target is not None:
            granted = entered.granted or self._serves(address)
            return self._changed(entered.recipient, target, "sandbox", granted=granted)
        return replies.NOT_IN_SANDBOX if sandbox.refuses else entered

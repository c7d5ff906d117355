"""The sandbox at the entrance: recipients who may have no mail for real are redirected, or refused.

Behind the rewrite tables and SRS, so that none of them leads out of it; what is to be discarded is taken here, and
discarded on the way out (`delivery/sandboxed`), with everything that comes about inside. Promises: the header stays as
it is; the address as it was given stays known, as ORCPT and in the log. Never: who is in it (`policy/sandbox`).
"""

from __future__ import annotations

from typing import Any

from asyncmta.inbound.readdressing import Entered, Readdressing
from asyncmta.mail import replies
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.reply import Reply
from asyncmta.policy.sandbox import Sandbox


class SandboxedReaddressing(Readdressing):
    """A readdressing with a sandbox behind it."""

    def __init__(self, *, sandbox: Sandbox, **words: Any) -> None:
        super().__init__(**words)
        self._sandbox = sandbox

    def recipient(self, recipient: Recipient) -> Entered | Reply:
        entered = super().recipient(recipient)
        if isinstance(entered, Reply):
            return entered
        address = entered.recipient.address
        if self._sandbox.allows(address):
            return entered
        target = self._sandbox.redirect_to
        if target is not None:
            granted = entered.granted or self._serves(address)
            return self._changed(entered.recipient, target, "sandbox", granted=granted)
        return replies.NOT_IN_SANDBOX if self._sandbox.refuses else entered

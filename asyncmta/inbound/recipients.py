"""Who lives here, as the listener asks it: the answers of `mailboxes` in the words of `acceptance`.

Promises: known answers are given at once, others are something to wait for; what cannot be told is never a no. Never:
a look at the disk; that is `mailboxes/`, the same object that local delivery asks (row Q-03).
"""

from __future__ import annotations

from collections.abc import Awaitable

from asyncmta.inbound.acceptance import Existence, Lookup
from asyncmta.mail.address import Address
from asyncmta.mailboxes.resolver import Answer, Mailbox, Mailboxes, NoMailbox


def lookup_in(mailboxes: Mailboxes) -> Lookup:
    """The `lookup` of a `Reception`."""

    async def ask(address: Address) -> Existence:
        return _existence(await mailboxes.lookup(address))

    def lookup(address: Address) -> Existence | Awaitable[Existence]:
        known = mailboxes.cached(address)
        return ask(address) if known is None else _existence(known)

    return lookup


def _existence(answer: Answer) -> Existence:
    match answer:
        case Mailbox(is_full=True):
            return Existence.FULL
        case Mailbox():
            return Existence.YES
        case NoMailbox():
            return Existence.NO
    return Existence.UNKNOWN

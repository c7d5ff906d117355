"""Who lives here, as the listener asks it: the answers of the directory in the words of `acceptance`.

Promises: known answers are given at once, others are something to wait for; what cannot be told is never a no. Never:
a look at the disk; that is `mailboxes/`, the same object that local delivery asks (row Q-03).
"""

from __future__ import annotations

from collections.abc import Awaitable

from asyncmta.inbound.acceptance import Existence, Found, Lookup
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mailboxes.directory import Directory, Moved, Reachable, Standing
from asyncmta.mailboxes.resolver import Mailbox, NoMailbox


def lookup_in(directory: Directory) -> Lookup:
    """The `lookup` of a `Reception`."""

    async def ask(address: Address) -> Found:
        return _found(await directory.standing(address))

    def lookup(address: Address) -> Found | Awaitable[Found]:
        known = directory.known(address)
        return ask(address) if known is None else _found(known)

    return lookup


def _found(standing: Standing) -> Found:
    match standing:
        case Reachable(Mailbox(is_full=True)):
            return replies.MAILBOX_FULL
        case Reachable():
            return Existence.YES
        case NoMailbox():
            return Existence.NO
        case Moved(to):
            return replies.moved(to)
    return Existence.UNKNOWN

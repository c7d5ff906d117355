"""The transport for mailboxes, where a mail store keeps those of some domains: theirs go there by LMTP.

Aliases and the like were asked before, so that a domain whose mailboxes are in Dovecot has them too (W-300). Promises:
one answer for each consignment, in the words of whoever delivered it (what a store took is in its mailbox); where there
is no store, Maildirs are asked at once. Never: who has a mailbox.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from msgspec import structs

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Delivered, Handover, Outcome, Result
from asyncmta.mail.transport import Done, Transport
from asyncmta.routing import store_key


class Stores:
    """`domains`: those with a store, in normal form. `maildirs` and `stores` are the transports."""

    def __init__(self, *, domains: Collection[str], maildirs: Transport, stores: Transport) -> None:
        self._domains = frozenset(domains)
        self._maildirs = maildirs
        self._stores = stores

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message, one for each domain."""
        here = []
        for consignment in consignments:
            domain = consignment.envelope.recipients[consignment.ordinals[0]].address.domain_key
            if domain in self._domains:
                there = structs.replace(consignment, destination=store_key(domain))
                self._stores.deliver([there], partial(_answer, consignment, done))
            else:
                here.append(consignment)
        if here:
            self._maildirs.deliver(here, done)


def _answer(consignment: Consignment, done: Done, _: Consignment, result: Result) -> None:
    done(consignment, {at: _final(one) for at, one in result.items()} if isinstance(result, Mapping) else result)


def _final(outcome: Outcome) -> Outcome:
    """The store is the mailbox, and tells nobody that it took a message."""
    is_relayed = isinstance(outcome, Delivered) and outcome.handover is Handover.RELAYED
    return structs.replace(outcome, handover=Handover.FINAL) if is_relayed else outcome

"""The transport for mailboxes, where a mail store keeps those of some domains: theirs go there by LMTP.

Aliases and the like were asked before, so that a domain whose mailboxes are in Dovecot has them too (W-300). Promises:
one answer for each consignment, in the words of whoever delivered it; where there is no store, Maildirs are asked at
once. Never: who has a mailbox.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Protocol

from msgspec import structs

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Result
from asyncmta.routing import store_key

Done = Callable[[Consignment, Result], None]


class Delivers(Protocol):
    """A transport behind this one."""

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None: ...


class Stores:
    """`domains`: those with a store, in normal form. `maildirs` and `stores` are the transports."""

    def __init__(self, *, domains: Collection[str], maildirs: Delivers, stores: Delivers) -> None:
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
    done(consignment, result)

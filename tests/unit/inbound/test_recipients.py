"""inbound/recipients: the answers of mailboxes in the words of acceptance."""

from __future__ import annotations

import inspect

import pytest

from asyncmta.inbound.acceptance import Existence
from asyncmta.inbound.recipients import lookup_in
from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes.resolver import Answer, Mailbox, MailboxUnknown, NoMailbox

ALICE = parse_address("alice@example.org")


class Known:
    """Mailboxes that know their answer, or have to look."""

    def __init__(self, answer: Answer, *, at_once: bool) -> None:
        self._answer = answer
        self._at_once = at_once

    def cached(self, address: Address) -> Answer | None:
        assert address == ALICE
        return self._answer if self._at_once else None

    async def lookup(self, address: Address) -> Answer:
        assert address == ALICE
        return self._answer


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("answer", "existence"),
    [
        (Mailbox("/var/mail/alice"), Existence.YES),
        (Mailbox("/var/mail/alice", is_full=True), Existence.FULL),
        (NoMailbox(), Existence.NO),
        (MailboxUnknown("the disk does not answer"), Existence.UNKNOWN),
    ],
)
async def test_existence(answer: Answer, existence: Existence, at_once: bool) -> None:
    found = lookup_in(Known(answer, at_once=at_once))(ALICE)  # type: ignore[arg-type]
    assert inspect.isawaitable(found) != at_once
    assert (found if isinstance(found, Existence) else await found) is existence

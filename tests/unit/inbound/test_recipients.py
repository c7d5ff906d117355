"""inbound/recipients: the answers of the directory in the words of acceptance."""

from __future__ import annotations

import inspect

import pytest

from asyncmta.inbound.acceptance import Existence, Found
from asyncmta.inbound.recipients import lookup_in
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.reply import Reply
from asyncmta.mailboxes.directory import Moved, Reachable, Standing
from asyncmta.mailboxes.expansion import Untold
from asyncmta.mailboxes.resolver import Mailbox, NoMailbox

ALICE = parse_address("alice@example.org")


class Known:
    """A directory that knows its answer, or has to look."""

    def __init__(self, answer: Standing, *, at_once: bool) -> None:
        self._answer = answer
        self._at_once = at_once

    def known(self, address: Address) -> Standing | None:
        assert address == ALICE
        return self._answer if self._at_once else None

    async def standing(self, address: Address) -> Standing:
        assert address == ALICE
        return self._answer


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Reachable(Mailbox("/var/mail/alice")), Existence.YES),
        (Reachable(Mailbox("/var/mail/alice", is_full=True)), replies.MAILBOX_FULL),
        (Reachable(), Existence.YES),
        (NoMailbox(), Existence.NO),
        (Untold("the disk does not answer"), Existence.UNKNOWN),
        (Moved("alice@new.example"), replies.moved("alice@new.example")),
    ],
)
async def test_existence(answer: Standing, found: Found, at_once: bool) -> None:
    said = lookup_in(Known(answer, at_once=at_once))(ALICE)  # type: ignore[arg-type]
    assert inspect.isawaitable(said) != at_once
    assert (said if isinstance(said, Existence | Reply) else await said) == found

"""What is said softly, and what is not."""

from __future__ import annotations

import pytest

from asyncmta.inbound.events import Refused
from asyncmta.inbound.softening import softened
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply, reply


@pytest.mark.parametrize(
    ("stage", "code", "status", "code_after"),
    [
        ("RCPT", 550, "5.1.1", 450),
        ("RCPT", 551, "5.1.6", 451),
        ("MAIL", 552, "5.3.4", 452),
        ("RCPT", 553, "5.1.3", 453),
        ("DATA", 554, "5.5.1", 454),
        ("dot", 554, "5.7.1", 454),
        ("BDAT", 556, "5.1.10", 456),
    ],
)
def test_for_good_is_for_now(stage: str, code: int, status: str, code_after: int) -> None:
    after = softened(Refused(stage, reply(code, status, "no"), counts=False))
    assert str(after.reply) == f"{code_after} 4{status[1:]} no"
    assert after.counts is False
    assert softened(Refused(stage, reply(code, status, "no"))).counts is True


@pytest.mark.parametrize(
    "refused",
    [
        Refused("RCPT", replies.SYNTAX_PARAMETERS),
        Refused("AUTH", replies.AUTH_FAILED),
        Refused("RCPT", reply(450, "4.2.1", "later")),
        Refused("MAIL", reply(554, "5.7.1", "go away"), closes=True),
        Refused("EXPN", replies.NOT_IMPLEMENTED),
    ],
)
def test_the_rest_stays(refused: Refused) -> None:
    assert softened(refused) is refused


def test_a_reply_without_an_enhanced_status_has_none_after_it() -> None:
    assert softened(Refused("RCPT", Reply(550, None, ("no",)))).reply == Reply(450, None, ("no",))

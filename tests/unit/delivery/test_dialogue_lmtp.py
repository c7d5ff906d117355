"""The client's side of LMTP: the content is answered once for each recipient that was accepted."""

from __future__ import annotations

import pytest

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.verdict import Fault, Stage
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Scope

CONTENT = Content(100, b"d" * 16, False, 100)
LETTER = Envelope(
    parse_address("a@example.org"), tuple(Recipient(parse_address(f"{name}@example.net")) for name in "bcd")
)


def begun(*, pipelining: bool = True) -> Dialogue:
    dialogue = Dialogue(Capabilities(pipelining=pipelining), lmtp=True)
    assert dialogue.begin(LETTER, (0, 1, 2), CONTENT) is Step.WRITE
    return dialogue


def sent(replies: bytes = b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n") -> Dialogue:
    dialogue = begun()
    assert dialogue.feed(replies) is Step.CONTENT
    dialogue.content_sent()
    return dialogue


def kinds(dialogue: Dialogue) -> str:
    letters = {Delivered: "D", Deferred: "E", Failed: "F"}
    return "".join(letters[type(dialogue.outcomes[ordinal])] for ordinal in sorted(dialogue.outcomes))


def test_each_recipient_gets_its_own_reply_in_order() -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 2.1.5 b has it\r\n452 4.2.2 c is full\r\n554 5.7.1 not for d\r\n") is Step.DONE
    assert kinds(dialogue) == "DEF"
    assert [outcome.reply.text for _, outcome in sorted(dialogue.outcomes.items())] == [
        "b has it",
        "c is full",
        "not for d",
    ]
    assert {outcome.scope for outcome in dialogue.outcomes.values() if not isinstance(outcome, Delivered)} == {
        Scope.RECIPIENT
    }
    assert dialogue.usable
    dialogue.begin(LETTER, (0,), CONTENT)
    assert dialogue.out.startswith(b"MAIL")


def test_only_who_was_accepted_is_answered() -> None:
    dialogue = sent(b"250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 b\r\n") is Step.WAIT
    assert dialogue.stage is Stage.DOT
    before = dialogue.progress
    assert dialogue.feed(b"250-d\r\n") is Step.WAIT
    assert dialogue.progress == before
    assert dialogue.feed(b"250 has it\r\n") is Step.DONE
    assert kinds(dialogue) == "DFD"
    assert [dialogue.outcomes[ordinal].reply.text for ordinal in (0, 2)] == ["b", "d has it"]


def test_lock_step() -> None:
    dialogue = begun(pipelining=False)
    for _ in range(4):
        assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
    assert dialogue.out == b"DATA\r\n"
    assert dialogue.feed(b"354 go\r\n") is Step.CONTENT
    dialogue.content_sent()
    assert dialogue.feed(b"250 ok\r\n" * 3) is Step.DONE
    assert kinds(dialogue) == "DDD"


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TIMEOUT])
def test_a_connection_lost_in_the_middle_leaves_what_was_answered(fault: Fault) -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 ok\r\n") is Step.WAIT
    dialogue.fail(fault)
    assert kinds(dialogue) == "DEE"
    outcome = dialogue.outcomes[1]
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.RECIPIENT
    assert dialogue.is_unsure


def test_421_in_the_middle() -> None:
    dialogue = sent()
    assert dialogue.feed(b"554 5.7.1 spam\r\n421 4.3.2 bye\r\n") is Step.DONE
    assert kinds(dialogue) == "FEE"
    assert dialogue.is_cut_off
    assert not dialogue.is_unsure


@pytest.mark.parametrize("heard", [b"354 go\r\n", b"what\r\n"])
def test_nonsense_in_the_middle(heard: bytes) -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 ok\r\n" + heard) is Step.DONE
    assert kinds(dialogue) == "DEE"
    assert not dialogue.usable


def test_a_reply_too_many_ends_the_session() -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 ok\r\n" * 4) is Step.DONE
    assert kinds(dialogue) == "DDD"
    assert not dialogue.usable


def test_data_is_refused_when_nobody_was_accepted() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n550 no\r\n450 later\r\n550 no\r\n503 5.5.1 no recipients\r\n") is Step.DONE
    assert kinds(dialogue) == "FEF"
    assert dialogue.usable


def test_a_354_that_nobody_should_get_ends_the_session() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n550 no\r\n450 later\r\n550 no\r\n354 go\r\n") is Step.DONE
    assert kinds(dialogue) == "FEF"
    assert not dialogue.usable


def test_refused_data_is_for_all_that_were_accepted() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n451 4.3.0 later\r\n") is Step.DONE
    assert kinds(dialogue) == "EFE"
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.REFUSED


@pytest.mark.parametrize(
    "heard",
    [
        b"250 b\r\n550 5.1.1 c\r\n250 d\r\n250 one too many\r\n",
        b"250 b\r\n250 c\r\n250 d\r\n550 5.1.1 one too many\r\n",
    ],
)
def test_a_reply_too_many_among_different_ones_leaves_nobody_answered(heard: bytes) -> None:
    """Whose refusal it is cannot be known: nobody bounces for it, and nobody counts as delivered."""
    dialogue = sent()
    assert dialogue.feed(heard) is Step.DONE
    assert kinds(dialogue) == "EEE"
    assert dialogue.is_unsure
    assert not dialogue.usable


@pytest.mark.parametrize(("dsn", "handover"), [(True, Handover.PASSED_ON), (False, Handover.RELAYED)])
def test_a_2yz_proves_no_mailbox(dsn: bool, handover: Handover) -> None:
    """Row W-177: LMTP may have a queue behind it too."""
    dialogue = Dialogue(Capabilities(pipelining=True, dsn=dsn), lmtp=True)
    assert dialogue.begin(LETTER, (0, 1), CONTENT) is Step.WRITE
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n") is Step.CONTENT
    dialogue.content_sent()
    assert dialogue.feed(b"250 2.1.5 b\r\n250 2.1.5 c\r\n") is Step.DONE
    found = [outcome.handover for outcome in dialogue.outcomes.values() if isinstance(outcome, Delivered)]
    assert found == [handover, handover]

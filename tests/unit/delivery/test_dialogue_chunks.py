"""The client's side of CHUNKING: content by BDAT, in the write of its commands or once somebody wants it."""

from __future__ import annotations

import pytest

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.verdict import Fault, Stage
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Scope

CONTENT = Content(100, b"d" * 16, True, 103)
LETTER = Envelope(parse_address("a@example.org"), tuple(Recipient(parse_address(f"{n}@example.net")) for n in "bc"))
COMMANDS = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n"
BDAT = b"BDAT 100 LAST\r\n"


def begun(*, at_once: bool = True, pipelining: bool = True, lmtp: bool = False) -> Dialogue:
    dialogue = Dialogue(Capabilities(pipelining=pipelining, chunking=True), lmtp=lmtp)
    assert dialogue.begin(LETTER, (0, 1), CONTENT, at_once=at_once) is Step.WRITE
    return dialogue


def kinds(dialogue: Dialogue) -> str:
    letters = {Delivered: "D", Deferred: "E", Failed: "F"}
    return "".join(letters[type(dialogue.outcomes[ordinal])] for ordinal in sorted(dialogue.outcomes))


def test_commands_and_content_in_one_write() -> None:
    dialogue = begun()
    assert dialogue.out == COMMANDS + BDAT
    assert dialogue.is_out
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n") is Step.WAIT
    assert dialogue.stage is Stage.DOT
    assert dialogue.feed(b"250 2.0.0 queued\r\n") is Step.DONE
    assert kinds(dialogue) == "DD"
    assert dialogue.usable
    dialogue.begin(LETTER, (0, 1), CONTENT, at_once=True)
    assert dialogue.out == COMMANDS + BDAT


def test_content_that_waits_until_somebody_wants_it() -> None:
    dialogue = begun(at_once=False)
    assert dialogue.out == COMMANDS
    assert not dialogue.is_out
    assert dialogue.feed(b"250 ok\r\n550 no\r\n250 ok\r\n") is Step.CONTENT
    assert (dialogue.opening, dialogue.ending) == (BDAT, b"")
    dialogue.content_sent()
    assert dialogue.feed(b"250 2.0.0 queued\r\n") is Step.DONE
    assert kinds(dialogue) == "FD"


def test_no_content_at_once_in_lock_step() -> None:
    dialogue = begun(pipelining=False)
    assert not dialogue.is_out
    assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
    assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
    assert dialogue.feed(b"250 ok\r\n") is Step.CONTENT


@pytest.mark.parametrize("said", [b"503 5.5.1 no recipients\r\n", b"554 5.5.1 no\r\n", b"250 ok\r\n", b"451 no\r\n"])
def test_content_that_nobody_wanted_changes_nothing(said: bytes) -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n550 no\r\n450 later\r\n") is Step.WAIT
    assert dialogue.feed(said) is Step.DONE
    assert kinds(dialogue) == "FE"
    assert dialogue.usable
    assert not dialogue.is_unsure


def test_a_refused_mail_is_the_verdict_on_all_that_follows_in_the_same_write() -> None:
    dialogue = begun()
    assert dialogue.feed(b"451 4.7.1 later\r\n503 no\r\n503 no\r\n503 no\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert dialogue.outcomes[0].reply.text == "later"
    assert dialogue.usable


def test_a_refused_chunk_leaves_something_to_reset_and_then_nothing_goes_at_once() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n" * 3 + b"554 5.7.1 spam\r\n") is Step.DONE
    assert kinds(dialogue) == "FF"
    dialogue.begin(LETTER, (0, 1), CONTENT, at_once=True)
    assert dialogue.out == b"RSET\r\n" + COMMANDS
    assert dialogue.feed(b"250 ok\r\n" * 4) is Step.CONTENT
    dialogue.content_sent()
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    dialogue.begin(LETTER, (0, 1), CONTENT, at_once=True)
    assert dialogue.is_out


@pytest.mark.parametrize("heard", [b"", b"250 ok\r\n", b"250 ok\r\n550 no\r\n", b"250 ok\r\n550 no\r\n250 ok\r\n"])
def test_a_connection_lost_behind_the_content_leaves_us_unsure(heard: bytes) -> None:
    dialogue = begun()
    if heard:
        assert dialogue.feed(heard) is Step.WAIT
    dialogue.fail(Fault.LOST)
    assert kinds(dialogue) == ("FE" if b"550" in heard else "EE")
    outcome = dialogue.outcomes[1]
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.RECIPIENT
    assert dialogue.is_unsure
    assert not dialogue.is_unheard


@pytest.mark.parametrize("heard", [b"550 no\r\n", b"250 ok\r\n550 no\r\n550 no\r\n"])
def test_a_connection_lost_when_all_were_refused_leaves_no_doubt(heard: bytes) -> None:
    dialogue = begun()
    assert dialogue.feed(heard) is Step.WAIT
    dialogue.fail(Fault.LOST)
    assert kinds(dialogue) == "FF"
    assert not dialogue.is_unsure


def test_421_to_mail_means_that_nothing_happened() -> None:
    dialogue = begun()
    assert dialogue.feed(b"421 4.7.0 enough\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert dialogue.is_unheard
    assert dialogue.is_cut_off
    assert not dialogue.is_unsure


def test_421_to_the_content() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n" * 3 + b"421 4.3.2 bye\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert not dialogue.is_unheard
    assert not dialogue.is_unsure


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("said", [b"500 5.5.1 unknown\r\n", b"502 what\r\n"])
def test_a_peer_that_offers_chunks_and_does_not_know_bdat_bounces_nothing(said: bytes, *, at_once: bool) -> None:
    dialogue = begun(at_once=at_once)
    step = dialogue.feed(b"250 ok\r\n" * 3)
    if step is Step.CONTENT:
        dialogue.content_sent()
    assert dialogue.feed(said) is Step.DONE
    assert kinds(dialogue) == "EE"
    assert not dialogue.usable
    assert not dialogue.is_unsure


def test_a_354_to_a_chunk_is_garbage() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n" * 3 + b"354 go\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert dialogue.is_unsure


def test_lmtp_answers_a_chunk_for_each_recipient() -> None:
    dialogue = begun(lmtp=True)
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n") is Step.WAIT
    assert dialogue.feed(b"250 ok\r\n") is Step.WAIT
    assert dialogue.feed(b"452 4.2.2 full\r\n") is Step.DONE
    assert kinds(dialogue) == "DE"
    assert dialogue.usable


def test_lmtp_answers_a_chunk_that_nobody_wanted_once() -> None:
    dialogue = begun(lmtp=True)
    assert dialogue.feed(b"250 ok\r\n550 no\r\n550 no\r\n503 5.5.1 nobody\r\n") is Step.DONE
    assert kinds(dialogue) == "FF"
    assert dialogue.usable


def test_a_reply_too_many_behind_all_the_others_puts_them_in_doubt() -> None:
    """No 354 parts commands and content: the 550 may be one too many, and the last 250 that of the recipient."""
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n452 4.3.1 full\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert dialogue.is_unsure


def test_a_421_behind_the_last_reply_puts_nothing_in_doubt() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n421 4.3.2 bye\r\n") is Step.DONE
    assert kinds(dialogue) == "DF"
    assert not dialogue.usable

"""Transactions whose commands go behind the content of the one before (RFC 2920 3.1), octet by octet."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.qmtp import QmtpDialogue
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient, Timing
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Place

HERE = Place("mx.example.net", "192.0.2.1")
CONTENT = Content(100, b"d" * 16, False, 100)
PIPELINING = Capabilities(pipelining=True)
LETTER = Envelope(parse_address("a@example.org"), (Recipient(parse_address("b@example.net")),) * 2)
CONSENT = b"250 ok\r\n250 ok\r\n354 go\r\n"


def sent(peer: Capabilities = PIPELINING, **facts: Any) -> Dialogue:
    """Up to the dot."""
    dialogue = Dialogue(peer, HERE, **facts)
    assert dialogue.begin(LETTER, (0,), CONTENT) is Step.WRITE
    assert dialogue.feed(CONSENT) is Step.CONTENT
    dialogue.content_sent()
    return dialogue


def followed() -> Dialogue:
    dialogue = sent()
    assert dialogue.ahead(LETTER, (1,), CONTENT)
    dialogue.is_followed = True
    return dialogue


def test_all_that_is_to_be_said_before_content() -> None:
    assert sent().ahead(LETTER, (1,), CONTENT) == b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"


@pytest.mark.parametrize(
    ("peer", "letter", "ordinals", "content", "lmtp"),
    [
        (PIPELINING, LETTER, (0, 1), CONTENT, False),
        (PIPELINING, LETTER, (0,), CONTENT, True),
        (PIPELINING, LETTER, (0,), replace(CONTENT, eight_bit=True), False),
        (PIPELINING, replace(LETTER, body="BINARYMIME"), (0,), CONTENT, False),
        (PIPELINING, replace(LETTER, timing=Timing(priority=3)), (0,), CONTENT, False),
        (PIPELINING, replace(LETTER, requiretls=True), (0,), CONTENT, False),
        (Capabilities(pipelining=True, size=99), LETTER, (0,), CONTENT, False),
        (Capabilities(pipelining=True, chunking=True), LETTER, (0,), CONTENT, False),
        (Capabilities(), LETTER, (0,), CONTENT, False),
    ],
)
def test_what_has_to_wait_for_its_turn(
    peer: Capabilities, letter: Envelope, ordinals: tuple[int, ...], content: Content, lmtp: bool
) -> None:
    assert Dialogue(peer, HERE, lmtp=lmtp).ahead(letter, ordinals, content) == b""


def test_nothing_behind_binary_content() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, binary=True), HERE)
    dialogue.begin(replace(LETTER, body="BINARYMIME"), (0,), CONTENT)
    assert dialogue.ahead(LETTER, (0,), CONTENT) == b""


def test_nothing_ahead_in_qmtp() -> None:
    assert QmtpDialogue().ahead(LETTER, (0,), CONTENT) == b""


def test_eight_bits_may_go_ahead_where_they_are_taken() -> None:
    peer = Capabilities(pipelining=True, eight_bit=True)
    assert b"BODY=8BITMIME" in Dialogue(peer, HERE).ahead(LETTER, (0,), replace(CONTENT, eight_bit=True))


@pytest.mark.parametrize("cut", range(1, 50, 7))
def test_the_replies_to_both_may_come_in_any_pieces(cut: int) -> None:
    dialogue = followed()
    stream = b"250 2.0.0 the first\r\n" + CONSENT
    first, second = stream[:cut], stream[cut:]
    step = dialogue.feed(first)
    if step is Step.WAIT:
        step, second = dialogue.feed(second), b""
    assert step is Step.DONE
    assert dialogue.usable
    assert isinstance(dialogue.outcomes[0], Delivered)
    dialogue.follow((1,))
    step = dialogue.feed(second)
    assert step is Step.CONTENT
    assert not dialogue.is_out
    dialogue.content_sent()
    assert dialogue.feed(b"250 2.0.0 the second\r\n") is Step.DONE
    assert {at: said.reply.text for at, said in dialogue.outcomes.items()} == {1: "the second"}
    assert dialogue.usable


def test_what_is_refused_of_the_next_one() -> None:
    dialogue = followed()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n554 no\r\n") is Step.DONE
    dialogue.follow((1,))
    assert dialogue.feed(b"") is Step.DONE
    assert isinstance(dialogue.outcomes[1], Failed)
    assert dialogue.usable


@pytest.mark.parametrize(
    "reply", [b"503 5.5.1 no", b"554 SMTP synchronization error", b"550 5.5.0 Improper pipelining"]
)
def test_who_is_refused_for_having_come_so_early_is_as_good_as_unheard(reply: bytes) -> None:
    dialogue = followed()
    assert dialogue.feed(b"250 ok\r\n" + reply + b"\r\n503 what\r\n503 what\r\n") is Step.DONE
    assert dialogue.usable
    dialogue.follow((1,))
    assert dialogue.feed(b"") is Step.DONE
    assert isinstance(dialogue.outcomes[1], Deferred)
    assert (dialogue.usable, dialogue.is_unheard, dialogue.is_cut_off) == (False, True, True)


def test_who_was_not_said_ahead_is_refused_whatever_the_words() -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    dialogue.begin(LETTER, (1,), CONTENT)
    assert dialogue.feed(b"503 no\r\n503 no\r\n503 no\r\n") is Step.DONE
    assert isinstance(dialogue.outcomes[1], Failed)


@pytest.mark.parametrize("reply", [b"421 4.3.2 bye\r\n", b"what\r\n", b"354 what\r\n"])
def test_a_session_that_cannot_go_on(reply: bytes) -> None:
    dialogue = followed()
    assert dialogue.feed(reply + CONSENT) is Step.DONE
    assert isinstance(dialogue.outcomes[0], Deferred)
    assert not dialogue.usable


def test_one_reply_too_many_takes_no_message_for_delivered_and_none_for_refused() -> None:
    dialogue = followed()
    assert dialogue.feed(b"250 ok\r\n250 and ok\r\n250 ok\r\n550 nobody\r\n554 no\r\n") is Step.DONE
    dialogue.follow((1,))
    assert dialogue.feed(b"") is Step.DONE
    assert isinstance(dialogue.outcomes[1], Deferred)
    assert not dialogue.usable


def test_a_reply_before_the_content_that_it_is_to() -> None:
    dialogue = followed()
    assert dialogue.feed(b"250 ok\r\n" + CONSENT + b"250 ok\r\n") is Step.DONE
    dialogue.follow((1,))
    assert dialogue.feed(b"") is Step.DONE
    assert isinstance(dialogue.outcomes[1], Deferred)


def test_the_same_words_as_the_last_time_mean_the_same() -> None:
    dialogue = Dialogue(PIPELINING, HERE)
    for words in (b"250 2.0.0 ok\r\n", b"250 2.0.0 ok\r\n", b"250 other\r\n", b"250 2.0.0 ok\r\n"):
        dialogue.begin(LETTER, (0, 1), CONTENT)
        assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 nobody\r\n354 go\r\n") is Step.CONTENT
        dialogue.content_sent()
        assert dialogue.feed(words) is Step.DONE
        assert isinstance(dialogue.outcomes[0], Delivered)
        assert isinstance(dialogue.outcomes[1], Failed)
        assert dialogue.outcomes[0].reply.text == words.decode()[4:].strip().removeprefix("2.0.0 ")
        assert dialogue.begin(LETTER, (0,), CONTENT) is Step.WRITE
        assert dialogue.out.startswith(b"MAIL")
        assert dialogue.feed(b"450 not now\r\n503 what\r\n503 what\r\n") is Step.DONE


def test_the_words_for_one_that_was_taken_are_no_consent_to_another() -> None:
    dialogue = sent()
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    dialogue.begin(LETTER, (0,), CONTENT)
    assert dialogue.feed(b"250 ok\r\n") is Step.WAIT
    assert not dialogue.outcomes

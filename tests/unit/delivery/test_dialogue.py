"""The client's side of transactions, octet by octet."""

from __future__ import annotations

import pytest

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.verdict import Fault, Stage
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place, Scope

HERE = Place("mx.example.net", "192.0.2.1")
CONTENT = Content(100, b"d" * 16, False, 100)
PIPELINING = Capabilities(pipelining=True)
LOCK_STEP = Capabilities()
NAMES = "bcdefgh"


def mail(count: int) -> Envelope:
    recipients = tuple(Recipient(parse_address(f"{name}@example.net")) for name in NAMES[:count])
    return Envelope(parse_address("a@example.org"), recipients)


def begun(peer: Capabilities = PIPELINING, count: int = 1) -> Dialogue:
    dialogue = Dialogue(peer, HERE)
    assert dialogue.begin(mail(count), tuple(range(count)), CONTENT) is Step.WRITE
    return dialogue


def again(dialogue: Dialogue, count: int = 1) -> bytes:
    assert dialogue.begin(mail(count), tuple(range(count)), CONTENT) is Step.WRITE
    return dialogue.out


def kinds(dialogue: Dialogue) -> str:
    """A letter for each recipient in order: Delivered, dEferred, Failed."""
    letters = {Delivered: "D", Deferred: "E", Failed: "F"}
    return "".join(letters[type(dialogue.outcomes[ordinal])] for ordinal in sorted(dialogue.outcomes))


def sent(dialogue: Dialogue, replies: bytes) -> Dialogue:
    """Up to the dot."""
    assert dialogue.feed(replies) is Step.CONTENT
    dialogue.content_sent()
    return dialogue


def test_all_commands_leave_in_one_write() -> None:
    dialogue = begun(count=2)
    assert dialogue.out == (
        b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n"
    )
    sent(dialogue, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 2.0.0 queued as 42\r\n") is Step.DONE
    assert kinds(dialogue) == "DD"
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Delivered)
    assert (outcome.reply.text, outcome.place) == ("queued as 42", HERE)
    assert dialogue.usable


def test_lock_step_waits_for_each_reply() -> None:
    dialogue = begun(LOCK_STEP, 2)
    writes = [dialogue.out]
    for _ in range(3):
        assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
        writes.append(dialogue.out)
    assert writes == [
        b"MAIL FROM:<a@example.org>\r\n",
        b"RCPT TO:<b@example.net>\r\n",
        b"RCPT TO:<c@example.net>\r\n",
        b"DATA\r\n",
    ]
    sent(dialogue, b"354 go\r\n")
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    assert kinds(dialogue) == "DD"


def test_several_transactions_on_one_connection() -> None:
    dialogue = begun()
    for _ in range(3):
        sent(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n")
        assert dialogue.feed(b"250 ok\r\n") is Step.DONE
        assert again(dialogue).startswith(b"MAIL")


def test_replies_in_single_octets() -> None:
    dialogue = begun()
    stream = b"250-two\r\n250 lines\r\n251 will forward\r\n354-go\r\n354 on\r\n"
    steps = [dialogue.feed(stream[at : at + 1]) for at in range(len(stream))]
    assert steps == [Step.WAIT] * (len(stream) - 1) + [Step.CONTENT]


def test_short_and_bare_replies() -> None:
    dialogue = sent(begun(), b"250\n250\r\n354\n")
    assert dialogue.feed(b"250\n") is Step.DONE
    assert kinds(dialogue) == "D"


def test_each_recipient_gets_its_own_verdict() -> None:
    dialogue = sent(begun(count=4), b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n450 later\r\n552 too many\r\n354 go\r\n")
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    assert kinds(dialogue) == "DFEE"
    assert dialogue.outcomes[3].reply.code == 452


def test_a_refused_mail_is_the_verdict_on_all() -> None:
    dialogue = begun(count=2)
    assert dialogue.feed(b"550 5.7.1 not you\r\n503 what\r\n250 ok\r\n503 what\r\n") is Step.DONE
    assert kinds(dialogue) == "FF"
    assert {outcome.reply.text for outcome in dialogue.outcomes.values()} == {"not you"}
    assert dialogue.usable


def test_a_refused_mail_in_lock_step_ends_it() -> None:
    dialogue = begun(LOCK_STEP, 2)
    assert dialogue.feed(b"451 later\r\n") is Step.DONE
    assert kinds(dialogue) == "EE"
    assert not again(dialogue).startswith(b"RSET")


def test_no_data_in_lock_step_when_nobody_was_accepted() -> None:
    dialogue = begun(LOCK_STEP, 2)
    dialogue.feed(b"250 ok\r\n")
    assert dialogue.feed(b"550 no\r\n") is Step.WRITE
    assert dialogue.feed(b"450 later\r\n") is Step.DONE
    assert kinds(dialogue) == "FE"
    assert again(dialogue) == b"RSET\r\n"
    assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
    assert dialogue.out == b"MAIL FROM:<a@example.org>\r\n"


def test_a_354_that_nobody_should_get_is_answered_with_the_dot_alone() -> None:
    dialogue = begun(count=2)
    assert dialogue.feed(b"250 ok\r\n550 no\r\n450 later\r\n354 go\r\n") is Step.WRITE
    assert dialogue.out == b".\r\n"
    assert dialogue.feed(b"250 took it\r\n") is Step.DONE
    assert kinds(dialogue) == "FE"
    assert again(dialogue).startswith(b"MAIL")


def test_refused_data_leaves_something_to_reset() -> None:
    dialogue = begun(count=2)
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n550 no\r\n451 4.3.0 later\r\n") is Step.DONE
    assert kinds(dialogue) == "EF"
    assert again(dialogue).startswith(b"RSET\r\nMAIL")
    sent(dialogue, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    assert kinds(dialogue) == "D"


def test_a_refused_reset_means_that_nothing_happened() -> None:
    dialogue = begun()
    dialogue.feed(b"250 ok\r\n550 no\r\n554 nobody\r\n")
    again(dialogue)
    assert dialogue.feed(b"502 what\r\n") is Step.DONE
    assert kinds(dialogue) == "E"
    assert dialogue.is_unheard
    assert not dialogue.usable


@pytest.mark.parametrize(("said", "kind"), [(b"250 ok\r\n", "D"), (b"451 later\r\n", "E"), (b"554 spam\r\n", "F")])
def test_the_reply_to_the_dot_is_for_those_accepted(said: bytes, kind: str) -> None:
    dialogue = sent(begun(count=2), b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
    assert dialogue.feed(said) is Step.DONE
    assert kinds(dialogue) == kind + "F"
    assert dialogue.usable
    assert again(dialogue).startswith(b"MAIL")


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (b"421 bye\r\n", "EE"),
        (b"250 ok\r\n421 bye\r\n", "EE"),
        (b"250 ok\r\n550 no\r\n421 bye\r\n", "FE"),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n421 bye\r\n", "EE"),
        (b"550 no\r\n421 bye\r\n", "FF"),
    ],
)
def test_421_ends_the_session_for_all_that_are_unfinished(heard: bytes, expected: str) -> None:
    dialogue = begun(count=2)
    assert dialogue.feed(heard) is Step.DONE
    assert kinds(dialogue) == expected
    assert not dialogue.usable
    assert dialogue.is_cut_off


def test_421_after_the_dot() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"421 4.3.2 shutting down\r\n") is Step.DONE
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.SITE


@pytest.mark.parametrize(
    ("heard", "stage"),
    [
        (b"", Stage.MAIL),
        (b"250 ok\r\n", Stage.RCPT),
        (b"250 ok\r\n250 ok\r\n", Stage.DATA),
    ],
)
def test_a_lost_connection_before_the_dot(heard: bytes, stage: Stage) -> None:
    dialogue = begun()
    if heard:
        assert dialogue.feed(heard) is Step.WAIT
    assert dialogue.stage is stage
    assert dialogue.is_unheard == (stage is Stage.MAIL)
    assert dialogue.fail(Fault.LOST, "reset") is Step.DONE
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, outcome.scope) == (Cause.CONNECT, Scope.SITE)
    assert dialogue.is_cut_off


def test_a_connection_lost_while_content_is_sent_is_before_the_dot() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n354 go\r\n") is Step.CONTENT
    assert dialogue.stage is Stage.DATA
    dialogue.fail(Fault.LOST)
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.SITE


def test_a_connection_lost_after_the_dot_concerns_the_recipient() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.stage is Stage.DOT
    dialogue.fail(Fault.LOST)
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.RECIPIENT


@pytest.mark.parametrize(
    "heard",
    [
        b"650 what\r\n",
        b"150 what\r\n",
        b"25 what\r\n",
        b"ok\r\n",
        b"\r\n",
        b"\xff\xfe\x00\r\n",
        b"250-a\r\n251 b\r\n",
        b"250_a\r\n",
        b"2500 a\r\n",
        b"354 too early\r\n",
        b"250 ok\r\n354 too early\r\n",
        b"250 ok\r\n250 ok\r\n250 for DATA\r\n",
        b"250 ok\r\n250 ok\r\n354 go\r\n250 before it was sent\r\n",
        b"x" * 8193,
        b"250-more\r\n" * 4000,
        b"250-more\r\n" * 101 + b"250 end\r\n",
    ],
)
def test_nonsense_is_transient_and_ends_the_session(heard: bytes) -> None:
    dialogue = begun()
    assert dialogue.feed(heard) is Step.DONE
    assert kinds(dialogue) == "E"
    assert not dialogue.usable
    assert not dialogue.is_cut_off


@pytest.mark.parametrize(
    "heard",
    [
        b"250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n250 ok\r\n",  # the 550 is one too many
        b"250 ok\r\n250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n",
        b"550 5.7.1 no\r\n250 ok\r\nwhat\r\n",
        b"250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n150 what\r\n",
    ],
)
def test_nobody_bounces_for_a_refusal_that_may_be_another_s(heard: bytes) -> None:
    dialogue = begun(count=2)
    assert dialogue.feed(heard) is Step.DONE
    assert kinds(dialogue) == "EE"
    assert not dialogue.usable


def test_nonsense_after_the_dot_leaves_earlier_refusals_alone() -> None:
    dialogue = sent(begun(count=2), b"250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"what\r\n") is Step.DONE
    assert kinds(dialogue) == "FE"


def test_a_premature_reply_in_lock_step() -> None:
    dialogue = begun(LOCK_STEP)
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n354 go\r\n250 delivered\r\n") is Step.DONE
    assert kinds(dialogue) == "E"


def test_a_long_line_is_no_endless_one() -> None:
    dialogue = begun()
    assert dialogue.feed(b"250-" + b"a" * 7000 + b"\r\n250-" + b"b" * 7000) is Step.WAIT
    assert dialogue.feed(b"\r\n250 end\r\n250 ok\r\n354 go\r\n") is Step.CONTENT


def test_more_after_the_last_reply_leaves_the_outcome_and_ends_the_session() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 ok\r\n421 bye") is Step.DONE
    assert kinds(dialogue) == "D"
    assert not dialogue.usable


@pytest.mark.parametrize(
    ("early", "kind"),
    [(b"552 5.3.4 too big\r\n", "F"), (b"421 bye\r\n", "E"), (b"250 ok\r\n", "E"), (b"what\r\n", "E")],
)
def test_replies_before_the_content_is_whole(early: bytes, kind: str) -> None:
    dialogue = begun()
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n354 go\r\n") is Step.CONTENT
    assert dialogue.feed(early) is Step.DONE
    assert kinds(dialogue) == kind
    assert not dialogue.usable


def test_what_cannot_be_sent_is_refused_without_a_word() -> None:
    dialogue = Dialogue(Capabilities(announces_size=True, size=10), HERE)
    assert dialogue.begin(mail(2), (0, 1), CONTENT) is Step.DONE
    assert kinds(dialogue) == "FF"
    assert dialogue.usable
    assert dialogue.outcomes[0].place == HERE


def test_a_recipient_that_needs_smtputf8_does_not_hold_up_the_others() -> None:
    recipients = (
        Recipient(parse_address("jörg@example.net", smtputf8=True)),
        Recipient(parse_address("b@example.net")),
    )
    dialogue = Dialogue(PIPELINING, HERE)
    envelope = Envelope(parse_address("a@example.org"), recipients, smtputf8=True)
    assert dialogue.begin(envelope, (0, 1), CONTENT) is Step.WRITE
    sent(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 ok\r\n") is Step.DONE
    assert kinds(dialogue) == "FD"
    assert str(dialogue.outcomes[0].reply.enhanced) == "5.6.7"


def test_progress_grows_with_replies_only() -> None:
    dialogue = begun(count=2)
    before = dialogue.progress
    dialogue.feed(b"25")
    assert dialogue.progress == before
    dialogue.feed(b"0 ok\r\n")
    assert dialogue.progress == before + 1


def test_content_that_went_out_and_was_not_answered_may_have_been_taken() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    dialogue.fail(Fault.TIMEOUT)
    assert dialogue.is_unsure
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"nonsense\r\n") is Step.DONE
    assert dialogue.is_unsure


@pytest.mark.parametrize("said", [b"250 ok\r\n", b"451 later\r\n", b"554 no\r\n", b"421 bye\r\n"])
def test_content_that_was_answered_is_a_matter_of_certainty(said: bytes) -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(said) is Step.DONE
    assert not dialogue.is_unsure


@pytest.mark.parametrize("heard", [b"", b"250 ok\r\n250 ok\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"])
def test_content_that_did_not_go_out_was_not_taken(heard: bytes) -> None:
    dialogue = begun()
    if heard:
        dialogue.feed(heard)
    dialogue.fail(Fault.LOST)
    assert not dialogue.is_unsure


def test_uncertainty_ends_with_its_transaction() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    dialogue.fail(Fault.LOST)
    again(dialogue)
    assert not dialogue.is_unsure


# -- binary content: BDAT --------------------------------------------------------------------------------------------


def begun_binary(*, pipelining: bool, count: int) -> Dialogue:
    dialogue = Dialogue(Capabilities(pipelining=pipelining, binary=True), HERE)
    letter = mail(count)
    letter = Envelope(letter.reverse_path, letter.recipients, "BINARYMIME")
    assert dialogue.begin(letter, tuple(range(count)), CONTENT) is Step.WRITE
    return dialogue


def test_binary_content_goes_without_being_asked_for_once_somebody_wants_it() -> None:
    dialogue = begun_binary(pipelining=True, count=2)
    assert dialogue.out == (
        b"MAIL FROM:<a@example.org> BODY=BINARYMIME\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n"
    )
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n") is Step.WAIT
    assert dialogue.feed(b"550 no\r\n") is Step.CONTENT
    assert (dialogue.opening, dialogue.ending) == (b"BDAT 100 LAST\r\n", b"")
    assert dialogue.stage is Stage.DATA
    dialogue.content_sent()
    assert dialogue.stage is Stage.DOT
    assert dialogue.feed(b"250 2.0.0 queued\r\n") is Step.DONE
    assert kinds(dialogue) == "DF"
    assert dialogue.usable
    assert again(dialogue).startswith(b"MAIL")
    assert (dialogue.opening, dialogue.ending) == (b"", b".\r\n")


def test_binary_content_in_lock_step() -> None:
    dialogue = begun_binary(pipelining=False, count=1)
    assert dialogue.feed(b"250 ok\r\n") is Step.WRITE
    assert dialogue.out == b"RCPT TO:<b@example.net>\r\n"
    assert dialogue.feed(b"250 ok\r\n") is Step.CONTENT


@pytest.mark.parametrize("pipelining", [True, False])
def test_binary_content_that_nobody_wants_does_not_go(pipelining: bool) -> None:
    dialogue = begun_binary(pipelining=pipelining, count=1)
    dialogue.feed(b"250 ok\r\n")
    assert dialogue.feed(b"550 no\r\n") is Step.DONE
    assert kinds(dialogue) == "F"
    assert again(dialogue).startswith(b"RSET\r\n")
    dialogue = begun_binary(pipelining=True, count=1)
    assert dialogue.feed(b"452 later\r\n503 no MAIL\r\n") is Step.DONE
    assert kinds(dialogue) == "E"


def test_a_reply_while_binary_content_is_on_its_way() -> None:
    dialogue = begun_binary(pipelining=True, count=1)
    assert dialogue.feed(b"250 ok\r\n250 ok\r\n") is Step.CONTENT
    assert dialogue.feed(b"552 too much\r\n") is Step.DONE
    assert kinds(dialogue) == "F"
    assert not dialogue.usable


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("chunking", [True, False])
@pytest.mark.parametrize(("dsn", "handover"), [(True, Handover.PASSED_ON), (False, Handover.RELAYED)])
def test_who_offers_dsn_takes_the_duty_to_report_with_the_message(
    pipelining: bool, chunking: bool, dsn: bool, handover: Handover
) -> None:
    """RFC 3461 5.2.2 and 5.2.3."""
    dialogue = begun(Capabilities(pipelining=pipelining, chunking=chunking, dsn=dsn))
    for answer in (b"250 ok\r\n", b"250 ok\r\n", b"" if chunking else b"354 go\r\n"):
        if answer:
            step = dialogue.feed(answer)
    assert step is Step.CONTENT
    dialogue.content_sent()
    assert dialogue.feed(b"250 2.0.0 queued\r\n") is Step.DONE
    outcome = dialogue.outcomes[0]
    assert isinstance(outcome, Delivered)
    assert outcome.handover is handover


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("rest", [b"250 ok\r\n", b"421 bye\r\n", b"2"])
def test_what_comes_unasked_behind_the_last_words_ends_the_session_and_nothing_else(
    is_known: bool, rest: bytes
) -> None:
    """Also where these are the words with which the message before was taken."""
    dialogue = begun()
    if is_known:
        sent(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n")
        assert dialogue.feed(b"250 taken\r\n") is Step.DONE
        again(dialogue)
    sent(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 taken\r\n" + rest) is Step.DONE
    assert (kinds(dialogue), dialogue.usable) == ("D", False)


def test_the_words_of_the_last_message_in_pieces_or_with_others_around_them() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 taken\r\n") is Step.DONE
    for said, taken in (
        ((b"250 tak", b"en\r\n"), "D"),
        ((b"250-", b"x\r\n250 taken\r\n"), "D"),
        ((b"550 no\r\n",), "F"),
    ):
        again(dialogue)
        sent(dialogue, b"250 ok\r\n250 ok\r\n354 go\r\n")
        steps = [dialogue.feed(piece) for piece in said]
        assert steps == [Step.WAIT] * (len(said) - 1) + [Step.DONE]
        assert (kinds(dialogue), dialogue.usable) == (taken, True)


def test_content_for_nobody_is_not_taken_for_anybody_whatever_the_words() -> None:
    dialogue = sent(begun(), b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert dialogue.feed(b"250 taken\r\n") is Step.DONE
    again(dialogue)
    assert dialogue.feed(b"250 ok\r\n550 no\r\n354 go\r\n") is Step.WRITE
    assert dialogue.feed(b"250 taken\r\n") is Step.DONE
    assert kinds(dialogue) == "F"

"""inbound/conversation: what its feeder sees. What the client sees is in dialogs/."""

from __future__ import annotations

import pytest

from asyncmta.inbound.acceptance import Existence
from asyncmta.inbound.content import Shape
from asyncmta.inbound.conversation import COMMANDS_IN_A_TURN, Conversation
from asyncmta.inbound.events import (
    AuthWanted,
    Closing,
    LargeAborted,
    LargeBegan,
    LookUp,
    MessageEnded,
    Refused,
    TlsWanted,
    TurnEnded,
)
from asyncmta.inbound.lines import MAX_AUTH_LINE
from asyncmta.inbound.session import Client
from asyncmta.mail import replies
from asyncmta.mail.address import parse_address
from asyncmta.mail.reply import reply
from tests.dialogs.player import World

OPENING = b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n"


def greeted(**settings: str) -> Conversation:
    world = World(**settings)
    conversation = Conversation(
        world.acceptance(), Client("192.0.2.1", 1), tls="TLSv1.3 X" if "auth" in settings else ""
    )
    conversation.greet()
    return conversation


def in_content(**settings: str) -> Conversation:
    conversation = greeted(**settings)
    conversation.feed(OPENING)
    assert conversation.feed(b"DATA\r\n") == replies.START_MAIL_INPUT.wire
    return conversation


def test_a_message_is_handed_over_with_its_facts_and_then_answered() -> None:
    conversation = in_content()
    assert conversation.is_reading_content
    assert conversation.feed(b"a: b\r\n.\r\nNOOP\r\n") == b""
    (event,) = conversation.events
    assert isinstance(event, MessageEnded)
    assert event.parts == [b"a: b\r\n"]
    assert event.shape == Shape(6, 6, False, False)
    assert event.facts.ip == "192.0.2.1"
    assert event.facts.helo == "c"
    assert conversation.is_paused
    assert not conversation.is_reading_content
    assert conversation.buffered == len(b"NOOP\r\n")
    assert conversation.feed(b"QUIT\r\n") == b""
    assert conversation.answered(reply(250, "2.0.0", "mine")) == b"250 2.0.0 mine\r\n250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"
    assert conversation.events[-1] == Closing(replies.BYE)


def test_only_a_submission_gets_what_it_lacks() -> None:
    relay = in_content()
    relay.feed(b".\r\n")
    (event,) = relay.events
    assert isinstance(event, MessageEnded)
    assert not event.facts.is_author
    submission = greeted(role="submission", auth="yes", tls="implicit")
    submission.feed(b"EHLO c\r\nAUTH LOGIN\r\n")
    submission.auth_ended(replies.AUTH_OK, "alice")
    submission.events.clear()
    submission.feed(OPENING.partition(b"\r\n")[2] + b"BDAT 0 LAST\r\n")
    (event,) = submission.events
    assert isinstance(event, MessageEnded)
    assert event.facts.is_author


def test_between_chunks_content_is_still_owed() -> None:
    conversation = greeted()
    assert not conversation.is_in_content
    conversation.feed(OPENING)
    assert not conversation.is_in_content
    conversation.feed(b"BDAT 2\r\na")
    assert conversation.is_reading_content
    conversation.feed(b"b")
    assert not conversation.is_reading_content
    assert conversation.is_in_content
    conversation.feed(b"BDAT 0 LAST\r\n")
    assert not conversation.is_in_content
    conversation.answered(reply(250, "2.0.0", "mine"))
    conversation.feed(b"BDAT 5\r\n")  # that nobody wants
    assert conversation.is_in_content
    conversation.feed(b"12345")
    assert not conversation.is_in_content


def test_large_chunks_that_are_given_up_are_told_before_anything_else_is_read() -> None:
    conversation = greeted()
    conversation.feed(OPENING)
    text = b"12345678\r\n" * 30_000
    out = conversation.feed(b"BDAT 300000\r\n%bRSET\r\nNOOP\r\n" % text)
    assert out == replies.CHUNK_OK.wire + replies.RESET_OK.wire
    began, *rest = conversation.events
    assert isinstance(began, LargeBegan)
    assert rest == [LargeAborted(), TurnEnded()]
    conversation.refuse_content(replies.TOO_MANY_HOPS)  # too late, and about nothing that is open
    assert conversation.go_on() == replies.NOOP_OK.wire
    assert conversation.state.content_refusal is None


def test_a_refusal_is_told_to_the_log_with_whom_it_was_about() -> None:
    conversation = greeted()
    conversation.feed(b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<@>\r\nVRFY\r\n")
    sender = parse_address("a@example.com")
    assert conversation.events == [
        Refused("RCPT", replies.NO_SUCH_MAILBOX, sender, parse_address("nobody@example.org")),
        Refused("RCPT", replies.BAD_RECIPIENT_SYNTAX, sender, "TO:<@>"),
        Refused("VRFY", replies.SYNTAX_PARAMETERS),
    ]


def test_a_lookup_holds_everything_up_until_it_is_answered() -> None:
    conversation = greeted()
    out = conversation.feed(OPENING + b"RCPT TO:<slow-bob@example.org>\r\nDATA\r\n")
    assert out.endswith(b"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n")
    (event,) = conversation.events
    assert isinstance(event, LookUp)
    assert str(event.recipient.address) == "slow-bob@example.org"
    assert not conversation.is_idle
    assert conversation.looked_up(Existence.NO) == replies.NO_SUCH_MAILBOX.wire + replies.START_MAIL_INPUT.wire


def test_between_transactions_it_is_idle() -> None:
    conversation = greeted()
    assert conversation.is_idle
    conversation.feed(OPENING)
    assert not conversation.is_idle
    conversation.feed(b"RSET\r\n")
    assert conversation.is_idle


def test_a_stop_waits_for_the_open_transaction() -> None:
    conversation = greeted()
    conversation.feed(OPENING)
    assert conversation.drain() == b""
    conversation.feed(b"DATA\r\n")
    conversation.feed(b".\r\n")
    out = conversation.answered(reply(250, "2.0.0", "ok"))
    assert out == b"250 2.0.0 ok\r\n" + replies.SHUTTING_DOWN.wire
    assert conversation.is_closed
    assert conversation.drain() == b""


def test_a_stop_ends_what_is_idle_now_and_what_becomes_idle_later() -> None:
    assert greeted().drain() == replies.SHUTTING_DOWN.wire
    conversation = greeted()
    conversation.feed(OPENING)
    conversation.drain()
    assert conversation.feed(b"RSET\r\nNOOP\r\n") == replies.RESET_OK.wire + replies.SHUTTING_DOWN.wire


def test_what_a_closed_conversation_is_told_changes_nothing() -> None:
    conversation = in_content()
    conversation.feed(b".\r\n")
    assert conversation.close(replies.IDLE_TIMEOUT) == replies.IDLE_TIMEOUT.wire
    assert conversation.feed(b"NOOP\r\n") == b""
    assert conversation.buffered == 0
    assert conversation.answered(reply(250, "2.0.0", "ok")) == b""
    assert conversation.feed(b"NOOP\r\n") == b""

    conversation = greeted()
    conversation.feed(OPENING + b"RCPT TO:<slow-bob@example.org>\r\n")
    conversation.close(replies.IDLE_TIMEOUT)
    assert conversation.looked_up(Existence.YES) == b""

    conversation = greeted(auth="yes", tls="implicit")
    conversation.feed(b"EHLO c\r\nAUTH LOGIN\r\n")
    conversation.close(replies.IDLE_TIMEOUT)
    assert conversation.auth_ended(replies.AUTH_OK, "alice") == b""

    conversation = greeted(tls="starttls")
    conversation.feed(b"STARTTLS\r\n")
    conversation.close(replies.IDLE_TIMEOUT)
    assert conversation.tls_started("TLSv1.3 X") == b""


def test_closing_within_large_content_gives_it_up() -> None:
    conversation = in_content()
    conversation.feed(b"some text\r\n" * 30_000)
    assert isinstance(conversation.events.pop(), LargeBegan)
    conversation.close(replies.IDLE_TIMEOUT)
    assert conversation.events == [LargeAborted(), Closing(replies.IDLE_TIMEOUT)]


def test_refusing_content_that_has_ended_already_is_nothing() -> None:
    conversation = greeted()
    conversation.refuse_content(replies.TOO_MANY_HOPS)
    assert conversation.state.content_refusal is None


def test_octets_behind_the_handshake_came_through_the_tunnel() -> None:
    conversation = greeted(tls="starttls")
    assert conversation.feed(b"STARTTLS\r\n") == replies.READY_FOR_TLS.wire
    assert conversation.events == [TlsWanted()]
    assert conversation.feed(b"EHLO secure\r\n") == b""
    assert conversation.tls_started("TLSv1.3 X").startswith(b"250-mx.example.org\r\n")
    assert conversation.state.helo == "secure"


def test_lines_of_an_auth_exchange() -> None:
    conversation = greeted(auth="yes", tls="implicit")
    conversation.feed(b"EHLO c\r\nAUTH LOGIN\r\n")
    assert conversation.events == [AuthWanted("LOGIN", None)]
    assert conversation.take_line() is None
    conversation.feed(b"YWxp")
    assert conversation.take_line() is None
    conversation.feed(b"Y2U=\r\nsecret\r\nbare\n")
    assert conversation.take_line() == b"YWxpY2U="
    assert conversation.take_line() == b"secret"
    assert conversation.take_line() is replies.COMMAND_BARE_LINE_END
    assert conversation.auth_ended(replies.AUTH_OK, "alice") == replies.AUTH_OK.wire
    assert conversation.state.login == "alice"


@pytest.mark.parametrize("rest", [b"", b"\r\nNOOP\r\n"])
def test_an_auth_line_without_end_is_the_end(rest: bytes) -> None:
    conversation = greeted(auth="yes", tls="implicit")
    conversation.feed(b"EHLO c\r\nAUTH LOGIN\r\n")
    conversation.feed(b"x" * (MAX_AUTH_LINE + 1) + rest)
    assert conversation.take_line() is replies.AUTH_TOO_LONG
    assert conversation.auth_ended(replies.AUTH_TOO_LONG) == replies.AUTH_TOO_LONG.wire
    assert conversation.is_closed


def test_the_fifth_wrong_password_and_the_twentieth_error_are_one_last_word() -> None:
    conversation = greeted(auth="yes", tls="implicit", errors="5")
    conversation.feed(b"EHLO c\r\n")
    for _ in range(4):
        conversation.feed(b"AUTH LOGIN\r\n")
        conversation.auth_ended(replies.AUTH_FAILED)
    conversation.feed(b"AUTH LOGIN\r\n")
    out = conversation.auth_ended(replies.AUTH_FAILED)
    assert out == replies.AUTH_FAILED.wire + replies.TOO_MANY_ERRORS.wire


def test_an_endless_line_is_not_kept() -> None:
    conversation = greeted()
    for _ in range(200):
        assert conversation.feed(b"x" * 5000) == b""
        assert conversation.buffered < MAX_AUTH_LINE
    assert conversation.feed(b"\r\nNOOP\r\n") == replies.COMMAND_TOO_LONG.wire + replies.NOOP_OK.wire
    conversation.feed(b"AUTH ")
    for _ in range(200):
        conversation.feed(b"x" * 5000)
        assert conversation.buffered < MAX_AUTH_LINE


def test_before_the_greeting_nothing_is_a_command() -> None:
    conversation = Conversation(World().acceptance(), Client("192.0.2.1", 1))
    assert conversation.feed(OPENING).startswith(b"554 mx.example.org ")
    assert [type(event) for event in conversation.events] == [Refused, Closing]
    assert conversation.state.helo == ""


def test_a_client_with_very_many_commands_waits_for_the_others_after_a_turn() -> None:
    conversation = greeted()
    conversation.feed(OPENING)
    conversation.events.clear()
    again = b"RCPT TO:<alice@example.org>\r\n"
    said = conversation.feed(again * (2 * COMMANDS_IN_A_TURN + 5))
    assert said.count(b"250 ") == COMMANDS_IN_A_TURN
    assert conversation.events == [TurnEnded()]
    said += conversation.go_on()
    assert said.count(b"250 ") == 2 * COMMANDS_IN_A_TURN
    said += conversation.go_on()
    assert said.count(b"250 ") == 2 * COMMANDS_IN_A_TURN + 5
    assert conversation.events == [TurnEnded()] * 2
    conversation.feed(b"QUIT\r\n")
    assert conversation.go_on() == b""

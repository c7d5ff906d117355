"""The commands of a transaction: MAIL, RCPT, DATA, RSET; and HELO and EHLO, which begin a session and end one.

Each command is a function of the session's state and its argument; the answer is octets when all is well, else an
event. Promises: DATA is reached only by an accepted MAIL and at least one accepted RCPT; nothing of one transaction
is left in the next. Never: the decision whom to serve (`acceptance`), the buffer (`conversation`).

RFC 5321 4.1.1, 4.1.4 (order of commands); RFC 2033 for what comes with LMTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from asyncmta.inbound.commands import parse_mail, parse_rcpt
from asyncmta.inbound.data import ContentReader, Violation
from asyncmta.inbound.events import (
    Event,
    LargeAborted,
    LargeBegan,
    LargeEnded,
    LargeWent,
    LookUp,
    MessageEnded,
    Refused,
)
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.spool.records import INLINE_LIMIT

MAX_HELO = 255
ROOM_FOR_RECEIVED = 4096  # what we put in front must fit inline too

_VIOLATIONS: Final[Mapping[Violation, Reply]] = MappingProxyType(
    {
        Violation.TOO_BIG: replies.TOO_BIG,
        Violation.BARE_LINE_END: replies.BARE_LINE_END,
        Violation.NUL: replies.NUL_IN_CONTENT,
        Violation.LONG_LINE: replies.LINE_TOO_LONG,
    }
)

_SENDER_OK = replies.SENDER_OK.wire
_RECIPIENT_OK = replies.RECIPIENT_OK.wire
_START_MAIL_INPUT = replies.START_MAIL_INPUT.wire
_RESET_OK = replies.RESET_OK.wire


def ehlo(state: SessionState, argument: str) -> bytes | Event:
    if (refused := _hello("EHLO", state, argument)) is not None:
        return refused
    state.extended = True
    return state.acceptance.offers[bool(state.tls)]


def helo(state: SessionState, argument: str) -> bytes | Event:
    if (refused := _hello("HELO", state, argument)) is not None:
        return refused
    state.extended = False
    return state.acceptance.helo_answer


def _hello(stage: str, state: SessionState, argument: str) -> Refused | None:
    """A name that is no domain is taken, since half the world sends one; `mail/headers` makes it harmless."""
    name = argument.strip(" ")
    if not name or len(name) > MAX_HELO or not name.isascii():
        return Refused(stage, replies.HELO_SYNTAX)
    state.forget_transaction()
    state.forget_facts()
    state.helo = name
    return None


def mail(state: SessionState, argument: str) -> bytes | Event:
    acceptance = state.acceptance
    if not state.helo:
        return Refused("MAIL", replies.NEED_EHLO)
    if state.envelope is not None:
        return Refused("MAIL", replies.NESTED_MAIL)
    if state.login is None and acceptance.terms.role == "submission":
        return Refused("MAIL", replies.AUTH_REQUIRED)
    sender = parse_mail(argument, offers_auth=acceptance.offers_auth(bool(state.tls)))
    if isinstance(sender, Reply):
        return Refused("MAIL", sender, reverse_path=argument)
    reverse_path = sender.envelope.reverse_path
    refusal = acceptance.sender(sender.size) or acceptance.allowance.message(state.client.ip, state.login, reverse_path)
    if refusal is not None:
        return Refused("MAIL", refusal, reverse_path)
    state.envelope = sender.envelope
    return _SENDER_OK


def rcpt(state: SessionState, argument: str) -> bytes | Event:
    envelope = state.envelope
    if envelope is None:
        return Refused("RCPT", replies.NEED_MAIL, recipient=argument)
    acceptance = state.acceptance
    recipient = parse_rcpt(argument, acceptance.postmaster, smtputf8=envelope.smtputf8)
    state.offered_recipients += 1
    if isinstance(recipient, Reply):
        return Refused("RCPT", recipient, envelope.reverse_path, argument)
    limits = acceptance.limits
    over = state.offered_recipients - limits.recipients > limits.spare_recipients
    if over or len(state.recipients) >= limits.recipients:  # `over` alone: the same few, again and again
        return Refused("RCPT", replies.TOO_MANY_RECIPIENTS, envelope.reverse_path, recipient.address, counts=over)
    if (too_many := acceptance.allowance.recipient(state.client.ip, state.login)) is not None:
        return Refused("RCPT", too_many, envelope.reverse_path, recipient.address)
    answer = acceptance.recipient(recipient.address, envelope.reverse_path, may_relay=state.may_relay)
    if answer is None:
        state.add(recipient)
        return _RECIPIENT_OK
    if isinstance(answer, Reply):
        return Refused("RCPT", answer, envelope.reverse_path, recipient.address)
    return LookUp(recipient, answer)


def looked_up(state: SessionState, recipient: Recipient, found: object) -> bytes | Event:
    """The rest of RCPT, when the lookup has answered."""
    refusal = state.acceptance.existence(found)
    if refusal is None:
        state.add(recipient)
        return _RECIPIENT_OK
    return Refused("RCPT", refusal, state.reverse_path, recipient.address)


def data(state: SessionState, argument: str) -> bytes | Event:
    envelope = state.envelope
    if argument:
        return Refused("DATA", replies.NO_PARAMETERS_ALLOWED)
    if envelope is None:
        return Refused("DATA", replies.NEED_MAIL)
    if not state.recipients:
        because = replies.NO_VALID_RECIPIENTS if state.offered_recipients else replies.NEED_RECIPIENT
        return Refused("DATA", because, envelope.reverse_path)
    state.envelope = Envelope(
        envelope.reverse_path,
        tuple(state.recipients),
        envelope.body,
        envelope.smtputf8,
        envelope.requiretls,
        envelope.ret,
        envelope.envid,
    )
    limits = state.acceptance.limits
    state.reader = ContentReader(
        limits.message_size,
        inline_limit=INLINE_LIMIT - ROOM_FOR_RECEIVED,
        accept_long_lines=limits.accept_long_lines,
    )
    return _START_MAIL_INPUT


def rset(state: SessionState, argument: str) -> bytes | Event:
    if argument:
        return Refused("RSET", replies.NO_PARAMETERS_ALLOWED)
    state.forget_transaction()
    return _RESET_OK


def content_came(state: SessionState, has_ended: bool, events: list[Event]) -> Event | None:
    """After each chunk of content: its parts go to `events`; at its end, the answer or who has to give it."""
    reader, envelope = state.reader, state.envelope
    assert reader is not None
    assert envelope is not None
    if reader.is_large:
        if state.is_large:
            events.append(LargeWent(reader.take()))
        else:
            state.is_large = True
            events.append(LargeBegan(envelope, state.facts(smtputf8=envelope.smtputf8), reader.take()))
    elif state.is_large and reader.violation is not None:
        state.is_large = False
        events.append(LargeAborted())
    if not has_ended:
        return None
    state.reader = None
    refusal = state.content_refusal if reader.violation is None else _VIOLATIONS[reader.violation]
    if refusal is not None:
        state.forget_transaction()
        return Refused("dot", refusal, envelope.reverse_path)
    if state.is_large:
        state.is_large = False
        return LargeEnded(reader.shape)
    return MessageEnded(envelope, state.facts(smtputf8=envelope.smtputf8), reader.take(), reader.shape)

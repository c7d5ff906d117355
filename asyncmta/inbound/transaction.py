"""The commands of a transaction: MAIL, RCPT, DATA, RSET; and HELO, EHLO and LHLO, which begin a session and end one.

Each command is a function of the session's state and its argument; the answer is octets when all is well, else an
event. Promises: DATA is reached only by an accepted MAIL and at least one accepted RCPT; nothing of one transaction
is left in the next. Never: the decision whom to serve (`acceptance`), the buffer (`conversation`).

RFC 5321 4.1.1, 4.1.4 (order of commands); RFC 2033 4.1 (LHLO), RFC 3030 2 (order of DATA and BDAT).
"""

from __future__ import annotations

from functools import partial

from msgspec import structs

from asyncmta.inbound import etrn, ruling, xclient
from asyncmta.inbound.commands import parse_mail, parse_rcpt, plain_recipient, plain_sender
from asyncmta.inbound.data import ContentReader
from asyncmta.inbound.events import Event, LookUp, Refused
from asyncmta.inbound.extensions import Granted, Wishes, grant
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.reply import Reply

MAX_HELO = 255

_SENDER_OK = replies.SENDER_OK.wire
_RECIPIENT_OK = replies.RECIPIENT_OK.wire
_START_MAIL_INPUT = replies.START_MAIL_INPUT.wire
_RESET_OK = replies.RESET_OK.wire
_NOT_IN_LMTP = Refused("command", replies.UNKNOWN_COMMAND)  # so that who is at the wrong port notices (RFC 2033 4.1)


def ehlo(state: SessionState, argument: str) -> bytes | Event:
    return _extended("EHLO", state, argument)


def lhlo(state: SessionState, argument: str) -> bytes | Event:
    if not state.is_lmtp:
        return Refused("command", replies.NOT_IMPLEMENTED)
    return _extended("LHLO", state, argument)


def _extended(stage: str, state: SessionState, argument: str) -> bytes | Event:
    if state.is_lmtp and stage != "LHLO":
        return _NOT_IN_LMTP
    if (refused := _hello(stage, state, argument)) is not None:
        return refused
    state.extended = True
    acceptance = state.acceptance
    consent = acceptance.offer(bool(state.tls), xclient.offered(state.client) + etrn.offered(state))
    return consent if acceptance.gate is None else ruling.hello(acceptance.gate, state, stage, consent)


def helo(state: SessionState, argument: str) -> bytes | Event:
    if state.is_lmtp:
        return _NOT_IN_LMTP
    if (refused := _hello("HELO", state, argument)) is not None:
        return refused
    state.extended = False
    acceptance = state.acceptance
    consent = acceptance.helo_answer
    return consent if acceptance.gate is None else ruling.hello(acceptance.gate, state, "HELO", consent)


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
    most = acceptance.limits.messages_per_session
    if most and state.transactions >= most:
        return Refused("MAIL", replies.TOO_MANY_MESSAGES, counts=False, closes=True)
    sender = plain_sender(argument) or parse_mail(
        argument,
        offers_auth=acceptance.offers_auth(bool(state.tls)),
        offers_release=acceptance.longest_hold > 0,
        has_tls=bool(state.tls),
    )
    if isinstance(sender, Reply):
        return Refused("MAIL", sender, reverse_path=argument)
    reverse_path = sender.envelope.reverse_path
    refusal = acceptance.sender(sender.size) or acceptance.allowance.message(state.client.ip, state.login, reverse_path)
    if refusal is not None:
        return Refused("MAIL", refusal, reverse_path)
    envelope, consent = sender.envelope, _SENDER_OK
    if acceptance.readdressing is not None and acceptance.readdressing.changes_senders:
        envelope = acceptance.readdressing.envelope(envelope)
    if sender.wishes is not None:
        granted = _grant(state, sender.wishes)
        if isinstance(granted, Reply):
            return Refused("MAIL", granted, reverse_path)
        envelope, consent = structs.replace(envelope, timing=granted.timing), granted.reply.wire
    if acceptance.gate is not None:
        return ruling.mail(acceptance.gate, state, ruling.Opening(envelope, sender.size, consent))
    state.envelope = envelope
    state.transactions += 1
    return consent


def _grant(state: SessionState, wishes: Wishes) -> Granted | Reply:
    """What the client gets of what it wants beyond most."""
    acceptance = state.acceptance
    return grant(wishes, believed=state.may_relay, longest_hold=acceptance.longest_hold, now=acceptance.now())


def rcpt(state: SessionState, argument: str) -> bytes | Event:
    envelope = state.envelope
    if envelope is None:
        return Refused("RCPT", replies.NEED_MAIL, recipient=argument)
    if state.content is not None:
        return Refused("RCPT", replies.NOT_AFTER_CHUNK, envelope.reverse_path, argument)
    acceptance = state.acceptance
    recipient = plain_recipient(argument) or parse_rcpt(argument, acceptance.postmaster, smtputf8=envelope.smtputf8)
    state.offered_recipients += 1
    if isinstance(recipient, Reply):
        return Refused("RCPT", recipient, envelope.reverse_path, argument)
    limits = acceptance.limits
    over = state.offered_recipients - limits.recipients > limits.spare_recipients
    if over or len(state.recipients) >= limits.recipients:  # `over` alone: the same few, again and again
        return Refused("RCPT", replies.TOO_MANY_RECIPIENTS, envelope.reverse_path, recipient.address, counts=over)
    if (too_many := acceptance.allowance.recipient(state.client.ip, state.login)) is not None:
        return Refused("RCPT", too_many, envelope.reverse_path, recipient.address)
    may_relay = state.may_relay
    if acceptance.readdressing is not None:
        entered = acceptance.readdressing.recipient(recipient)
        if isinstance(entered, Reply):
            return Refused("RCPT", entered, envelope.reverse_path, recipient.address)
        recipient, may_relay = entered.recipient, may_relay or entered.granted
    if acceptance.gate is not None:
        return ruling.rcpt(acceptance.gate, state, recipient, may_relay=may_relay)
    answer = acceptance.recipient(recipient.address, envelope.reverse_path, may_relay=may_relay)
    if answer is None:
        state.add(recipient)
        return _RECIPIENT_OK
    if isinstance(answer, Reply):
        return Refused("RCPT", answer, envelope.reverse_path, recipient.address)
    return LookUp("RCPT", answer, partial(_looked_up, state, recipient))


def _looked_up(state: SessionState, recipient: Recipient, found: object) -> bytes | Event:
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
    if state.content is not None:
        return Refused("DATA", replies.NOT_AFTER_BDAT, envelope.reverse_path)
    if not state.recipients:
        return Refused("DATA", state.nobody, envelope.reverse_path)
    if envelope.body == "BINARYMIME":
        return Refused("DATA", replies.BINARY_NEEDS_BDAT, envelope.reverse_path)
    state.reader = state.content = ContentReader(state.begin_content())
    return _START_MAIL_INPUT


def rset(state: SessionState, argument: str) -> bytes | Event:
    if argument:
        return Refused("RSET", replies.NO_PARAMETERS_ALLOWED)
    state.forget_transaction()
    return _RESET_OK

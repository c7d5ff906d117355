"""inbound/commands: MAIL and RCPT into envelope values."""

from __future__ import annotations

import pytest

from asyncmta.inbound.commands import Sender, parse_mail, parse_rcpt
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import NOTIFY_DELAY, NOTIFY_SUCCESS, Envelope, Recipient

POSTMASTER = Address("postmaster", "mx.example.org", "mx.example.org")
A = parse_address("a@example.com")


def test_mail_alone() -> None:
    assert parse_mail("FROM:<a@example.com>") == Sender(Envelope(A, ()))
    assert parse_mail("from: <>") == Sender(Envelope(None, ()))
    assert parse_mail('FROM:<"x> y"@example.com>') == Sender(Envelope(parse_address('"x> y"@example.com'), ()))


def test_mail_with_everything() -> None:
    found = parse_mail("FROM:<> SIZE=12 BODY=8bitmime RET=full ENVID=a+2Bb SMTPUTF8 AUTH=x+40y", offers_auth=True)
    assert found == Sender(Envelope(None, (), "8BITMIME", True, False, "FULL", "a+2Bb"), 12)
    assert parse_mail("FROM:<> AUTH=<>", offers_auth=True) == Sender(Envelope(None, ()))


@pytest.mark.parametrize(
    "parameters",
    ["SIZE=x", "BODY=9BIT", "RET=SOME", "RET", "ENVID=a+0A", "ENVID", "SMTPUTF8=1", "AUTH=a+", "AUTH"],
)
def test_values_that_cannot_be(parameters: str) -> None:
    assert parse_mail(f"FROM:<a@example.com> {parameters}", offers_auth=True) is replies.PARAMETER_INVALID


def test_auth_is_a_parameter_only_where_it_is_offered() -> None:
    assert parse_mail("FROM:<a@example.com> AUTH=<>") is replies.PARAMETER_UNKNOWN


def test_a_sender_that_is_none() -> None:
    assert parse_mail("FROM:<a@b@c>") is replies.BAD_SENDER_SYNTAX
    assert parse_mail("FROM:<a@b@c> SIZE=1") is replies.BAD_SENDER_SYNTAX
    assert parse_mail("FROM:<\u00e4@example.com>") is replies.NEED_SMTPUTF8_SENDER
    assert isinstance(parse_mail("FROM:<\u00e4@example.com> SMTPUTF8"), Sender)


def test_rcpt() -> None:
    assert parse_rcpt("TO:<a@example.com>", POSTMASTER) == Recipient(A)
    assert parse_rcpt("TO:<a@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@c", POSTMASTER) == Recipient(
        A, NOTIFY_SUCCESS | NOTIFY_DELAY, "rfc822;b@c"
    )
    assert parse_rcpt("TO:<Postmaster>", POSTMASTER) == Recipient(POSTMASTER)
    assert parse_rcpt("TO:<postmaster> NOTIFY=NEVER ORCPT=x", POSTMASTER) is replies.PARAMETER_INVALID
    assert parse_rcpt("TO:<a@example.com> NOTIFY=NOW", POSTMASTER) is replies.PARAMETER_INVALID
    assert parse_rcpt("TO:<a@example.com> SIZE=1", POSTMASTER) is replies.PARAMETER_UNKNOWN


@pytest.mark.parametrize(
    "argument", ["TO:<>", "TO:<post master>", "TO:<a>", "TO:a@example.com", "FROM:<a@example.com>"]
)
def test_a_recipient_that_is_none(argument: str) -> None:
    assert parse_rcpt(argument, POSTMASTER) is replies.BAD_RECIPIENT_SYNTAX


def test_smtputf8_of_mail_counts_for_rcpt() -> None:
    assert parse_rcpt("TO:<\u00e4@example.com>", POSTMASTER) is replies.NEED_SMTPUTF8_RECIPIENT
    assert isinstance(parse_rcpt("TO:<\u00e4@example.com>", POSTMASTER, smtputf8=True), Recipient)


def test_requiretls_is_known_where_tls_runs() -> None:
    found = parse_mail("FROM:<a@example.com> REQUIRETLS", has_tls=True)
    assert isinstance(found, Sender)
    assert found.envelope.requiretls
    assert not parse_mail("FROM:<a@example.com>", has_tls=True).envelope.requiretls  # type: ignore[union-attr]
    assert parse_mail("FROM:<a@example.com> REQUIRETLS=1", has_tls=True) is replies.PARAMETER_INVALID
    assert parse_mail("FROM:<a@example.com> REQUIRETLS") is replies.PARAMETER_UNKNOWN

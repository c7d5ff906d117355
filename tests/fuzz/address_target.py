"""Fuzz target: addresses, and the arguments of MAIL and RCPT around them (rows R05, P01 to P03, S16).

What parses prints as it came and parses again to the same; its domain is its own normal form; it holds no control
character, and is ASCII unless SMTPUTF8 was said; a mailbox that it names is one path component.
"""

from __future__ import annotations

from contextlib import suppress

from asyncmta.inbound.commands import Sender, parse_mail, parse_rcpt
from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mail.xtext import decode_orcpt
from asyncmta.mailboxes.path import is_component, mailbox_name
from asyncmta.routing import InvalidPattern, parse_pattern

POSTMASTER = parse_address("postmaster@mx.example.org")


def check(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    for smtputf8 in (False, True):
        address = _parsed(text, smtputf8=smtputf8)
        if isinstance(address, Address):
            _judge(address, text, smtputf8=smtputf8)
        else:
            assert not (smtputf8 and address.needs_smtputf8)
    with suppress(InvalidPattern):
        parse_pattern(text)
    if not text.isprintable() and not _is_text(text):
        return  # the listener takes no such line
    sender = parse_mail(f"FROM:{text}", offers_auth=bool(octets[:1] > b"M"))
    if isinstance(sender, Sender):
        assert sender.size >= 0
        if sender.envelope.reverse_path is not None:
            _judge(sender.envelope.reverse_path, None, smtputf8=sender.envelope.smtputf8)
    else:
        assert isinstance(sender, Reply)
    for smtputf8 in (False, True):
        recipient = parse_rcpt(f"TO:{text}", POSTMASTER, smtputf8=smtputf8)
        if isinstance(recipient, Recipient):
            _judge(recipient.address, None, smtputf8=smtputf8)
            _judge_orcpt(recipient.orcpt)
        else:
            assert isinstance(recipient, Reply)


def _parsed(text: str, *, smtputf8: bool) -> Address | InvalidAddress:
    try:
        return parse_address(text, smtputf8=smtputf8)
    except InvalidAddress as error:
        return error


def _is_text(text: str) -> bool:
    """As `inbound/lines.py` has it: UTF-8 without control characters."""
    return not any(letter < " " or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff" for letter in text)


def _judge(address: Address, text: str | None, *, smtputf8: bool) -> None:
    printed = str(address)
    assert text is None or printed == text
    assert parse_address(printed, smtputf8=smtputf8) == address
    assert address.is_ascii or smtputf8
    assert address.domain_key.isascii()
    assert domain_key(address.domain_key) == address.domain_key
    assert _is_text(printed), printed
    assert address.mailbox_key
    name = mailbox_name(address.local_part)
    assert name is None or is_component(name)


def _judge_orcpt(orcpt: str | None) -> None:
    if orcpt is None:
        return
    assert " " not in orcpt
    assert _is_text(orcpt), orcpt
    for utf8 in (False, True):
        decoded = decode_orcpt(orcpt, utf8=utf8)
        assert decoded is None or not any(letter < " " or letter == "\x7f" for letter in decoded[1]), orcpt

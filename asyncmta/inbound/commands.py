"""MAIL and RCPT as text -> envelope values, or the reply that says what is wrong with them.

Own grammar and no parser that repairs: one path in angle brackets, then parameters; no source route, no comment, no
second path. Promises: a reverse-path is an `Address` or None for `<>`; a recipient is an `Address`; nothing else ever
comes out. `<postmaster>` alone stands for postmaster at this host. Never: permission, sequence, existence.

RFC 5321 4.1.1.2, 4.1.1.3, 4.1.2, 4.5.1; RFC 6531 3.4 and 3.5; RFC 8689 2 (REQUIRETLS).
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.inbound.extensions import RELEASE_PARAMETERS, WISH_PARAMETERS, Wishes, parse_wishes
from asyncmta.inbound.parameters import is_envid, is_orcpt, is_xtext, parse_notify, parse_parameters, parse_size
from asyncmta.mail import replies
from asyncmta.mail.address import ORDINARY, Address, InvalidAddress, ordinary_address, parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.reply import Reply

# The blank after the colon is not in the grammar and in many clients. A quoted local-part may hold ">" and blanks.
_PATH = r' *<((?:"(?:[^"\\]|\\.)*"@)?[^<>" ]*)>(?: +(.*))?\Z'
_FROM = re.compile("(?i:FROM:)" + _PATH)
_TO = re.compile("(?i:TO:)" + _PATH)
# What nearly all of them are, at once; whatever else there is goes the long way.
_PLAIN_FROM = re.compile(rf"(?i:FROM:)<{ORDINARY}>(?: SIZE=([0-9]{{1,20}}))?(?: BODY=(7BIT|8BITMIME))?\Z")
_PLAIN_TO = re.compile(rf"(?i:TO:)<{ORDINARY}>\Z")

_MAIL_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"}) | WISH_PARAMETERS
_MAIL_PARAMETERS_AUTH = _MAIL_PARAMETERS | {"AUTH"}
_REQUIRETLS = frozenset({"REQUIRETLS"})
_RCPT_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})


class Sender(Struct, frozen=True):
    """MAIL: an envelope that has no recipients yet, the declared size (0: none), and what was wished beside it."""

    envelope: Envelope
    size: int = 0
    wishes: Wishes | None = None


def plain_sender(argument: str) -> Sender | None:
    """What `parse_mail` says of it in any session; None: ask there."""
    plain = _PLAIN_FROM.match(argument)
    if plain is None:
        return None
    local_part, domain, size, body = plain.groups()
    address = ordinary_address(local_part, domain)
    return None if address is None else Sender(Envelope(address, (), body or "7BIT"), int(size) if size else 0)


def plain_recipient(argument: str) -> Recipient | None:
    """What `parse_rcpt` says of it in any transaction; None: ask there."""
    plain = _PLAIN_TO.match(argument)
    address = None if plain is None else ordinary_address(plain[1], plain[2])
    return None if address is None else Recipient(address)


def parse_mail(
    argument: str, *, offers_auth: bool = False, offers_release: bool = False, has_tls: bool = False
) -> Sender | Reply:
    """What follows `MAIL ` -> `Sender`. `offers_auth`: AUTH= is a known parameter (it is checked and not trusted);
    `offers_release`: HOLDFOR and HOLDUNTIL are; `has_tls`: REQUIRETLS is (RFC 8689 2)."""
    match = _FROM.match(argument)
    if match is None:
        return replies.BAD_SENDER_SYNTAX
    path, rest = match.groups()
    if not rest:
        address = _parse_path(path, smtputf8=False, sender=True) if path else None
        return address if isinstance(address, Reply) else Sender(Envelope(address, ()))
    known = _MAIL_PARAMETERS_AUTH if offers_auth else _MAIL_PARAMETERS
    if offers_release:
        known |= RELEASE_PARAMETERS
    found = parse_parameters(rest, known | _REQUIRETLS if has_tls else known)
    if isinstance(found, Reply):
        return found
    wishes = parse_wishes(found)
    if isinstance(wishes, Reply):
        return wishes
    size = parse_size(found["SIZE"]) if "SIZE" in found else 0
    body = found.get("BODY", "7BIT").upper()
    ret = found["RET"].upper() if "RET" in found else None
    envid = found.get("ENVID")
    auth = found.get("AUTH", "<>")
    smtputf8 = "SMTPUTF8" in found
    if (
        size is None
        or body not in ("7BIT", "8BITMIME", "BINARYMIME")
        or ret not in (None, "FULL", "HDRS")
        or (envid is not None and not is_envid(envid))
        or not (auth == "<>" or is_xtext(auth))
        or found.get("SMTPUTF8")
        or found.get("REQUIRETLS")
    ):
        return replies.PARAMETER_INVALID
    address = _parse_path(path, smtputf8=smtputf8, sender=True) if path else None
    if isinstance(address, Reply):
        return address
    return Sender(Envelope(address, (), body, smtputf8, "REQUIRETLS" in found, ret, envid), size, wishes)


def parse_rcpt(argument: str, postmaster: Address, *, smtputf8: bool = False) -> Recipient | Reply:
    """What follows `RCPT ` -> `Recipient`. `postmaster` is whom `<postmaster>` means."""
    match = _TO.match(argument)
    if match is None:
        return replies.BAD_RECIPIENT_SYNTAX
    path, rest = match.groups()
    address = _parse_path(path, smtputf8=smtputf8, sender=False)
    if isinstance(address, Reply):
        if path.lower() != "postmaster":
            return address
        address = postmaster
    if not rest:
        return Recipient(address)
    found = parse_parameters(rest, _RCPT_PARAMETERS)
    if isinstance(found, Reply):
        return found
    notify = parse_notify(found["NOTIFY"]) if "NOTIFY" in found else 0
    orcpt = found.get("ORCPT")
    if notify is None or (orcpt is not None and not is_orcpt(orcpt, smtputf8=smtputf8)):
        return replies.PARAMETER_INVALID
    return Recipient(address, notify, orcpt)


def _parse_path(path: str, *, smtputf8: bool, sender: bool) -> Address | Reply:
    try:
        return parse_address(path, smtputf8=smtputf8)
    except InvalidAddress as error:
        if error.needs_smtputf8:
            return replies.NEED_SMTPUTF8_SENDER if sender else replies.NEED_SMTPUTF8_RECIPIENT
        return replies.BAD_SENDER_SYNTAX if sender else replies.BAD_RECIPIENT_SYNTAX

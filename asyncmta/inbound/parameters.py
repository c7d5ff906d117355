"""The parameters of MAIL and RCPT: strict parse, with the reply for each fault as the value.

Promises: what comes out is of the named form and can stand in a command, a journal or a DSN without any check more;
xtext is kept encoded and its decoded form holds no control character. A parameter that comes twice, or without the
value it needs, is refused. Never: whether the values are welcome; that is `acceptance`.

RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 4 (RET, ENVID, NOTIFY,
ORCPT, xtext), RFC 6533 3 (utf-8 ORCPT), RFC 4954 5 (AUTH=).
"""

from __future__ import annotations

import re

from asyncmta.mail import replies
from asyncmta.mail.envelope import NOTIFY_DELAY, NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS
from asyncmta.mail.reply import Reply

MAX_SIZE_DIGITS = 20
MAX_ENVID = 100
MAX_ORCPT = 500

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")
_XTEXT_8 = re.compile(r"(?:[^\x00- +=\x7f-\x9f]|\+[0-9A-F]{2})+\Z")
_HIDDEN_CONTROL = re.compile(r"\+(?:[01][0-9A-F]|7F)|\\x\{0*(?:[01]?[0-9A-Fa-f]|7[Ff]|[89][0-9A-Fa-f]|202[89])\}")
# RFC 6533 3: in the utf-8 type a backslash begins `\x{...}`, the number of a character, and stands for nothing else.
_STRAY_BACKSLASH = re.compile(
    r"\\(?!x\{(?:5C|[2-7][0-9A-F]|[89A-F][0-9A-F]|[1-9A-F][0-9A-F]{2}|[1-9A-CE-F][0-9A-F]{3}|D[0-7][0-9A-F]{2}"
    r"|[1-9A-F][0-9A-F]{4}|10[0-9A-F]{4})\})"
)
_HIDDEN_EIGHT_BIT = re.compile(r"\+[89A-F][0-9A-F]")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~.-]+\Z")
_NOTIFY = {"SUCCESS": NOTIFY_SUCCESS, "FAILURE": NOTIFY_FAILURE, "DELAY": NOTIFY_DELAY}

Parameters = dict[str, str]


def parse_parameters(text: str, known: frozenset[str]) -> Parameters | Reply:
    """`KEY=value KEY ...` -> values by keyword in upper case ("" where there was none)."""
    found: Parameters = {}
    for token in text.split(" "):
        keyword, equals, value = token.partition("=")
        keyword = keyword.upper()
        if not token:
            continue
        if not _KEYWORD.match(keyword) or (equals and not value) or "=" in value or keyword in found:
            return replies.SYNTAX_PARAMETERS
        if keyword not in known:
            return replies.PARAMETER_UNKNOWN
        found[keyword] = value
    return found


def parse_size(value: str) -> int | None:
    """SIZE: up to twenty digits, and nothing else that Python takes for a number."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= MAX_SIZE_DIGITS else None


def parse_notify(value: str) -> int | None:
    """NOTIFY: NEVER alone, or a list of the others -> the sum of NOTIFY_*."""
    value = value.upper()
    if value == "NEVER":
        return NOTIFY_NEVER
    total = 0
    for word in value.split(","):
        if word not in _NOTIFY:
            return None
        total |= _NOTIFY[word]
    return total


def is_envid(value: str) -> bool:
    """ENVID: xtext of at most 100 characters that decodes to printable ASCII."""
    return len(value) <= MAX_ENVID and is_xtext(value) and not _HIDDEN_EIGHT_BIT.search(value)


def is_orcpt(value: str, *, smtputf8: bool) -> bool:
    """ORCPT: `addr-type;xtext`. Raw UTF-8 only where SMTPUTF8 allows it and the type says so."""
    kind, semicolon, address = value.partition(";")
    if not semicolon or len(value.encode()) > MAX_ORCPT or not _ADDRESS_TYPE.match(kind):
        return False
    if kind.lower() != "utf-8":
        return is_xtext(address)
    return is_xtext(address, eight_bit=smtputf8) and not _STRAY_BACKSLASH.search(address)


def is_xtext(value: str, *, eight_bit: bool = False) -> bool:
    """Is it xtext without a control character in its decoded form?"""
    return bool((_XTEXT_8 if eight_bit else _XTEXT).match(value)) and not _HIDDEN_CONTROL.search(value)

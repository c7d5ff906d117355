"""Addresses by the grammar of RFC 5321: strict parse, exact print, one normal form for comparison.

An address keeps its text exactly as it came; beside it stands the normal form of its domain (A-labels, lower case).
Nothing with a CR, LF, NUL or other control character parses. The null reverse-path is `None` and is parsed by
whoever reads a path, never here. Never: decisions about relaying or existence.

RFC 5321 4.1.2 and 4.1.3 (mailbox, literals), 4.5.3.1 (sizes), RFC 6531 3.3 (SMTPUTF8), RFC 5891 (IDNA).
"""

from __future__ import annotations

import ipaddress
import re
from unicodedata import normalize

import idna
from msgspec import Struct

# RFC 5321 4.5.3.1.1 says 64, and 4.5.3.1 to take more where one can: VERP and SRS make longer ones every day.
MAX_LOCAL_PART = 255
MAX_DOMAIN = 253  # the 255 octets of RFC 5321 are those of DNS, which leave 253 for the text
_MAX_LITERAL = 64

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"  # the hyphen escaped: more letters follow it in one class
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# What else there is in ASCII: a class that goes up to U+10FFFF by itself takes 4 ms to compile.
_ATEXT_8 = r'[^\x00- "(),.:;<>@\[\\\]\x7f]'
_DOT_STRING_8 = re.compile(rf"{_ATEXT_8}+(?:\.{_ATEXT_8}+)*\Z")
_QUOTED = re.compile(r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"\Z')
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
ORDINARY = rf"([{_ATEXT}]+(?:\.[{_ATEXT}]+)*)@({_LABEL}(?:\.{_LABEL})*)"  # a pattern of what nearly all addresses are
_ORDINARY = re.compile(rf"{ORDINARY}\Z")
_LITERAL = re.compile(r"\[(?:[0-9.]+|([Ii][Pp][Vv]6):([0-9A-Fa-f:.]+))\]\Z")
_QUOTED_PAIR = re.compile(r"\\(.)")
_SPECIAL = re.compile(r'["\\]')


class InvalidAddress(ValueError):
    """The text is no address. `needs_smtputf8` says that SMTPUTF8 on MAIL would have made it one (5.6.7)."""

    def __init__(self, reason: str, *, needs_smtputf8: bool = False) -> None:
        super().__init__(reason)
        self.needs_smtputf8 = needs_smtputf8


class Address(Struct, frozen=True, gc=False, array_like=True):
    """A mailbox as written: `local_part` (with its quotes), `domain`, and `domain_key`, the domain's normal form."""

    local_part: str
    domain: str
    domain_key: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"

    @property
    def mailbox_key(self) -> str:
        """Equal for two addresses exactly when they name the same mailbox: needless quoting is taken off, the domain
        is in normal form, and the case of the local-part is kept (RFC 5321 2.4)."""
        return f"{unquote(self.local_part)!r}@{self.domain_key}"

    @property
    def is_literal(self) -> bool:
        return self.domain.startswith("[")

    @property
    def is_ascii(self) -> bool:
        """False: it can only be sent to a server with SMTPUTF8."""
        return self.local_part.isascii() and self.domain.isascii()


def is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def unquote(local_part: str) -> str:
    """The local-part without quotes and backslashes: what it means."""
    if local_part.startswith('"'):
        return _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    return local_part


def quote(name: str) -> str:
    """Inverse of `unquote`: a name as a local-part, in quotes where it needs them."""
    if _DOT_STRING_8.match(name):
        return name
    return '"' + _SPECIAL.sub(r"\\\g<0>", name) + '"'


def parse_address(text: str, *, smtputf8: bool = False) -> Address:
    """`local-part@domain` without angle brackets -> Address; raises InvalidAddress."""
    match = _ORDINARY.match(text)
    if match is not None and (address := ordinary_address(match[1], match[2])) is not None:
        return address
    local_part, at, domain = text.rpartition("@")
    if not at or not local_part or not domain:
        raise InvalidAddress("an address is local-part@domain")
    try:
        size = len(local_part.encode("utf-8"))
        domain.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidAddress("not valid UTF-8") from None
    if size > MAX_LOCAL_PART:
        raise InvalidAddress(f"the local-part is longer than {MAX_LOCAL_PART} octets")
    if not (_DOT_STRING_8.match(local_part) or _QUOTED.match(local_part)):
        raise InvalidAddress("the local-part is neither a dot-string nor a quoted string")
    if not text.isascii() and any("\x7f" <= letter <= "\x9f" or letter in "\u2028\u2029" for letter in text):
        raise InvalidAddress("a control character")
    address = Address(local_part, domain, domain_key(domain))
    if not smtputf8 and not address.is_ascii:  # last, so that `needs_smtputf8` is true only of what it would cure
        raise InvalidAddress("a non-ASCII address needs SMTPUTF8", needs_smtputf8=True)
    return address


def ordinary_address(local_part: str, domain: str) -> Address | None:
    """The address of these two groups of ORDINARY; None: `parse_address` is to say what it is."""
    if len(local_part) > MAX_LOCAL_PART or len(domain) > MAX_DOMAIN or domain[-1].isdigit():
        return None
    return Address(local_part, domain, domain.lower())


def domain_key(text: str) -> str:
    """The normal form of a domain or address literal; raises InvalidAddress. U-labels become A-labels (RFC 5891).

    A domain in ASCII is only letters, digits and hyphens to us: DNS has A-labels that IDNA2008 would refuse.
    """
    if text.startswith("["):
        return _literal_key(text)
    if len(text) > MAX_DOMAIN:
        raise InvalidAddress("the domain is too long")
    lowered = text.lower()
    if not text.isascii():
        try:
            lowered = _a_labels(lowered)
        except UnicodeError as error:  # idna.IDNAError is one
            raise InvalidAddress(f"not an internationalised domain: {error}") from None
    if len(lowered) > MAX_DOMAIN or not _DOMAIN.match(lowered):
        raise InvalidAddress("not a domain name")
    if lowered.rpartition(".")[2].isdigit():
        raise InvalidAddress("a domain does not end in a number; an address literal needs brackets")
    return lowered


def _a_labels(lowered: str) -> str:
    """Only case and composition are mapped. UTS 46 would map more: wide letters, other dots, and invisible letters
    away, and what was written would go on to servers to whom it is another domain or none."""
    composed = normalize("NFC", lowered)
    if composed.isascii():  # the Kelvin sign
        raise UnicodeError("a letter that is no part of a domain")
    return idna.encode(composed, strict=True).decode("ascii")


def _literal_key(text: str) -> str:
    """`ipaddress` takes anything behind a `%` (a zone, even a line end in it), so the letters are checked first."""
    match = _LITERAL.match(text) if len(text) <= _MAX_LITERAL else None
    if match is None:
        raise InvalidAddress("not an address literal")
    try:
        if match[1] is not None:
            return f"[ipv6:{ipaddress.IPv6Address(match[2])}]"
        return f"[{ipaddress.IPv4Address(text[1:-1])}]"
    except ValueError:
        raise InvalidAddress("not an address literal") from None

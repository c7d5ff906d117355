"""The text of DSN parameters: xtext (`+2B` is a plus), ORCPT's address type and address, the `\\x{...}` of RFC 6533.

Promises: what is encoded decodes to the same; decoding takes any text and never raises; what is not xtext stays as it
is. What comes out may hold any letter, controls too: whoever prints it makes it harmless. Never: checking a client's
parameter; that is `inbound`.

RFC 3461 4, 4.2 and 4.4 (xtext, ORCPT, ENVID), RFC 6533 3 (the utf-8 address type).
"""

from __future__ import annotations

import re

_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_ADDR_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}\Z")


def decode_xtext(text: str) -> str:
    """`a+2Bb` -> `a+b`."""
    return _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)


def encode_orcpt(address: str) -> str:
    """An address as ORCPT, for a recipient that came without one (RFC 3461 4.2, RFC 6533 3)."""
    if address.isascii():
        return "rfc822;" + "".join(letter if _is_plain(letter) else f"+{ord(letter):02X}" for letter in address)
    return "utf-8;" + "".join(letter if _is_plain(letter) else f"\\x{{{ord(letter):02X}}}" for letter in address)


def _is_plain(letter: str) -> bool:
    """Printable, and of no meaning in xtext or in an address of the utf-8 type."""
    return letter.isprintable() and letter not in " +=\\"


def in_ascii(orcpt: str) -> str:
    """ORCPT of the utf-8 type in the form that may stand where SMTPUTF8 was not asked for (RFC 6533 3)."""
    if orcpt.isascii() or orcpt[:6].lower() != "utf-8;":
        return orcpt
    return "".join(letter if letter.isascii() else f"\\x{{{ord(letter):X}}}" for letter in orcpt)


def decode_orcpt(orcpt: str | None, *, utf8: bool) -> tuple[str, str] | None:
    """ORCPT -> address type and address; None for what is none. Without `utf8`, an address of the type utf-8 keeps
    its `\\x{...}`, which is its form where only ASCII may stand."""
    kind, _, address = (orcpt or "").partition(";")
    if not address or not _ADDR_TYPE.match(kind):
        return None
    address = decode_xtext(address)
    if utf8 and kind.lower() == "utf-8":
        address = _EMBEDDED.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), address)
    return kind, address


def embedded(address: str) -> str:
    """An address in the form that one of the type utf-8 has where only ASCII may stand: `\\x{FC}` for an ü."""
    return "".join(
        letter if "!" <= letter <= "~" and letter not in "+=\\" else f"\\x{{{ord(letter):X}}}" for letter in address
    )

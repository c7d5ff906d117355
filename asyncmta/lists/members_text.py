"""The file of a list's members, as text: who is on it, and the text with one more or one less.

One address on a line, or several with commas between them; `#` begins a comment. Promises: what somebody wrote there by
hand stays as it was, but for the one address that goes; nobody is on it twice by us; an address that a file of aliases
would read as something else (a program, a file, a comment) is not taken, whoever confirms it. Never: a look at the
disk, and no includes: those are for whoever expands the list.
"""

from __future__ import annotations

import re

from asyncmta.mail.address import Address, InvalidAddress, parse_address

_SAFE = re.compile(r"[^\W_][^\s\"\\,<>()#|:;]*@[^\W_][^\s\"\\,<>()#|:;\[\]]*\Z")
_ANGLED = re.compile(r"<([^<>]*)>\s*\Z")
_COMMENT = re.compile(r"(?:\A|(?<=\s))#.*", re.DOTALL)


def is_subscribable(address: Address) -> bool:
    """May it be written into the file, and be read from it as what it is?"""
    return _SAFE.match(str(address)) is not None and not address.is_literal


def members(text: str) -> dict[str, Address]:
    """Who is on the list, by mailbox; what is no address (a local part, an include) is none of ours."""
    found: dict[str, Address] = {}
    for line in text.splitlines():
        for piece in _pieces(line):
            address = _address(piece)
            if address is not None:
                found.setdefault(_key(address), address)
    return found


def with_member(text: str, address: Address) -> str:
    """The text with that address on it."""
    if _key(address) in members(text):
        return text
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{address}\n"


def without_member(text: str, address: Address) -> str:
    """The text with that address nowhere on it."""
    key = _key(address)
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        pieces = _pieces(line)
        others = [piece for piece in pieces if (found := _address(piece)) is None or _key(found) != key]
        if len(others) == len(pieces):
            kept.append(line)
        elif others:
            comment = _COMMENT.search(line)
            kept.append(", ".join(others) + (f" {comment[0].strip()}" if comment else "") + "\n")
    return "".join(kept)


def _pieces(line: str) -> list[str]:
    return [piece.strip() for piece in _COMMENT.sub("", line).split(",") if piece.strip()]


def _address(piece: str) -> Address | None:
    angled = _ANGLED.search(piece)
    try:
        return parse_address(angled[1].strip() if angled else piece, smtputf8=True)
    except InvalidAddress:
        return None


def _key(address: Address) -> str:
    return address.mailbox_key.casefold()

"""The Maildir++ folder that a detail stands for: `alice+lists` -> `.Lists`, where there is one.

A folder's name on the disk begins with a dot, has dots between its levels, and is in the modified UTF-7 of IMAP.
Promises: a name that comes out is one path component, has no empty level (so never `..`), and does not climb;
comparison is without regard to case, of the letters and not of their encoding. Never: files.

RFC 3501 5.1.3 (modified UTF-7), Maildir++ (folders).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from asyncmta.mailboxes.path import is_component


def folder_for(detail: str, there: Iterable[str]) -> str | None:
    """Which of the names that are there is meant."""
    wanted = folder_name(detail)
    if wanted is None:
        return None
    plain = detail.lower()
    found = sorted(name for name in there if name.startswith(".") and decoded(name[1:]).lower() == plain)
    return wanted if wanted in found else next(iter(found), None)


def folder_name(detail: str) -> str | None:
    """The name of a folder that is made for it; None: it can be none."""
    if not all(detail.split(".")) or not detail.isprintable():
        return None
    name = encoded(detail)
    return f".{name}" if is_component(name) and is_component(name + ".") else None


def encoded(text: str) -> str:
    """In modified UTF-7."""
    done, waiting = [], ""
    for letter in text + "\0":
        if letter.isascii():
            done.append(_shifted(waiting) + ("&-" if letter == "&" else letter))
            waiting = ""
        else:
            waiting += letter
    return "".join(done)[:-1]


def decoded(name: str) -> str:
    """Inverse of `encoded`; what is no modified UTF-7 stays as it is."""
    plain, *shifts = name.split("&")
    for shift in shifts:
        text, end, rest = shift.partition("-")
        if not end:
            return name
        try:
            octets = base64.b64decode(text.replace(",", "/") + "=" * (-len(text) % 4), validate=True)
            plain += (octets.decode("utf-16-be") if text else "&") + rest
        except (binascii.Error, UnicodeError):
            return name
    return plain


def _shifted(text: str) -> str:
    if not text:
        return ""
    octets = base64.b64encode(text.encode("utf-16-be", "surrogatepass"))
    return f"&{octets.decode().rstrip('=').replace('/', ',')}-"

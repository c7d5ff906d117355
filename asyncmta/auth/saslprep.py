"""Logins and passwords as they are compared: SASLprep, by the tables of the standard library.

Promises: what looks the same and is typed on different machines becomes the same text; a control character, a lone
surrogate or mixed directions make it None, and so does a text that is empty or too long. Code points that Unicode 3.2
did not know are let through, as RFC 4013 2.5 allows for what is asked, so that a password with a new sign is one.
Never: case; whoever compares logins without it says so.

RFC 4013 (SASLprep), RFC 3454 (stringprep).
"""

from __future__ import annotations

import stringprep
from collections.abc import Callable
from unicodedata import ucd_3_2_0

MAX_CREDENTIAL = 1024  # octets: a slow hash is not to be fed for ever

_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str | None:
    """The form that is compared; None for what cannot be a login or a password."""
    if not text or len(text.encode("utf-8", "surrogatepass")) > MAX_CREDENTIAL:
        return None
    if text.isascii():
        return text if text.isprintable() else None
    mapped = "".join(
        " " if stringprep.in_table_c12(sign) else sign for sign in text if not stringprep.in_table_b1(sign)
    )
    made = ucd_3_2_0.normalize("NFKC", mapped)
    if not made or any(is_in(sign) for sign in made for is_in in _PROHIBITED):
        return None
    return made if _keeps_one_direction(made) else None


def _keeps_one_direction(text: str) -> bool:
    """RFC 3454 6: text from right to left begins and ends with it, and holds nothing of the other."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    return (
        stringprep.in_table_d1(text[0])
        and stringprep.in_table_d1(text[-1])
        and not any(map(stringprep.in_table_d2, text))
    )


def login_key(login: str) -> str | None:
    """Under what a login is looked up: prepared, and without case, since people type addresses as they like."""
    prepared = saslprep(login)
    return None if prepared is None else prepared.casefold()

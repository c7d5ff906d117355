"""The token of a confirmation: proof that whoever has it got the letter that we sent to one address.

Nothing is kept for it: it says what is to be done and until when, and its hash, made with a secret of ours, covers
that, the list and the address, which is not in it. Promises: it is worth something for that address, list and action
alone, until it expires; hashes are compared in constant time and without case, since some servers fold local-parts.
Never: the time (an argument), or who asks.

Seeds D-139, D-140 (nobody subscribes somebody else).
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct

from asyncmta.lists.names import Role
from asyncmta.mail.address import Address

HOUR = 3600
LIFETIME = 3 * 24 * HOUR
HASH_LENGTH = 20  # letters: 100 bits

_ACTIONS = {"s": Role.SUBSCRIBE, "u": Role.UNSUBSCRIBE}
_LETTERS = {role: letter for letter, role in _ACTIONS.items()}
_DIGITS = 5  # of hexadecimal: hours until the year 2089


class Confirmed(Struct, frozen=True):
    """What the token is good for."""

    action: Role
    address: Address


def token_for(secret: bytes, *, action: Role, list_key: str, address: Address, now: float) -> str:
    """Letters and digits, for the local-part of the address to answer to."""
    stamp = f"{_LETTERS[action]}{int(now + LIFETIME) // HOUR:0{_DIGITS}x}"
    return stamp + _hash(secret, stamp, list_key, address)


def confirmed(
    secret: bytes, token: str, *, list_key: str, candidates: Iterable[Address], now: float
) -> Confirmed | None:
    """Which of these addresses it was made for; None: none of them, or it has expired."""
    token = token.lower()
    stamp, given = token[: _DIGITS + 1], token[_DIGITS + 1 :]
    action = _ACTIONS.get(stamp[:1])
    if action is None or not token.isascii() or not token.isalnum():
        return None
    for address in candidates:
        if hmac.compare_digest(given, _hash(secret, stamp, list_key, address)):
            return Confirmed(action, address) if int(stamp[1:], 16) >= now // HOUR else None
    return None


def _hash(secret: bytes, *facts: str | Address) -> str:
    texts = [fact.mailbox_key.casefold() if isinstance(fact, Address) else fact for fact in facts]
    digest = hmac.new(secret, "\0".join(texts).encode(), sha256).digest()
    return b32encode(digest).decode().lower()[:HASH_LENGTH]

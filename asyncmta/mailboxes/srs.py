"""The Sender Rewriting Scheme: a reverse-path of our own for mail that we forward, and the way back for its bounces.

`alice@example.org`, forwarded by us, leaves as `SRS0=HHHH=TT=example.org=alice@ours.example`; what another forwarder
rewrote before us as `SRS1=...`, which leads back to that forwarder. Promises: only what bears a hash made with one of
our secrets, and is not older than allowed, leads anywhere; so nobody can relay through us with it. Hashes are compared
in constant time and without case, since some servers fold local-parts. Never: who is forwarded to; the time is an
argument.

Source: Shevek, "The Sender Rewriting Scheme" (2004), the forms of libsrs2 and postsrsd.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from enum import Enum
from hashlib import sha1

from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address, quote, unquote

DAY = 86400
MOST_DAYS = 1024  # two letters of base 32
HASH_LENGTH = 4  # letters: 24 bits, and each guess costs a transaction
SHORTEST_SECRET = 16

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SEPARATORS = "=-+"


class Unusable(Enum):
    """Why an SRS address leads nowhere."""

    MALFORMED = "not an SRS address of ours"
    FORGED = "its hash is wrong"
    EXPIRED = "it is too old"


def is_srs(local_part: str) -> bool:
    """Does it look like one, ours or not?"""
    return local_part[:4].upper() in ("SRS0", "SRS1") and local_part[4:5] in tuple(_SEPARATORS)


class Srs:
    """`secrets`: the first one signs, all verify. `days`: so long a rewritten address leads back."""

    def __init__(self, *, secrets: Sequence[str], domain: str, days: int = 21) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._domain = domain
        self._domain_key = domain_key(domain)
        self._days = days

    def forwarded(self, sender: Address, now: float) -> Address | None:
        """The reverse-path to forward with, at this moment (Unix seconds); None when there is none that fits. A sender
        at the domain that we rewrite to may leave from here as it is."""
        if sender.domain_key == self._domain_key:
            return sender
        local_part = unquote(sender.local_part)
        host, parted, rest = local_part[5:].partition("=")[2].partition("=")
        if is_srs(local_part) and local_part[3] == "1" and host and parted:
            return _address(self._second(host, rest), self._domain)
        if is_srs(local_part) and local_part[3] == "0":
            return _address(self._second(sender.domain, local_part[4:]), self._domain)
        stamp = _stamp(int(now // DAY))
        signed = self._hash(stamp, sender.domain, local_part)
        return _address(f"SRS0={signed}={stamp}={sender.domain}={local_part}", self._domain)

    def returned(self, local_part: str, now: float) -> Address | Unusable:
        """Whom a local-part of ours stands for."""
        text = unquote(local_part)
        if not is_srs(text):
            return Unusable.MALFORMED
        if text[3] == "1":
            return self._returned_to_forwarder(text[5:])
        given, _, rest = text[5:].partition("=")
        stamp, _, rest = rest.partition("=")
        domain, _, name = rest.partition("=")
        if not (given and stamp and domain and name):
            return Unusable.MALFORMED
        if not self._is_ours(given, stamp, domain, name):
            return Unusable.FORGED
        age = _age(stamp, int(now // DAY))
        if age is None or age > self._days:
            return Unusable.EXPIRED
        return _address(name, domain) or Unusable.MALFORMED

    def _second(self, host: str, rest: str) -> str:
        """`rest` begins with the separator of the first forwarder, whose own form it is."""
        return f"SRS1={self._hash(host, rest)}={host}={rest}"

    def _returned_to_forwarder(self, text: str) -> Address | Unusable:
        given, _, rest = text.partition("=")
        host, _, rest = rest.partition("=")
        if not (given and host and rest):
            return Unusable.MALFORMED
        if not self._is_ours(given, host, rest):
            return Unusable.FORGED
        return _address("SRS0" + rest, host) or Unusable.MALFORMED

    def _hash(self, *parts: str) -> str:
        return _keyed(self._secrets[0], parts)

    def _is_ours(self, given: str, *parts: str) -> bool:
        found = False
        for secret in self._secrets:  # all of them, so that the time says nothing
            found |= hmac.compare_digest(given.lower().encode(), _keyed(secret, parts).lower().encode())
        return found


def _keyed(secret: bytes, parts: Sequence[str]) -> str:
    digest = hmac.new(secret, "".join(parts).lower().encode(), sha1).digest()
    return b64encode(digest)[:HASH_LENGTH].decode()


def _stamp(day: int) -> str:
    return _BASE32[day >> 5 & 31] + _BASE32[day & 31]


def _age(stamp: str, day: int) -> int | None:
    """Days since then; None when it is no stamp."""
    if len(stamp) != 2 or any(letter not in _BASE32 for letter in stamp.upper()):
        return None
    then = _BASE32.index(stamp[0].upper()) << 5 | _BASE32.index(stamp[1].upper())
    return (day - then) % MOST_DAYS


def _address(local_part: str, domain: str) -> Address | None:
    try:
        return parse_address(f"{quote(local_part)}@{domain}", smtputf8=True)
    except InvalidAddress:
        return None

"""What a session has told of its secrets, and the same taken out of whatever is shown of it later. Pure.

Promises: what a client sent in an AUTH exchange is found again whole, in base64 from its beginning on, and decoded (the
password, the token), in either direction; what is shorter than SHORTEST is not looked for, since it stands in any line.
Never: the name of who logs in is taken for a secret by itself, or a text that a peer spells in a way of its own.

RFC 4616, RFC 7628 3.1, RFC 5802; the XOAUTH2 of Google.
"""

from __future__ import annotations

import base64
import binascii
import re

MASK = b"***"
SHORTEST = 4
MOST = 64  # of a session; the oldest are forgotten
KNOWN_BY = 64  # octets: with a longer one the rest of the line goes, so that a client cannot make a pattern expensive
_BEGINNING = 6  # octets of base64 by which it is known, however much of it was cut off
_REST = rb"[A-Za-z0-9+/=]*"
_BEARER = re.compile(rb"auth=bearer[ ]+([^\x01 ]+)", re.IGNORECASE)


class Secrets:
    """Of one session."""

    __slots__ = ("_is_new", "_pattern", "_texts")

    def __init__(self) -> None:
        self._texts: dict[bytes, bool] = {}  # and whether it is known by its beginning, too
        self._pattern: re.Pattern[bytes] | None = None
        self._is_new = False  # the pattern has to be made anew, when it is needed

    def learn(self, text: bytes, *, is_name: bool = False) -> None:
        """The client has said this in an exchange. `is_name`: what is encoded in it is who logs in."""
        text = text.strip()
        if len(text) < SHORTEST:
            return
        try:
            decoded = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        found = [(text, decoded != b"")]
        for secret in _secrets(decoded, is_name=is_name):
            if len(secret) >= SHORTEST:
                found += [(secret, False), (base64.b64encode(secret).rstrip(b"="), True)]
        for whole, is_encoded in found:
            each = whole[:KNOWN_BY]
            self._texts[each] = is_encoded | self._texts.pop(each, False)
        while len(self._texts) > MOST:
            del self._texts[next(iter(self._texts))]
        self._is_new = True

    def redact(self, line: bytes) -> bytes:
        """The line without what is known to be secret."""
        if self._is_new:
            self._compile()
        return line if self._pattern is None else self._pattern.sub(MASK, line)

    def _compile(self) -> None:
        self._is_new = False
        longest_first = sorted(self._texts, key=len, reverse=True)
        beginnings = {each[:_BEGINNING] for each in longest_first if self._texts[each] and len(each) > _BEGINNING}
        patterns = [re.escape(each) + (b".*" if len(each) == KNOWN_BY else b"") for each in longest_first]
        patterns += [re.escape(each) + _REST for each in sorted(beginnings)]
        self._pattern = re.compile(b"|".join(patterns), re.IGNORECASE)


def _secrets(decoded: bytes, *, is_name: bool) -> list[bytes]:
    """What is secret in a response of some mechanism."""
    if not decoded:
        return []
    if (bearer := _BEARER.search(decoded)) is not None:
        return [bearer[1]]
    if b"\0" in decoded:  # PLAIN: whose mailbox, who, the password
        return [decoded.rpartition(b"\0")[2]]
    if is_name:
        return []
    # A password; or CRAM-MD5: who, and a digest; or SCRAM: what it goes on, and a proof.
    return [decoded, decoded.rpartition(b" ")[2], decoded.rpartition(b",p=")[2]]

"""Netstrings: octets with their length in front, as QMTP has them: `5:hello,`.

Promises: `take` undoes `netstring`, at any split of the input; what is longer than allowed is refused as soon as its
length is read, and never waited for. Never: sockets, what is inside.

https://cr.yp.to/proto/netstrings.txt
"""

from __future__ import annotations


class InvalidNetstring(ValueError):
    """No netstring begins there, or one that is longer than allowed."""


def netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def begin(octets: bytes | bytearray, at: int, most: int) -> tuple[int, int] | None:
    """Where the content of the netstring at `at` begins, and its length; None: its length has not come whole yet."""
    digits = len(str(most))
    colon = octets.find(b":", at, at + digits + 1)
    end = len(octets) if colon < 0 else colon
    number = bytes(octets[at : min(end, at + digits)])
    if (number and not number.isdigit()) or (len(number) > 1 and number.startswith(b"0")):
        raise InvalidNetstring("no length")
    if colon < 0:
        if end - at > digits:
            raise InvalidNetstring("no length, or one that is too long")
        return None
    if not number or int(number) > most:
        raise InvalidNetstring("too long" if number else "no length")
    return colon + 1, int(number)


def take(octets: bytes | bytearray, at: int, most: int) -> tuple[bytes, int] | None:
    """The content of the netstring at `at`, and what stands behind it begins where; None: it has not come whole yet."""
    begun = begin(octets, at, most)
    if begun is None:
        return None
    start, length = begun
    end = start + length
    if len(octets) <= end:
        return None
    if octets[end] != 0x2C:
        raise InvalidNetstring("no comma behind it")
    return bytes(octets[start:end]), end + 1


def take_all(octets: bytes) -> list[bytes]:
    """The contents of netstrings that stand there one behind the other, and nothing else."""
    found: list[bytes] = []
    at = 0
    while at < len(octets):
        taken = take(octets, at, len(octets))
        if taken is None:
            raise InvalidNetstring("the last one is cut off")
        content, at = taken
        found.append(content)
    return found

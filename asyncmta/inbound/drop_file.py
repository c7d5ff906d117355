"""The file of a message that waits in the drop directory, as octets: written by `sendmail`, read by the MTA.

    asyncmta drop 1 SIZE DIGEST LF
    {"sender": ..., "recipients": [...], "reports": {...}} LF
    content

SIZE and DIGEST (BLAKE2b, 16 octets, in hexadecimal) are of all that stands behind the first line. Promises: whatever is
torn, altered or made by somebody who means harm is told apart by `read`, which never raises. Never: files, addresses
(they are text here), trust: who wrote it is known by the owner of the file and by nothing in it.

Row P-71; docs/sendmail.md.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec
from msgspec import Struct

from asyncmta.inbound.injection import AS_USUAL, Reports

LONGEST_ENVELOPE = 64 << 20  # octets: a hundred thousand recipients with long names
ROOM = LONGEST_ENVELOPE + 1024
_FIRST = re.compile(rb"asyncmta drop 1 ([0-9]{1,15}) ([0-9a-f]{32})\n")


class Directions(Struct, frozen=True, forbid_unknown_fields=True):
    """The second line. `sender` None is the null reverse-path."""

    sender: str | None
    recipients: tuple[str, ...]
    reports: Reports = AS_USUAL


class Dropped(Struct, frozen=True):
    """A message as somebody left it."""

    directions: Directions
    content: bytes


def write(dropped: Dropped) -> bytes:
    rest = msgspec.json.encode(dropped.directions) + b"\n" + dropped.content
    return b"asyncmta drop 1 %d %b\n" % (len(rest), _digest(rest)) + rest


def read(octets: bytes) -> Dropped | str:
    """The message, or what is wrong with its file."""
    match = _FIRST.match(octets)
    if match is None:
        return "it is no file of a message"
    rest = octets[match.end() :]
    if len(rest) != int(match[1]):
        return "it is not whole"
    if _digest(rest) != match[2]:
        return "it was altered: its digest differs"
    end = rest.find(b"\n")
    try:
        directions = msgspec.json.decode(rest[: max(end, 0)], type=Directions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"its envelope cannot be read: {error}"
    return Dropped(directions, rest[end + 1 :])


def _digest(rest: bytes) -> bytes:
    return blake2b(rest, digest_size=16).hexdigest().encode()

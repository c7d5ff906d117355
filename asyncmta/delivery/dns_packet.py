"""The few octets of a DNS packet that say whether something is absent: one question, and the head of its answer.

The library below `resolver.py` says "no data" of every response code that it has no word for, and of packets that are
no responses at all. Mail bounces for what is absent, so this reads the head itself. Promises: total; what is not an
answer to exactly this question is none. Never: records, sockets, the id by chance.

RFC 1035 4.1; RFC 2308 (absence), RFC 6604 (NXDOMAIN behind an alias).
"""

from __future__ import annotations

import struct

from msgspec import Struct

from asyncmta.delivery.exchange import NoData, NoSuchDomain, TemporaryFailure

_HEAD = struct.Struct(">HHHHHH")
_KINDS = {"A": 1, "MX": 15, "AAAA": 28}
_RECURSION_DESIRED = 0x0100
_RESPONSE = 0x8000
_OPCODE = 0x7800
_TRUNCATED = 0x0200
_CODE = 0x000F


class Present(Struct, frozen=True, gc=False):
    """Something is there: records, or an alias of something else."""


Absence = NoSuchDomain | NoData | Present | TemporaryFailure


def question(number: int, name: str, kind: str) -> bytes | None:
    """The packet that asks for a name (without final dot); None when the name does not fit into one."""
    octets = bytearray()
    for label in name.split("."):
        if not (label.isascii() and 0 < len(label) < 64):
            return None
        octets.append(len(label))
        octets += label.encode("ascii")
    if len(octets) > 254:
        return None
    head = _HEAD.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0)
    return head + octets + struct.pack(">BHH", 0, _KINDS[kind], 1)


def absence(packet: bytes, asked: bytes) -> Absence | None:
    """What a packet says about the absence of what was asked for; None when it is no answer to that."""
    if len(packet) < len(asked) or packet[:2] != asked[:2]:
        return None
    _, flags, questions, answers, _, _ = _HEAD.unpack_from(packet)
    if not flags & _RESPONSE or flags & _OPCODE or questions != 1:
        return None
    if packet[_HEAD.size : len(asked)].lower() != asked[_HEAD.size :].lower():
        return None
    code = flags & _CODE
    if code not in (0, 3):
        return TemporaryFailure(f"the name server says code {code}")
    if code:
        # An alias that points nowhere is somebody's mistake, and no word about the name itself (RFC 6604).
        return TemporaryFailure("an alias of something that does not exist") if answers else NoSuchDomain()
    return Present() if answers or flags & _TRUNCATED else NoData()


def sure(second: Absence) -> NoSuchDomain | NoData | TemporaryFailure:
    """What holds of something that was absent at the first look."""
    if isinstance(second, Present):
        return TemporaryFailure("looked for twice, and then it was there")
    if isinstance(second, TemporaryFailure):
        return TemporaryFailure(f"looked for twice, and then: {second.reason}")
    return second

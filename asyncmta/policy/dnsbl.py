"""Block lists and allow lists in DNS: what to ask for a client, and what the answers add up to.

An entry of `dnsbl.lists` is written as Postfix's postscreen has it: `zone`, `zone=filter`, each with `*weight`, where
the filter is four numbers with dots, each a number, `*`, or a choice such as `127.0.0.[2..11;14]`. Promises: an answer
outside of 127.0.0.0/8 counts for nothing, since it is a parked domain or a resolver that lies, and neither does
127.255.255.0/24, with which lists say that they do not answer us; who does not answer counts 0. Never: DNS itself.

RFC 5782; rows W-184, W-219.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from asyncmta.mail.address import InvalidAddress, domain_key
from asyncmta.policy.verdict import Findings

MAX_WEIGHT = 1000

_ENTRY = re.compile(r"([^=*\s]+)(?:=([0-9.*\[\];]+?))?(?:\*(-?[0-9]{1,4}))?\Z")
_PARTS = tuple(map(re.compile, (r"\*", r"[0-9]{1,3}\.\.[0-9]{1,3}", r"[0-9]{1,3}", r"\[[0-9;.]+\]")))
_RANGE = re.compile(r"([0-9]{1,3})(?:\.\.([0-9]{1,3}))?\Z")
_NO_ANSWER = (127, 255, 255)

Octets = frozenset[int]


class InvalidList(ValueError):
    """The text is no entry of `dnsbl.lists`; the message says what is allowed."""


class DnsList(Struct, frozen=True):
    """One list. `filter`: which octets an answer may have at its four places; None: any answer."""

    zone: str
    weight: int = 1
    filter: tuple[Octets, Octets, Octets, Octets] | None = None

    def takes(self, ip: str) -> bool:
        """Does this answer say that the client is listed?"""
        octets = _octets(ip)
        if octets is None or octets[0] != 127 or octets[:3] == _NO_ANSWER:
            return False
        return self.filter is None or all(octet in allowed for octet, allowed in zip(octets, self.filter, strict=True))


def parse_list(text: str) -> DnsList:
    """`zen.spamhaus.org=127.0.0.[2..11]*3` -> DnsList; raises InvalidList."""
    match = _ENTRY.match(text)
    if match is None:
        raise InvalidList('not a list such as "zen.spamhaus.org", "zone=127.0.0.[2..11]" or "zone*-2"')
    zone, wanted, weight_text = match.groups()
    if wanted is not None and wanted.endswith("."):
        wanted += "*"  # "127.0.*.*-2": one star for both is as clear
    weight = int(weight_text) if weight_text else 1
    if not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidList(f"a weight is from -{MAX_WEIGHT} to {MAX_WEIGHT}")
    try:
        key = domain_key(zone)
    except InvalidAddress as error:
        raise InvalidList(f"not the zone of a list ({error})") from None
    return DnsList(key, weight, None if wanted is None else _parse_filter(wanted))


def _parse_filter(text: str) -> tuple[Octets, Octets, Octets, Octets]:
    """Four parts with dots between them; within brackets, and between the ends of a range, stand dots too."""
    parts: list[Octets] = []
    rest = text
    while True:
        # A range without brackets is taken too: "127.0.0.2..11".
        found = [match[0] for pattern in _PARTS if (match := pattern.match(rest)) is not None]
        if not found:
            break
        part = max(found, key=len)
        parts.append(_parse_part(part))
        rest = rest[len(part) :]
        if not rest.startswith("."):
            break
        rest = rest[1:]
    if rest or len(parts) != 4:
        raise InvalidList('a filter is four numbers with dots, each a number, "*" or such as "[2..11;14]"')
    return (parts[0], parts[1], parts[2], parts[3])


def _parse_part(text: str) -> Octets:
    if text == "*":
        return frozenset(range(256))
    octets: set[int] = set()
    for piece in text.strip("[]").split(";"):
        match = _RANGE.match(piece)
        low, high = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
        if low > high or high > 255:
            raise InvalidList(f'"{text}" is no number from 0 to 255, and no range of them')
        octets.update(range(low, high + 1))
    return frozenset(octets)


def _octets(ip: str) -> tuple[int, ...] | None:
    parts = ip.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(map(int, parts))


def question(address: IPv4Address | IPv6Address, zone: str) -> str:
    """The name to ask for: the octets, or nibbles, backwards (RFC 5782 2.1 and 2.4)."""
    name = address.reverse_pointer
    return f"{name.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def add_up(lists: Sequence[DnsList], answers: Mapping[str, Sequence[str] | None]) -> Findings:
    """`answers` has the addresses found in each zone; None: it could not be told. An entry counts once, however many of
    its answers fit; a zone may have several entries."""
    score = least = 0
    names: list[str] = []
    for entry in lists:
        found = answers.get(entry.zone)
        if found is None:
            least += min(entry.weight, 0)
        elif any(map(entry.takes, found)):
            score += entry.weight
            if entry.weight > 0 and entry.zone not in names:
                names.append(entry.zone)
    return Findings(score=score, least=score + least, lists=tuple(names))

"""Reading DNS answers: rows of an answer section into one of the values of `exchange`.

Only rows on the alias chain that starts at the question count: answers for other names, and whatever else a server
puts in, are ignored (DNS poisoning, or plain nonsense). Chains are followed for at most eight steps; a loop is a
temporary failure. Bounded: at most a hundred records are kept, the best ones. Never: look-ups, and no trust in order.

RFC 1034 3.6.2, RFC 2181 10.3, RFC 2308.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from msgspec import Struct

from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    MxAnswer,
    MxRecord,
    MxRecords,
    NameAnswer,
    Names,
    NoData,
    NoSuchDomain,
    TemporaryFailure,
)

MAX_ALIASES = 8
MAX_RECORDS = 100
SHORTEST_TTL = 30.0
LONGEST_TTL = 86400.0
NEGATIVE_TTL = 300.0
FAILURE_TTL = 10.0


KINDS = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 28: "AAAA"}
"""Types of record, by number."""


class Row(Struct, frozen=True, gc=False):
    """One resource record of an answer: `kind` is its type; `value` its host or address."""

    owner: str
    kind: str
    ttl: int
    value: str
    preference: int = 0


def row_of(record: object) -> Row:
    """A record as the library has it, of one of these kinds."""
    kind = KINDS[record.type]  # type: ignore[attr-defined]
    data = record.data  # type: ignore[attr-defined]
    value = {"A": "addr", "AAAA": "addr", "MX": "exchange", "CNAME": "cname", "PTR": "dname"}[kind]
    return Row(
        record.name,  # type: ignore[attr-defined]
        kind,
        record.ttl,  # type: ignore[attr-defined]
        getattr(data, value),
        data.priority if kind == "MX" else 0,
    )


class Alias(Struct, frozen=True, gc=False):
    """The answer says only that the name stands for another one, which is to be asked for."""

    target: str


def normal_name(name: str) -> str:
    """A domain name as we compare it: lower case, without the dot of the root."""
    return name.lower().removesuffix(".")


def read_mx(question: str, rows: Sequence[Row]) -> MxAnswer | Alias:
    """The exchangers in the answer to a question for `question` (a normal name)."""
    target = _follow(question, rows)
    if isinstance(target, TemporaryFailure):
        return target
    found = [row for row in rows if row.kind == "MX" and normal_name(row.owner) == target]
    if found:
        found.sort(key=attrgetter("preference"))
        return MxRecords(tuple(MxRecord(row.preference, normal_name(row.value)) for row in found[:MAX_RECORDS]))
    return NoData() if target == question else Alias(target)


def read_addresses(question: str, kind: str, rows: Sequence[Row]) -> AddressAnswer | Alias:
    """The addresses of one kind ("A" or "AAAA") in the answer."""
    target = _follow(question, rows)
    if isinstance(target, TemporaryFailure):
        return target
    ips = dict.fromkeys(row.value for row in rows if row.kind == kind and normal_name(row.owner) == target)
    if ips:
        return Addresses(tuple(ips)[:MAX_RECORDS])
    return NoData() if target == question else Alias(target)


def read_names(question: str, rows: Sequence[Row]) -> NameAnswer | Alias:
    """What an address is called; reverse zones are often aliases (RFC 2317)."""
    target = _follow(question, rows)
    if isinstance(target, TemporaryFailure):
        return target
    names = dict.fromkeys(normal_name(row.value) for row in rows if row.kind == "PTR" and _is_at(row, target))
    if names:
        return Names(tuple(names)[:MAX_RECORDS])
    return NoData() if target == question else Alias(target)


def read_answer(question: str, kind: str, rows: Sequence[Row]) -> MxAnswer | AddressAnswer | NameAnswer | Alias:
    """The answer to a question of that kind."""
    if rows and not _is_about(question, rows):
        return TemporaryFailure("the answer is about another name")
    if kind == "MX":
        return read_mx(question, rows)
    return read_names(question, rows) if kind == "PTR" else read_addresses(question, kind, rows)


def _is_about(question: str, rows: Sequence[Row]) -> bool:
    return any(_is_at(row, question) for row in rows)


def _is_at(row: Row, name: str) -> bool:
    return normal_name(row.owner) == name


def both_families(four: AddressAnswer, six: AddressAnswer) -> AddressAnswer:
    """One answer for a host from those to A and AAAA; the families take turns, so that a broken one costs little."""
    if isinstance(four, Addresses) and isinstance(six, Addresses):
        turns = [ip for pair in zip(four.ips, six.ips, strict=False) for ip in pair]
        shorter = min(len(four.ips), len(six.ips))
        return Addresses((*turns, *four.ips[shorter:], *six.ips[shorter:]))
    for answer in (four, six):
        if isinstance(answer, Addresses):
            return answer
    for answer in (four, six):
        if isinstance(answer, TemporaryFailure):
            return answer
    # NXDOMAIN is about the name and not the type; servers that give it for one type only are common and wrong.
    return NoSuchDomain() if isinstance(four, NoSuchDomain) and isinstance(six, NoSuchDomain) else NoData()


def lifetime(answer: MxAnswer | AddressAnswer | NameAnswer, rows: Sequence[Row]) -> float:
    """For how many seconds the answer may be kept."""
    if isinstance(answer, TemporaryFailure):
        return FAILURE_TTL
    if isinstance(answer, NoSuchDomain | NoData):
        return NEGATIVE_TTL
    return min(max(min(row.ttl for row in rows), SHORTEST_TTL), LONGEST_TTL)


def _follow(question: str, rows: Sequence[Row]) -> str | TemporaryFailure:
    aliases = {normal_name(row.owner): normal_name(row.value) for row in rows if row.kind == "CNAME"}
    name = question
    for _ in range(MAX_ALIASES + 1):
        target = aliases.get(name)
        if target is None:
            return name
        name = target
    return TemporaryFailure("its aliases form a loop, or too long a chain")

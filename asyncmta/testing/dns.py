"""`FakeResolver`: the resolver of `delivery/`, answering from a zone that stands in a dict.

Promises: the answers are the values of `delivery/exchange.py`, never exceptions; what is not in the zone does not
exist. The zone may be changed while it is used. Never: a packet, a cache, or time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TypedDict

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
    is_address,
)


class Records(TypedDict, total=False):
    """The records of one name; MX are pairs of preference and host, the host "" makes the null MX."""

    MX: Sequence[tuple[int, str]]
    A: Sequence[str]
    AAAA: Sequence[str]
    PTR: Sequence[str]


class FakeResolver:
    """Answers from a zone such as::

        {
            "example.org": {"MX": [(10, "mx1.example.org"), (20, "mx2.example.org")]},
            "mx1.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
            "null.example": {"MX": [(0, "")]},
            "broken.example": "server failure",
        }

    Text in place of records: every question about that name is a temporary failure, for that reason. `asked` lists
    the questions, ("MX" or "A", name), in their order. Names are compared without case and without a final dot.
    """

    def __init__(self, zone: Mapping[str, Records | str] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self._zone: dict[str, Records | str] = {}
        for name, records in (zone or {}).items():
            self.set(name, records)

    def set(self, name: str, records: Records | str | None) -> None:
        """Give a name these records from now on; None takes it out of the zone."""
        if records is None:
            self._zone.pop(_normal(name), None)
        else:
            self._zone[_normal(name)] = records

    async def exchangers(self, domain: str) -> MxAnswer:
        records = self._ask("MX", domain)
        if not isinstance(records, dict):
            return records
        found = [MxRecord(preference, _normal(host)) for preference, host in records.get("MX", ())]
        return MxRecords(tuple(sorted(found, key=lambda record: record.preference))) if found else NoData()

    async def addresses(self, host: str) -> AddressAnswer:
        if is_address(host):
            return Addresses((host,))
        records = self._ask("A", host)
        if not isinstance(records, dict):
            return records
        ips = (*records.get("A", ()), *records.get("AAAA", ()))
        return Addresses(ips) if ips else NoData()

    async def listed(self, name: str) -> AddressAnswer:
        """A block list's name; IPv4 alone."""
        records = self._ask("A", name)
        if not isinstance(records, dict):
            return records
        ips = tuple(records.get("A", ()))
        return Addresses(ips) if ips else NoData()

    async def pointers(self, ip: str) -> NameAnswer:
        """PTR records stand in the zone under the name that is asked for: "1.2.0.192.in-addr.arpa"."""
        records = self._ask("PTR", ip_address(ip).reverse_pointer)
        if not isinstance(records, dict):
            return records
        names = tuple(map(_normal, records.get("PTR", ())))
        return Names(names) if names else NoData()

    def _ask(self, kind: str, name: str) -> Records | NoSuchDomain | TemporaryFailure:
        name = _normal(name)
        self.asked.append((kind, name))
        records = self._zone.get(name)
        if isinstance(records, str):
            return TemporaryFailure(records)
        return NoSuchDomain() if records is None else records


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")

"""What DNS says of a client: its confirmed name, and who lists it; all questions at once, under one deadline.

Promises: never raises and never takes longer than the deadline; whoever has not answered by then has not answered; a
name counts only when one of its addresses is the client's. Never: a decision, a cache (the resolver has one, with the
lifetimes of the answers).

Rows W-184, W-219; RFC 5782, RFC 8601 2.7.3 (confirmed names).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct, structs

from asyncmta.maillog import MailLog
from asyncmta.policy.dnsbl import DnsList, add_up, question
from asyncmta.policy.verdict import Findings, Peer
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

MOST_NAMES = 3  # of one address that are looked at

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\Z")

LookUp = Callable[[str], Awaitable[tuple[str, ...] | None]]
"""A name (or an address) -> what DNS has for it, () for nothing; None: it cannot be told."""


class Lookups(Struct, frozen=True):
    """The three questions: the addresses (A) of a name, those of both families, the names (PTR) of an address."""

    listed: LookUp
    hosts: LookUp
    pointers: LookUp


class Screening:
    """One for an Mta. `names`: ask for the client's name too."""

    def __init__(
        self,
        *,
        clock: Clock,
        maillog: MailLog,
        lookups: Lookups,
        lists: tuple[DnsList, ...] = (),
        names: bool = False,
        timeout: float,
    ) -> None:
        self._clock = clock
        self._maillog = maillog
        self._lookups = lookups
        self._lists = lists
        self._zones = tuple(dict.fromkeys(entry.zone for entry in lists))
        self._names = names
        self._timeout = timeout

    async def look(self, peer: Peer) -> Findings:
        """Of a client that may relay, only the name."""
        address = peer.address
        if address is None:
            return Findings(is_name_unsure=self._names)
        zones = () if peer.may_relay else self._zones
        answers: dict[str, tuple[str, ...] | None] = {}
        named = Findings(is_name_unsure=True) if self._names else Findings()

        async def ask_list(zone: str) -> None:
            answers[zone] = await self._lookups.listed(question(address, zone))

        async def ask_name() -> None:
            nonlocal named
            named = await self._name(address)

        work = [ask_list(zone) for zone in zones] + ([ask_name()] if self._names else [])
        try:
            async with Deadline(self._clock, self._timeout):
                for failed in await asyncio.gather(*work, return_exceptions=True):
                    if isinstance(failed, Exception):
                        self._maillog.note("error", "screening_failed", client=peer.ip, error=failed)
        except TimeoutError:
            pass  # what is there by now is what there is
        findings = named
        if zones:
            sums = add_up(self._lists, answers)
            findings = structs.replace(named, score=sums.score, least=sums.least, lists=sums.lists)
        self._maillog.note(
            "info",
            "screened",
            client=peer.ip,
            name=findings.name or findings.reverse_name,
            confirmed=bool(findings.name),
            dnsbl=findings.score,
            lists=findings.lists,
        )
        return findings

    async def _name(self, address: IPv4Address | IPv6Address) -> Findings:
        found = await self._lookups.pointers(str(address))
        if found is None:
            return Findings(is_name_unsure=True)
        names = [name for name in found if _NAME.match(name)]  # whoever owns the address writes what it likes there
        is_unsure = False
        for name in names[:MOST_NAMES]:
            hosts = await self._lookups.hosts(name)
            if hosts is None:
                is_unsure = True
            elif any(ip_address(host) == address for host in hosts):
                return Findings(name=name, reverse_name=name)
        return Findings(reverse_name=names[0] if names else "", is_name_unsure=is_unsure)

"""The resolver: mail exchangers and addresses from DNS, with aiodns. Answers are values, never exceptions.

Promises: one look-up in flight for each name and type, however many ask; a deadline for each; a cap on how many run
at once; a cache with clamped lifetimes (half a minute to a day, negative answers five minutes, failures ten seconds)
and a fixed number of entries. Whoever asked may go away: the look-up goes on for the others. A final dot changes
nothing: names are always absolute and search domains are never used. Never: a choice among the answers.

RFC 1034, RFC 2308 (negative caching). The one importer of aiodns.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address

import aiodns
from msgspec import Struct

from asyncmta.delivery.answers import (
    FAILURE_TTL,
    MAX_ALIASES,
    NEGATIVE_TTL,
    Alias,
    Row,
    both_families,
    lifetime,
    normal_name,
    read_answer,
)
from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    MxAnswer,
    NameAnswer,
    Names,
    NoData,
    NoSuchDomain,
    TemporaryFailure,
    is_address,
)
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

# Below this cache c-ares has one that cannot be switched off from here: it keeps an answer for the lifetime that the
# zone gives it, an hour at most, so that a negative answer may outlive our five minutes where the zone says so.
MOST_ENTRIES = 20_000
MOST_AT_ONCE = 100
TRIES = 2

_KINDS = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 28: "AAAA"}

Answer = MxAnswer | AddressAnswer | NameAnswer


class DnsSettings(Struct, frozen=True, kw_only=True):
    """`[dns]` of config.toml. `servers` are `ip` or `ip:port`; none means the system's. `timeout` for one look-up."""

    servers: tuple[str, ...] = ()
    timeout: float = 5.0


class _Entry(Struct, gc=False):
    answer: Answer
    until: float


class Resolver:
    """One for the life of an Mta. Needs a running loop at the first question."""

    def __init__(self, *, clock: Clock, settings: DnsSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings if settings is not None else DnsSettings()
        self._cache: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._flights: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._dns: aiodns.DNSResolver | None = None

    async def exchangers(self, domain: str) -> MxAnswer:
        """What DNS says about the MX of a domain; aliases are followed."""
        answer = await self._ask("MX", normal_name(domain))
        assert not isinstance(answer, Addresses | Names)
        return answer

    async def listed(self, name: str) -> AddressAnswer:
        """What a block list has under a name of its own: an IPv4 address, or nothing."""
        return await self._ask("A", normal_name(name))  # type: ignore[return-value]

    async def pointers(self, ip: str) -> NameAnswer:
        """What an address is called."""
        return await self._ask("PTR", ip_address(ip).reverse_pointer)  # type: ignore[return-value]

    async def addresses(self, host: str) -> AddressAnswer:
        """The addresses of a host, both families in turn; an address is its own."""
        if is_address(host):
            return Addresses((host,))
        name = normal_name(host)
        four, six = await asyncio.gather(self._ask("A", name), self._ask("AAAA", name))
        return both_families(four, six)  # type: ignore[arg-type]

    async def close(self) -> None:
        for task in tuple(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        if self._dns is not None:
            await self._dns.close()
            self._dns = None

    async def _ask(self, kind: str, name: str) -> Answer:
        key = (kind, name)
        entry = self._cache.get(key)
        if entry is not None and entry.until > self._clock.monotonic():
            self._cache.move_to_end(key)
            return entry.answer
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.get_running_loop().create_task(self._fly(kind, name))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _fly(self, kind: str, name: str) -> Answer:
        """One look-up, for all who ask, and into the cache."""
        async with self._slots:
            answer, seconds = await self._look_up(kind, name)
        self._cache[(kind, name)] = _Entry(answer, self._clock.monotonic() + seconds)
        while len(self._cache) > MOST_ENTRIES:
            self._cache.popitem(last=False)
        return answer

    async def _look_up(self, kind: str, name: str) -> tuple[Answer, float]:
        target = name
        for _ in range(MAX_ALIASES + 1):
            rows = await self._query(kind, target)
            if isinstance(rows, TemporaryFailure):
                return rows, FAILURE_TTL
            if isinstance(rows, NoSuchDomain | NoData):
                if isinstance(rows, NoSuchDomain) and target != name:
                    # An alias that points nowhere is somebody's mistake and no word about the domain asked for.
                    return TemporaryFailure(f"its alias {target} does not exist"), FAILURE_TTL
                return rows, NEGATIVE_TTL
            answer = read_answer(target, kind, rows)
            if not isinstance(answer, Alias):
                return answer, lifetime(answer, rows)
            target = answer.target
        return TemporaryFailure("its aliases form a loop, or too long a chain"), FAILURE_TTL

    async def _query(self, kind: str, name: str) -> Sequence[Row] | NoSuchDomain | NoData | TemporaryFailure:
        """One question to the name servers."""
        timeout = self._settings.timeout
        try:
            async with Deadline(self._clock, timeout):
                found = await self._channel().query_dns(name, kind)
        except TimeoutError:
            return TemporaryFailure(f"no answer within {timeout:g} s")
        except aiodns.error.DNSError as error:
            code, text = error.args[0], str(error.args[-1])
            if code == aiodns.error.ARES_ENOTFOUND:
                return NoSuchDomain()
            return NoData() if code == aiodns.error.ARES_ENODATA else TemporaryFailure(text)
        except Exception as error:
            # The library is C underneath and strangers choose the names: nothing that it may raise is worth a crash.
            return TemporaryFailure(f"{type(error).__name__}: {error}")
        return [_row(record) for record in found.answer if record.type in _KINDS]

    def _channel(self) -> aiodns.DNSResolver:
        if self._dns is None:
            self._dns = aiodns.DNSResolver(
                nameservers=self._settings.servers or None,
                timeout=self._settings.timeout / TRIES,
                tries=TRIES,
            )
        return self._dns


def _row(record: object) -> Row:
    kind = _KINDS[record.type]  # type: ignore[attr-defined]
    data = record.data  # type: ignore[attr-defined]
    value = {"A": "addr", "AAAA": "addr", "MX": "exchange", "CNAME": "cname", "PTR": "dname"}[kind]
    return Row(
        record.name,  # type: ignore[attr-defined]
        kind,
        record.ttl,  # type: ignore[attr-defined]
        getattr(data, value),
        data.priority if kind == "MX" else 0,
    )

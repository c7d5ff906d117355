"""The resolver: mail exchangers and addresses from DNS, with aiodns. Answers are values, never exceptions.

Promises: one look-up in flight for each name and type, however many ask; a deadline for each; a cap on how many run
at once; a cache with clamped lifetimes (half a minute to a day, negative answers five minutes, failures ten seconds)
and a fixed number of entries. Whoever asked may go away: the look-up goes on for the others. That there is no MX, or
no address at all, is looked at twice, because mail then bounces or goes elsewhere. Name servers that are gone are told
once, and that they are back; meanwhile the channel is made anew. A final dot changes nothing: names are always
absolute and search domains are never used. Never: a choice among the answers.

RFC 1034, RFC 2308 (negative caching). The one importer of aiodns.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

import aiodns
from msgspec import Struct

from asyncmta.delivery.answers import (
    FAILURE_TTL,
    KINDS,
    MAX_ALIASES,
    Alias,
    Row,
    both_families,
    lifetime,
    normal_name,
    read_answer,
    row_of,
)
from asyncmta.delivery.dns_health import DnsHealth
from asyncmta.delivery.dns_packet import Absence, Present, sure
from asyncmta.delivery.dns_second_look import second_look
from asyncmta.delivery.exchange import (
    AddressAnswer,
    Addresses,
    MxAnswer,
    NameAnswer,
    NoData,
    NoSuchDomain,
    TemporaryFailure,
    is_address,
)
from asyncmta.delivery.look_ups import LookedUp, LookUps
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

# Below this cache c-ares has one that cannot be switched off from here, and that has no bound: it keeps an answer for
# the lifetime that the zone gives it, an hour at most, so that a negative answer may outlive our five minutes where the
# zone says so. An answer takes 1.1 KiB there: so it is emptied after so many questions.
EMPTIED_AFTER = 10_000
MOST_ENTRIES = 20_000
MOST_AT_ONCE = 100
TRIES = 2
ANEW_INTERVAL = 30.0

Answer = MxAnswer | AddressAnswer | NameAnswer

# What c-ares says when a name server has said something, and when none has.
_SAID = (
    aiodns.error.ARES_ENODATA,
    aiodns.error.ARES_EFORMERR,
    aiodns.error.ARES_ESERVFAIL,
    aiodns.error.ARES_ENOTFOUND,
    aiodns.error.ARES_ENOTIMP,
    aiodns.error.ARES_EREFUSED,
    aiodns.error.ARES_EBADRESP,
)
_NOBODY = (aiodns.error.ARES_ECONNREFUSED, aiodns.error.ARES_ETIMEOUT)


class Note(Protocol):
    """A line of the log."""

    def __call__(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class DnsSettings(Struct, frozen=True, kw_only=True):
    """`[dns]` of config.toml. `servers` are `ip` or `ip:port`; none means the system's. `timeout` for one look-up."""

    servers: tuple[str, ...] = ()
    timeout: float = 5.0


class _Entry(Struct, gc=False):
    answer: Answer
    until: float


class Resolver:
    """One for the life of an Mta. Needs a running loop at the first question. `note`: where to say that DNS is gone."""

    def __init__(self, *, clock: Clock, settings: DnsSettings | None = None, note: Note | None = None) -> None:
        self._clock = clock
        self._settings = settings if settings is not None else DnsSettings()
        self._cache: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._flights: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._note = note
        self._health = DnsHealth()
        self._down_since = 0.0
        self._anew_at = 0.0
        self._dns: aiodns.DNSResolver | None = None
        self._asked = 0  # questions, of all channels
        self._closing: set[asyncio.Task[None]] = set()
        self._counts = LookUps()

    def looked_up(self) -> LookedUp:
        return self._counts.read(len(self._cache))

    async def exchangers(self, domain: str) -> MxAnswer:
        """What DNS says about the MX of a domain; aliases are followed."""
        return await self._ask("MX", normal_name(domain))  # type: ignore[return-value]

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
        four, six = self._begin("A", name), self._begin("AAAA", name)  # before either is waited for
        answer = both_families(await _landed(four), await _landed(six))  # type: ignore[arg-type]
        if isinstance(answer, NoSuchDomain | NoData):
            return await self._ask("ADDRESS", name)  # type: ignore[return-value]
        return answer

    async def close(self) -> None:
        for task in tuple(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), *self._closing, return_exceptions=True)
        if self._dns is not None:
            await self._dns.close()
            self._dns = None

    async def _ask(self, kind: str, name: str) -> Answer:
        return await _landed(self._begin(kind, name))

    def _begin(self, kind: str, name: str) -> Answer | asyncio.Task[Answer]:
        """What is known, or the look-up that will know it."""
        key = (kind, name)
        entry = self._cache.get(key)
        if entry is not None and entry.until > self._clock.monotonic():
            self._cache.move_to_end(key)
            self._counts.hits += 1
            return entry.answer
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.get_running_loop().create_task(self._fly(kind, name))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight

    async def _fly(self, kind: str, name: str) -> Answer:
        """One look-up, for all who ask, and into the cache."""
        async with self._slots:
            began = self._clock.monotonic()
            answer, seconds = await self._look_up(kind, name)
            self._counts.answered(kind, answer, self._clock.monotonic() - began)
        self._cache[(kind, name)] = _Entry(answer, self._clock.monotonic() + seconds)
        while len(self._cache) > MOST_ENTRIES:
            self._cache.popitem(last=False)
        return answer

    async def _look_up(self, kind: str, name: str) -> tuple[Answer, float]:
        if kind == "ADDRESS":
            return _kept(await self._no_address(name))
        target = name
        for _ in range(MAX_ALIASES + 1):
            rows = await self._query(kind, target)
            if isinstance(rows, TemporaryFailure):
                return rows, FAILURE_TTL
            if isinstance(rows, NoSuchDomain) and target != name:
                # An alias that points nowhere is somebody's mistake and no word about the domain asked for.
                return TemporaryFailure(f"its alias {target} does not exist"), FAILURE_TTL
            if isinstance(rows, NoSuchDomain | NoData):
                return _kept(await self._no_exchanger(target) if kind == "MX" else rows)
            answer = read_answer(target, kind, rows)
            if not isinstance(answer, Alias):
                return answer, lifetime(answer, rows)
            target = answer.target
        return TemporaryFailure("its aliases form a loop, or too long a chain"), FAILURE_TTL

    async def _no_exchanger(self, name: str) -> NoSuchDomain | NoData | TemporaryFailure:
        """No MX was found. Is that so, and is there such a name? Broken servers say for each type that there is not."""
        found = sure(await self._look_again(name, "MX"))
        if not isinstance(found, NoSuchDomain):
            return found
        other = await self._look_again(name, "A")
        return NoData() if isinstance(other, Present) else sure(other)

    async def _no_address(self, name: str) -> NoSuchDomain | NoData | TemporaryFailure:
        """No address of either family was found. Is that so of both?"""
        found = sure(await self._look_again(name, "A"))
        return found if isinstance(found, TemporaryFailure) else sure(await self._look_again(name, "AAAA"))

    async def _look_again(self, name: str, kind: str) -> Absence:
        try:
            servers = self._settings.servers or self._channel().nameservers
        except Exception as error:  # as in `_query`
            return TemporaryFailure(f"{type(error).__name__}: {error}")
        return await second_look(name, kind, servers=servers, clock=self._clock, seconds=self._settings.timeout)

    async def _query(self, kind: str, name: str) -> Sequence[Row] | NoSuchDomain | NoData | TemporaryFailure:
        """One question to the name servers."""
        timeout = self._settings.timeout
        try:
            async with Deadline(self._clock, timeout):
                found = await self._counted_channel().query_dns(name, kind)
        except TimeoutError:
            reason = f"no answer within {timeout:g} s"
            self._silent(name, reason)
            return TemporaryFailure(reason)
        except aiodns.error.DNSError as error:
            return self._failed(name, error.args[0], str(error.args[-1]))
        except Exception as error:
            # The library is C underneath and strangers choose the names: nothing that it may raise is worth a crash.
            return TemporaryFailure(f"{type(error).__name__}: {error}")
        self._answered()
        # Of codes that it has no word for, the library says that nothing is wrong, and has no records.
        return [row_of(record) for record in found.answer if record.type in KINDS] or NoData()

    def _failed(self, name: str, code: int, text: str) -> NoSuchDomain | NoData | TemporaryFailure:
        """What an error of c-ares says: of the name, or of the name servers."""
        if code in _NOBODY:
            self._silent(name, text, is_certain=code != aiodns.error.ARES_ETIMEOUT)
        elif code in _SAID:
            self._answered()
        if code == aiodns.error.ARES_ENOTFOUND:
            return NoSuchDomain()
        return NoData() if code == aiodns.error.ARES_ENODATA else TemporaryFailure(text)

    # -- the name servers --------------------------------------------------------------------------------------------

    def _answered(self) -> None:
        if self._health.answered() and self._note is not None:
            self._note("info", "resolver_back", seconds=round(self._clock.monotonic() - self._down_since))

    def _silent(self, name: str, reason: str, *, is_certain: bool = False) -> None:
        now = self._clock.monotonic()
        if self._health.silent(name, is_certain=is_certain):
            self._down_since, self._anew_at = now, now
            if self._note is not None:
                self._note("warning", "resolver_down", servers=list(self._settings.servers) or "system", reason=reason)
        if self._health.is_down and now >= self._anew_at:
            self._begin_anew(now)

    def _begin_anew(self, now: float) -> None:
        """Sockets and servers may be those of a network that is gone: the next question makes them again."""
        self._anew_at = now + ANEW_INTERVAL
        old, self._dns = self._dns, None
        if old is not None:
            task = asyncio.get_running_loop().create_task(old.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _counted_channel(self) -> aiodns.DNSResolver:
        channel = self._channel()
        self._asked += 1
        if self._asked % EMPTIED_AFTER == 0:
            channel._channel.reinit()  # the servers that were set stay, and what is under way goes on
        return channel

    def _channel(self) -> aiodns.DNSResolver:
        if self._dns is None:
            self._dns = aiodns.DNSResolver(
                nameservers=self._settings.servers or None,
                timeout=self._settings.timeout / TRIES,
                tries=TRIES,
            )
        return self._dns


async def _landed(begun: Answer | asyncio.Task[Answer]) -> Answer:
    return await asyncio.shield(begun) if isinstance(begun, asyncio.Task) else begun


def _kept(answer: Answer) -> tuple[Answer, float]:
    """With the time for which a word about nothing is kept."""
    return answer, lifetime(answer, ())

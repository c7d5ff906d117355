"""The resolver against a name server on loopback that answers, or not, as it is told."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asyncmta.delivery import resolver as resolver_module
from asyncmta.delivery.exchange import (
    Addresses,
    MxRecord,
    MxRecords,
    Names,
    NoData,
    NoSuchDomain,
    TemporaryFailure,
)
from asyncmta.delivery.resolver import DnsSettings, Resolver
from asyncmta.testing.clock import FakeClock

KINDS = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 28: "AAAA"}
NUMBERS = {name: number for number, name in KINDS.items()}
NXDOMAIN, SERVFAIL, REFUSED, NOTIMP, FORMERR = 3, 2, 5, 4, 1


def name_octets(name: str) -> bytes:
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def record(owner: str, kind: str, value: Any, ttl: int = 600) -> bytes:
    if kind == "MX":
        octets = struct.pack(">H", value[0]) + name_octets(value[1])
    elif kind in ("CNAME", "PTR"):
        octets = name_octets(value)
    elif kind == "A":
        octets = bytes(map(int, value.split(".")))
    else:
        octets = bytes.fromhex(value)
    return name_octets(owner) + struct.pack(">HHiH", NUMBERS[kind], 1, ttl, len(octets)) + octets


class NameServer(asyncio.DatagramProtocol):
    """`zone` maps (name, kind) to a list of records, a response code, or octets to send as they are; else silence."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[bytes] | int | bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.waiting: list[Callable[[], None]] = []
        self.holds_back = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    @property
    def address(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels = []
        at = 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += data[at] + 1
        (number,) = struct.unpack_from(">H", data, at + 1)
        name, kind = ".".join(labels).lower(), KINDS.get(number, str(number))
        self.asked.append((name, kind))
        answer = self.zone.get((name, kind))
        if answer is None:
            others = [known for (owner, _), known in self.zone.items() if owner == name]
            if others:  # a name that does not exist has no records of any kind; one that does has no more than these
                answer = NXDOMAIN if NXDOMAIN in others else []
        if answer is None:
            return
        if isinstance(answer, bytes):
            self.transport.sendto(data[:2] + answer, addr)
            return
        code, records = (answer, []) if isinstance(answer, int) else (0, answer)
        head = struct.pack(">HHHHHH", *struct.unpack_from(">H", data), 0x8180 | code, 1, len(records), 0, 0)
        octets = head + data[12 : at + 5] + b"".join(records)
        if self.holds_back:
            self.waiting.append(lambda: self.transport.sendto(octets, addr))
        else:
            self.transport.sendto(octets, addr)

    def release(self) -> None:
        self.holds_back = False
        for send in self.waiting:
            send()
        self.waiting.clear()


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    yield server
    transport.close()


@pytest.fixture
async def resolver(server: NameServer, clock: FakeClock) -> AsyncIterator[Resolver]:
    found = Resolver(clock=clock, settings=DnsSettings(servers=(server.address,), timeout=4.0))
    yield found
    await found.close()


async def asked(server: NameServer, count: int) -> None:
    async with asyncio.timeout(5):
        while len(server.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_exchangers(server: NameServer, resolver: Resolver) -> None:
    server.zone["example.org", "MX"] = [
        record("example.org", "MX", (20, "B.example")),
        record("example.org", "MX", (10, "a.example")),
        record("evil.example", "MX", (0, "evil.example")),
    ]
    expected = MxRecords((MxRecord(10, "a.example"), MxRecord(20, "b.example")))
    assert await resolver.exchangers("example.org") == expected
    assert await resolver.exchangers("Example.ORG.") == expected
    assert server.asked == [("example.org", "MX")]


async def test_the_null_mx(server: NameServer, resolver: Resolver) -> None:
    server.zone["example.org", "MX"] = [record("example.org", "MX", (0, "."))]
    assert await resolver.exchangers("example.org") == MxRecords((MxRecord(0, ""),))


async def test_addresses_of_both_families(server: NameServer, resolver: Resolver) -> None:
    server.zone["mx.example", "A"] = [
        record("mx.example", "A", "192.0.2.1"),
        record("mx.example", "A", "192.0.2.2"),
        record("other.example", "A", "192.0.2.66"),
    ]
    server.zone["mx.example", "AAAA"] = [record("mx.example", "AAAA", "20010db8" + "0" * 23 + "1")]
    answer = await resolver.addresses("mx.example.")
    assert answer == Addresses(("192.0.2.1", "2001:db8::1", "192.0.2.2"))
    assert sorted(server.asked) == [("mx.example", "A"), ("mx.example", "AAAA")]


async def test_what_an_address_is_called_also_where_the_zone_is_an_alias(
    server: NameServer, resolver: Resolver
) -> None:
    name, real = "7.2.0.192.in-addr.arpa", "7.0-15.2.0.192.in-addr.arpa"
    server.zone[name, "PTR"] = [record(name, "CNAME", real), record(real, "PTR", "Host.example")]
    assert await resolver.pointers("192.0.2.7") == Names(("host.example",))
    other = "8.2.0.192.in-addr.arpa"
    server.zone[other, "PTR"] = NXDOMAIN
    assert await resolver.pointers("192.0.2.8") == NoSuchDomain()
    assert server.asked == [(name, "PTR"), (other, "PTR")]


async def test_an_entry_of_a_block_list_is_an_ipv4_address(server: NameServer, resolver: Resolver) -> None:
    name = "7.2.0.192.bad.example"
    server.zone[name, "A"] = [record(name, "A", "127.0.0.2")]
    assert await resolver.listed(name) == Addresses(("127.0.0.2",))
    assert server.asked == [(name, "A")]


async def test_an_address_is_its_own(server: NameServer, resolver: Resolver) -> None:
    assert await resolver.addresses("192.0.2.1") == Addresses(("192.0.2.1",))
    assert await resolver.addresses("2001:db8::1") == Addresses(("2001:db8::1",))
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NXDOMAIN, NoSuchDomain),
        ([], NoData),
        (SERVFAIL, TemporaryFailure),
        (REFUSED, TemporaryFailure),
        (NOTIMP, TemporaryFailure),
        (FORMERR, TemporaryFailure),
        ([record("other.example", "MX", (1, "mx.example"))], TemporaryFailure),
        ([record("example.org", "A", "192.0.2.1")], NoData),
    ],
)
async def test_response_codes(server: NameServer, resolver: Resolver, answer: Any, expected: type) -> None:
    server.zone["example.org", "MX"] = answer
    assert isinstance(await resolver.exchangers("example.org"), expected)


@pytest.mark.parametrize("answer", [None, b"\x81\x80\xff\xff\xff\xff\xff\xff\xff\xffgarbage", b""])
async def test_silence_and_garbage_end_with_the_deadline(
    server: NameServer, resolver: Resolver, clock: FakeClock, answer: bytes | None
) -> None:
    if answer is not None:
        server.zone["example.org", "MX"] = answer
    task = asyncio.create_task(resolver.exchangers("example.org"))
    await asked(server, 1)
    await asyncio.sleep(0.02)
    if not task.done():
        clock.advance(4.0)
    assert isinstance(await task, TemporaryFailure)


@pytest.mark.parametrize(
    "name", ["a" * 64 + ".example", "a..example", "with space.example", "nul\0.example", "\xe4.example"]
)
async def test_names_that_are_none_are_answered_with_a_value(
    server: NameServer, resolver: Resolver, clock: FakeClock, name: str
) -> None:
    task = asyncio.create_task(resolver.exchangers(name))
    await asyncio.sleep(0.02)
    clock.advance(4.0)
    assert isinstance(await task, TemporaryFailure | NoSuchDomain | NoData)


async def test_that_there_is_no_mx_is_looked_at_twice(server: NameServer, resolver: Resolver) -> None:
    server.zone["example.org", "TXT"] = []
    assert await resolver.exchangers("example.org") == NoData()
    assert server.asked == [("example.org", "MX")] * 2
    server.zone["nowhere.example", "MX"] = NXDOMAIN
    assert await resolver.exchangers("nowhere.example") == NoSuchDomain()
    assert server.asked[2:] == [("nowhere.example", "MX")] * 2 + [("nowhere.example", "A")]


async def test_that_there_is_no_address_is_looked_at_twice(server: NameServer, resolver: Resolver) -> None:
    server.zone["mx.example", "TXT"] = []
    assert await resolver.addresses("mx.example") == NoData()
    assert sorted(server.asked) == [("mx.example", "A")] * 2 + [("mx.example", "AAAA")] * 2
    server.zone["half.example", "A"] = [record("half.example", "A", "192.0.2.1")]
    assert await resolver.addresses("half.example") == Addresses(("192.0.2.1",))
    assert len(server.asked) == 6


async def test_an_alias_of_a_host_with_one_family_is_followed_for_the_other(
    server: NameServer, resolver: Resolver
) -> None:
    for kind in ("A", "AAAA"):
        server.zone["mx.example", kind] = [record("mx.example", "CNAME", "real.example")]
    server.zone["real.example", "A"] = [record("real.example", "A", "192.0.2.1")]
    assert await resolver.addresses("mx.example") == Addresses(("192.0.2.1",))


async def test_block_lists_are_asked_once(server: NameServer, resolver: Resolver) -> None:
    server.zone["2.0.0.127.bl.example", "A"] = NXDOMAIN
    assert isinstance(await resolver.listed("2.0.0.127.bl.example"), NoSuchDomain)
    assert server.asked == [("2.0.0.127.bl.example", "A")]


async def test_a_resolver_that_cannot_be_made() -> None:
    resolver = Resolver(clock=FakeClock(), settings=DnsSettings(servers=("not an address",)))
    assert isinstance(await resolver.exchangers("example.org"), TemporaryFailure)
    await resolver.close()


async def test_a_second_look_where_no_servers_can_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(resolver_module.aiodns, "DNSResolver", broken)
    resolver = Resolver(clock=FakeClock())
    assert isinstance(await resolver._look_again("example.org", "A"), TemporaryFailure)
    await resolver.close()


async def test_the_system_s_servers_are_the_default() -> None:
    resolver = Resolver(clock=FakeClock())
    assert await resolver.addresses("192.0.2.7") == Addresses(("192.0.2.7",))
    await resolver.close()


# -- aliases -----------------------------------------------------------------------------------------------------------


async def test_an_alias_with_its_target_s_records(server: NameServer, resolver: Resolver) -> None:
    server.zone["a.example", "MX"] = [
        record("a.example", "CNAME", "b.example"),
        record("b.example", "MX", (5, "mx.example")),
    ]
    assert await resolver.exchangers("a.example") == MxRecords((MxRecord(5, "mx.example"),))


async def test_an_alias_whose_target_has_to_be_asked_for(server: NameServer, resolver: Resolver) -> None:
    server.zone["a.example", "MX"] = [record("a.example", "CNAME", "b.example")]
    server.zone["b.example", "MX"] = [record("b.example", "MX", (5, "mx.example"))]
    assert await resolver.exchangers("a.example") == MxRecords((MxRecord(5, "mx.example"),))


@pytest.mark.parametrize(("target", "expected"), [([], NoData), (NXDOMAIN, TemporaryFailure)])
async def test_an_alias_without_exchangers(server: NameServer, resolver: Resolver, target: Any, expected: type) -> None:
    server.zone["a.example", "MX"] = [record("a.example", "CNAME", "b.example")]
    server.zone["b.example", "MX"] = target
    assert isinstance(await resolver.exchangers("a.example"), expected)


async def test_an_endless_chain_of_aliases(server: NameServer, resolver: Resolver) -> None:
    for n in range(30):
        server.zone[f"{n}.example", "MX"] = [record(f"{n}.example", "CNAME", f"{n + 1}.example")]
    assert isinstance(await resolver.exchangers("0.example"), TemporaryFailure)
    assert len(server.asked) < 12


async def test_a_loop_of_aliases(server: NameServer, resolver: Resolver) -> None:
    server.zone["a.example", "MX"] = [
        record("a.example", "CNAME", "b.example"),
        record("b.example", "CNAME", "a.example"),
    ]
    assert isinstance(await resolver.exchangers("a.example"), TemporaryFailure)


# -- cache and flights -------------------------------------------------------------------------------------------------


async def test_one_look_up_in_flight_however_many_ask(server: NameServer, resolver: Resolver) -> None:
    server.zone["example.org", "MX"] = [record("example.org", "MX", (10, "a.example"))]
    server.holds_back = True
    tasks = [asyncio.create_task(resolver.exchangers("example.org")) for _ in range(100)]
    await asked(server, 1)
    tasks[0].cancel()
    await asyncio.sleep(0)
    server.release()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {MxRecords((MxRecord(10, "a.example"),))}
    assert server.asked == [("example.org", "MX")]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ([record("example.org", "MX", (10, "a.example"), ttl=0)], 30),
        ([record("example.org", "MX", (10, "a.example"), ttl=100)], 100),
        ([record("example.org", "MX", (10, "a.example"), ttl=2**31 - 1)], 86400),
        (NXDOMAIN, 300),
        ([], 300),
        (SERVFAIL, 10),
    ],
)
async def test_how_long_answers_are_kept(
    server: NameServer, resolver: Resolver, clock: FakeClock, answer: Any, seconds: int
) -> None:
    server.zone["example.org", "MX"] = answer
    first = await resolver.exchangers("example.org")
    count = len(server.asked)
    clock.advance(seconds - 1)
    assert await resolver.exchangers("example.org") == first
    assert len(server.asked) == count
    clock.advance(2)
    server.zone["example.org", "MX"] = [record("example.org", "MX", (99, "new.example"))]
    # Below us c-ares has a cache of its own; that we ask again shows in the answer only where it forgets in time.
    # What it remembers as absent and is there now is for the time being not known.
    again = await resolver.exchangers("example.org")
    assert again in (first, MxRecords((MxRecord(99, "new.example"),))) or isinstance(again, TemporaryFailure)


async def test_the_cache_is_bounded(server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "MOST_ENTRIES", 5)
    for n in range(20):
        server.zone[f"d{n}.example", "MX"] = NXDOMAIN
        await resolver.exchangers(f"d{n}.example")
    assert len(resolver._cache) == 5


async def test_the_cache_below_ours_is_emptied_now_and_then(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "MOST_ENTRIES", 0)
    server.zone["example.org", "MX"] = [record("example.org", "MX", (1, "mx.example"))]
    expected = MxRecords((MxRecord(1, "mx.example"),))
    for _ in range(20):
        assert await resolver.exchangers("example.org") == expected
    assert len(server.asked) == 1
    monkeypatch.setattr(resolver_module, "EMPTIED_AFTER", 5)
    async with asyncio.timeout(5):
        while len(server.asked) < 3:  # c-ares does it in a thread of its own
            assert await resolver.exchangers("example.org") == expected


async def test_what_is_under_way_survives_that(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "EMPTIED_AFTER", 2)
    server.holds_back = True
    names = [f"d{n}.example" for n in range(5)]
    for name in names:
        server.zone[name, "MX"] = [record(name, "MX", (1, "mx.example"))]
    tasks = [asyncio.create_task(resolver.exchangers(name)) for name in names]
    await asked(server, 5)
    server.release()
    assert await asyncio.gather(*tasks) == [MxRecords((MxRecord(1, "mx.example"),))] * 5


async def test_what_was_used_last_is_kept_longest(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "MOST_ENTRIES", 2)
    for name in ("a", "b", "a", "c", "a"):
        server.zone[f"{name}.example", "MX"] = [record(f"{name}.example", "MX", (1, "mx.example"))]
        await resolver.exchangers(f"{name}.example")
    assert [name for name, _ in server.asked] == ["a.example", "b.example", "c.example"]


async def test_the_number_of_look_ups_at_once_is_capped(server: NameServer, resolver: Resolver) -> None:
    server.holds_back = True
    for n in range(150):
        server.zone[f"d{n}.example", "MX"] = NXDOMAIN
    tasks = [asyncio.create_task(resolver.exchangers(f"d{n}.example")) for n in range(150)]
    await asked(server, 100)
    await asyncio.sleep(0.02)
    assert len(server.asked) == 100
    server.release()
    assert set(await asyncio.gather(*tasks)) == {NoSuchDomain()}


async def test_closing_ends_what_is_in_flight(server: NameServer, clock: FakeClock) -> None:
    resolver = Resolver(clock=clock, settings=DnsSettings(servers=(server.address,)))
    task = asyncio.create_task(resolver.exchangers("example.org"))
    await asked(server, 1)
    await resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    await resolver.close()


async def test_look_ups_and_hits_are_counted_by_result(server: NameServer, resolver: Resolver) -> None:
    server.zone["example.org", "MX"] = [record("example.org", "MX", (10, "a.example"))]
    server.zone["evil.example", "MX"] = SERVFAIL
    for name in ("example.org", "example.org", "Example.ORG.", "evil.example"):
        await resolver.exchangers(name)
    found = resolver.looked_up()
    assert found.results == {("MX", "found"): 1, ("MX", "failed"): 1}
    assert (found.hits, found.cached, found.seconds.count) == (2, 2, 2)

"""policy/screening: names and lists of a client, all at once, under one deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncmta.mta_policy import lookups_of
from asyncmta.policy.dnsbl import parse_list
from asyncmta.policy.screening import Lookups, Screening
from asyncmta.policy.verdict import Findings
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver
from tests.unit.policy.policykit import KitLog, peer

REVERSE = "7.2.0.192.in-addr.arpa"
LISTS = ("bad.example=127.0.0.2*3", "good.example*-2")


def screening(
    zone: Any, *, lists: tuple[str, ...] = (), names: bool = True, clock: FakeClock | None = None
) -> tuple[Screening, KitLog]:
    log = KitLog()
    lookups = zone if isinstance(zone, Lookups) else lookups_of(FakeResolver(zone))
    found = Screening(
        clock=clock or FakeClock(),
        maillog=log,  # type: ignore[arg-type]
        lookups=lookups,
        lists=tuple(map(parse_list, lists)),
        names=names,
        timeout=5.0,
    )
    return found, log


HOST = {"A": ["198.51.100.1", "192.0.2.7"]}


@pytest.mark.parametrize(
    ("zone", "findings"),
    [
        (
            {REVERSE: {"PTR": ["Host.Example."]}, "host.example": HOST},
            Findings(name="host.example", reverse_name="host.example"),
        ),
        ({}, Findings()),
        ({REVERSE: {"PTR": ["host.example"]}}, Findings(reverse_name="host.example")),
        (
            {REVERSE: {"PTR": ["host.example"]}, "host.example": {"A": ["192.0.2.8"]}},
            Findings(reverse_name="host.example"),
        ),
        (
            {REVERSE: {"PTR": ["liar.example", "host.example"]}, "host.example": HOST},
            Findings(name="host.example", reverse_name="host.example"),
        ),
        ({REVERSE: "server failure"}, Findings(is_name_unsure=True)),
        (
            {REVERSE: {"PTR": ["host.example"]}, "host.example": "server failure"},
            Findings(reverse_name="host.example", is_name_unsure=True),
        ),
        (
            {REVERSE: {"PTR": ["x\r\nY: z", "host.example", ""]}, "host.example": HOST},
            Findings(name="host.example", reverse_name="host.example"),
        ),
        ({REVERSE: {}}, Findings()),
    ],
)
async def test_names_count_when_they_lead_back(zone: Any, findings: Findings) -> None:
    screened, log = screening(zone)
    assert await screened.look(peer()) == findings
    assert log.events == ["screened"]


async def test_only_so_many_names_are_looked_at() -> None:
    many = {REVERSE: {"PTR": [f"a{at}.example" for at in range(3)] + ["host.example"]}, "host.example": HOST}
    screened, _ = screening(many)
    assert await screened.look(peer()) == Findings(reverse_name="a0.example")


async def test_lists_are_for_strangers() -> None:
    zone = {"7.2.0.192.bad.example": {"A": ["127.0.0.2"]}, "7.2.0.192.good.example": {"A": ["127.0.0.9"]}}
    screened, log = screening(zone, lists=LISTS, names=False)
    assert await screened.look(peer()) == Findings(score=1, least=1, lists=("bad.example",))
    assert await screened.look(peer(may_relay=True)) == Findings()
    assert log.lines[0][1]["lists"] == ("bad.example",)


async def test_whose_address_is_not_known() -> None:
    screened, _ = screening({}, lists=LISTS)
    assert await screened.look(peer("")) == Findings(is_name_unsure=True)


async def test_who_has_not_answered_in_time_has_not_answered() -> None:
    never = asyncio.Event()

    async def listed(name: str) -> tuple[str, ...] | None:
        if "good" in name:
            await never.wait()
        return ("127.0.0.2",)

    async def pointers(ip: str) -> tuple[str, ...] | None:
        await never.wait()
        return ()

    clock = FakeClock()
    screened, _ = screening(Lookups(listed, listed, pointers), lists=LISTS, clock=clock)
    looking = asyncio.ensure_future(screened.look(peer()))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not looking.done()
    clock.advance(5.0)
    assert await looking == Findings(is_name_unsure=True, score=3, least=1, lists=("bad.example",))


async def test_a_question_that_raises_is_one_that_was_not_answered() -> None:
    async def broken(name: str) -> tuple[str, ...] | None:
        raise ValueError(name)

    screened, log = screening(Lookups(broken, broken, broken), lists=LISTS)
    assert await screened.look(peer()) == Findings(is_name_unsure=True, least=-2)
    assert log.events == ["screening_failed"] * 3 + ["screened"]


async def test_a_resolver_that_knows_fewer_questions_than_ours() -> None:
    class Older:
        async def exchangers(self, domain: str) -> Any: ...

        async def addresses(self, host: str) -> Any: ...

    screened, _ = screening(lookups_of(Older()), lists=LISTS)
    assert await screened.look(peer()) == Findings(is_name_unsure=True, least=-2)

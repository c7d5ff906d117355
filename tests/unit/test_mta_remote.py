"""From the settings to the dialer."""

from __future__ import annotations

import io

import pytest

from asyncmta.config import Settings
from asyncmta.credentials import Grant
from asyncmta.delivery import token_endpoint
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.manners import Manners
from asyncmta.delivery.sources import SourceRule
from asyncmta.delivery.token_answers import NewToken
from asyncmta.delivery.way import site_of_route
from asyncmta.maillog import MailLog
from asyncmta.mta_remote import build_dialer, build_introductions
from asyncmta.routing import Smarthost
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver

SETTINGS = {
    "hostname": "us.example",
    "remote": {"addresses": "prefer-ipv6", "source_addresses": ["192.0.2.1"]},
    "source": [
        {"hosts": [".Big.example", "2001:DB8::1"], "addresses": ["192.0.2.7"], "helo": "seven.example"},
        {"hosts": ["mx.example"], "addresses": ["192.0.2.8", "2001:db8::8"]},
    ],
    "route": [{"via": "smarthost", "hosts": ["a.example:587", "b.example:587"], "weights": [3, 1]}],
}


async def test_where_from_and_by_which_family() -> None:
    clock = FakeClock()
    settings = Settings.from_dict(SETTINGS)
    dialer = build_dialer(
        settings,
        clock=clock,
        resolver=FakeResolver(),
        maillog=MailLog(clock=clock, stream=io.StringIO()),
        listening=lambda: [("127.0.0.1", 2525)],
    )
    assert dialer.settings.addresses == "prefer-ipv6"
    assert dialer.settings.sources == (
        SourceRule(hosts=(".big.example", "2001:db8::1"), addresses=("192.0.2.7",), helo="seven.example"),
        SourceRule(hosts=("mx.example",), addresses=("192.0.2.8", "2001:db8::8")),
    )
    assert dialer.any_source.addresses == ("192.0.2.1",)
    assert dialer.is_own("127.0.0.1", 2525)
    assert not dialer.is_own("127.0.0.1", 25)
    assert settings.effective()["source"][1]["hosts"] == ["mx.example"]


def test_weights_of_a_route() -> None:
    routing = Settings.from_dict(SETTINGS).routing()
    route = routing.route_of("smarthost:0")
    assert isinstance(route, Smarthost)
    site = site_of_route(route)
    assert isinstance(site, Site)
    assert [(host.host, host.rank, host.weight) for host in site.exchangers] == [
        ("a.example", 0, 3),
        ("b.example", 0, 1),
    ]


async def test_a_route_that_a_reload_brings_has_its_tokens_by_http(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(grant: Grant) -> NewToken:
        asked.append(grant.url)
        return NewToken("t1", 60.0)

    monkeypatch.setattr(token_endpoint, "ask_endpoint", ask)
    clock = FakeClock()
    introductions = build_introductions(
        Settings.from_dict(SETTINGS), clock=clock, maillog=MailLog(clock=clock, stream=io.BytesIO())
    )
    token = {"username": "me", "token_url": "https://id.example/t", "client_id": "we", "refresh_token": "hush"}
    brought = {"via": "smarthost", "hosts": ["a.example:587"], **token}
    site = site_of_route(Settings.from_dict({**SETTINGS, "route": [brought]}).routing().route_of("smarthost:0"))
    assert isinstance(await introductions.manners(site, "a.example", "us.example", 30.0), Manners)
    assert asked == ["https://id.example/t"]

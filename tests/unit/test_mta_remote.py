"""From the settings to the dialer."""

from __future__ import annotations

import io

from asyncmta.config import Settings
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.sources import SourceRule
from asyncmta.delivery.way import site_of_route
from asyncmta.maillog import MailLog
from asyncmta.mta_remote import build_dialer
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

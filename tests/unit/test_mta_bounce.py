"""mta_bounce and mta_forwarding: whose messages are ours, as far as reports go; and senders whom SRS has rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.config import Settings
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Origin, QueueId, Recipient
from asyncmta.mailboxes.srs import DAY, Srs
from asyncmta.mta_bounce import _is_ours
from asyncmta.mta_forwarding import build_way_back
from asyncmta.routing import Routing
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted
from asyncmta.testing.clock import FakeClock

SECRET = "0123456789abcdef"
CONFIG = f"""
hostname = "mx.here.example"
[local]
domains = ["here.example"]
[relay]
networks = ["192.0.2.0/24"]
[srs]
secrets = ["{SECRET}"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "config.toml").write_text(CONFIG)
    return Settings.load(tmp_path / "config.toml")


def entry(sender: str, client: str, *, login: str | None = None, origin: Origin | None = None) -> Entry:
    envelope = Envelope(parse_address(sender), (Recipient(parse_address("x@far.example")),), origin=origin)
    return Entry.of(Accepted(QueueId(1), 1.0, envelope, Content(1, b"", False, 1), client, login), 1, 0)


@pytest.mark.parametrize(
    ("message", "is_ours"),
    [
        (entry("joe@far.example", "198.51.100.1"), False),
        (entry("joe@far.example", "192.0.2.7"), True),
        (entry("joe@far.example", "198.51.100.1", login="joe"), True),
        (entry("joe@here.example", "198.51.100.1"), True),
        (entry("joe@mx.here.example", "198.51.100.1"), True),
        (entry("joe@far.example", ""), True),
        # A copy for somebody behind an alias has no client of its own; who brought the original, nobody remembers.
        (entry("joe@far.example", "", origin=Origin("x", 1.0)), False),
        (entry("joe@here.example", "", origin=Origin("x", 1.0)), True),
    ],
)
def test_whose_messages_are_ours(settings: Settings, message: Entry, is_ours: bool) -> None:
    assert _is_ours(settings, Routing(local_domains=["here.example"], hostname="mx.here.example"))(message) is is_ours


def test_a_report_to_a_sender_that_we_rewrote_finds_its_way_back(settings: Settings) -> None:
    clock = FakeClock()
    way_back = build_way_back(settings, clock=clock)
    srs = Srs(secrets=[SECRET], domain="mx.here.example")
    rewritten = srs.forwarded(parse_address("joe@far.example"), clock.now())
    assert rewritten is not None
    assert str(way_back(rewritten)) == "joe@far.example"
    for text in ("joe@far.example", "SRS0=abcd=AA=far.example=joe@mx.here.example", "SRS0=a=b=c=d@far.example"):
        assert str(way_back(parse_address(text))) == text
    clock.advance(30 * DAY)
    assert way_back(rewritten) == rewritten

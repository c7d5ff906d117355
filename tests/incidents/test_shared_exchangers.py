"""A list with a thousand members in a hundred domains that five hosts serve: five sites, few transactions, nobody
twice. Rows Q-13, Q-21, Q-22."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from asyncmta.testing.smtp_sink import CLOSE
from tests.incidents.incidentkit import failed_recipients

RECIPIENTS = [f"r{number}@d{number % 100}.example" for number in range(1000)]


@pytest.fixture
async def hosts(world):
    """Five next hops; domain n has host n % 5 as its exchanger."""
    hosts = [await world.sink(host=f"mx{number}.example") for number in range(5)]
    for number in range(100):
        world.resolver.set(f"d{number}.example", {"MX": [(10, f"mx{number % 5}.example")]})
    return hosts


def transactions(host):
    return sum(line.startswith("MAIL") for _, line in host.commands)


def assert_each_once(hosts, recipients=RECIPIENTS):
    taken = Counter(recipient for host in hosts for message in host.messages for recipient in message.recipients)
    assert taken == Counter(recipients)


@pytest.mark.parametrize("way", ["smtp", "api"])
async def test_five_sites_and_as_few_transactions_as_can_be(world, hosts, way):
    mta = await world.mta("a.example")
    if way == "smtp":
        replies = await mta.send("alice@a.example", RECIPIENTS, b"Subject: to all\r\n\r\nx\r\n")
        assert Counter(replies) == {250: 1002, 354: 1}
    else:
        await mta.mta.submit("alice@a.example", RECIPIENTS, b"Subject: to all\r\n\r\nx\r\n")
    await world.idle()
    assert_each_once(hosts)
    for host in hosts:
        share = sum(len(message.recipients) for message in host.messages)
        assert share == 200
        assert transactions(host) == len(host.messages) == math.ceil(share / 100)
        assert max(len(message.recipients) for message in host.messages) <= 100
        assert not host.violations
    assert {site.hosts for site in mta.mta._remote.sites()} == {(f"mx{number}.example",) for number in range(5)}
    asked = Counter(name for kind, name in world.resolver.asked if kind == "MX")
    assert set(asked.values()) == {1}
    assert mta.mta.queue() == []
    assert len({message.content for host in hosts for message in host.messages}) == 1


async def test_others_are_not_held_up_by_a_refused_recipient(world, hosts):
    mta = await world.mta("a.example")
    for number in range(0, 1000, 100):
        hosts[0].script("RCPT", "550 5.1.1 No such user", contains=f"<r{number}@")
    hosts[1].script("RCPT", "452 4.5.3 Too many recipients", times=60)
    await mta.mta.submit("alice@a.example", RECIPIENTS, b"Subject: to all\r\n\r\nx\r\n")
    await world.run()
    gone = RECIPIENTS[::100]
    assert_each_once(hosts, [recipient for recipient in RECIPIENTS if recipient not in gone])
    [report] = mta.mailbox("alice")
    assert sorted(failed_recipients(report)) == sorted(gone)


async def test_a_session_that_breaks_between_two_transactions(world, hosts):
    """Half of a site's recipients are taken; the others are tried again, and nobody gets it twice."""
    mta = await world.mta("a.example", remote={"sessions_per_site": 1})
    for host in hosts:
        host.script("DOT", "250 2.0.0 Taken")
        host.script("MAIL", lambda _: None, times=1)
        host.script("RCPT", CLOSE, contains="<r9")
    await mta.mta.submit("alice@a.example", RECIPIENTS, b"Subject: to all\r\n\r\nx\r\n")
    await world.run()
    assert_each_once(hosts)
    assert mta.mailbox("alice") == []


async def test_a_restart_between_two_passes(world, hosts):
    mta = await world.mta("a.example")
    for host in hosts[::2]:
        host.script("GREETING", "421 4.3.2 Busy", times=10)
    await mta.mta.submit("alice@a.example", RECIPIENTS, b"Subject: to all\r\n\r\nx\r\n")
    await world.idle()
    assert len(mta.pending()) == 600
    await mta.cut_power()
    await mta.open()
    await world.run()
    assert_each_once(hosts)

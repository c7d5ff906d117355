"""Hosts that take one domain in a transaction, or few recipients, as the largest providers do: a list with a thousand
members in a hundred domains goes through them at once, over few connections, and nobody waits for the next attempt.
Rows Q-29, Q-30, D-88; Disagreements 1 and 33.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from asyncmta.testing.sink_session import SinkSession
from asyncmta.testing.smtp_sink import SmtpSink
from tests.incidents.incidentkit import HOUR

RECIPIENTS = [f"r{number}@d{number % 100}.example" for number in range(1000)]
CONTENT = b"Subject: to all\r\n\r\nx\r\n"
# How a second domain in one transaction is refused: Google, Exchange Online, and one that says nothing of its reason.
STYLES = {
    "google": "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again.",
    "exchange": "452 4.5.3 Recipients belong to multiple regions ATTR1 [abc.prod.protection.example]",
    "unsaid": "450 4.2.0 Try again later",
}


class PickySession(SinkSession):
    sink: PickySink

    def answer(self, step: str, line: str, usual: str) -> bool:
        if step == "RCPT":
            domain = line.rpartition("@")[2]
            taken = self._recipients
            if self.sink.mixed and taken and not taken[0].endswith("@" + domain.rstrip(">")):
                return self._refuse(self.sink.mixed)
            if self.sink.most and len(taken) >= self.sink.most:
                return self._refuse("452 4.5.3 Too many recipients")
        return super().answer(step, line, usual)

    def _refuse(self, text: str) -> bool:
        self.sink.refused += 1
        self.say(text)
        return False


class PickySink(SmtpSink):
    """`mixed`: the reply to a second domain; `most`: recipients in a transaction."""

    mixed = ""
    most = 0
    refused = 0

    async def start(self) -> None:
        host, port = self._wanted
        self._server = await asyncio.get_running_loop().create_server(lambda: PickySession(self), host, port)

    @property
    def transactions(self) -> int:
        return sum(line.startswith("MAIL") for _, line in self.commands)


@pytest.fixture
async def hosts(world):
    """Five of them; domain n has host n % 5 as its exchanger."""
    hosts = []
    for number in range(5):
        sink = PickySink(host=world.address(), port=world.port)
        await sink.start()
        world.sinks.append(sink)
        hosts.append(sink)
        world.name(f"mx{number}.example", sink._wanted[0])
    for number in range(100):
        world.resolver.set(f"d{number}.example", {"MX": [(10, f"mx{number % 5}.example")]})
    return hosts


def assert_each_once(hosts, times=1):
    taken = Counter(recipient for host in hosts for message in host.messages for recipient in message.recipients)
    assert taken == Counter(RECIPIENTS * times)
    assert [host.violations for host in hosts] == [[]] * 5


async def sent(world, house):
    """All that goes without time passing."""
    await house.mta.submit("alice@a.example", RECIPIENTS, CONTENT)
    await world.idle()


@pytest.mark.parametrize("style", STYLES)
async def test_domains_that_may_not_be_mixed_go_one_by_one_and_at_once(world, hosts, style):
    for host in hosts:
        host.mixed = STYLES[style]
    house = await world.mta("a.example")
    await sent(world, house)
    assert_each_once(hosts)
    assert house.pending() == []
    for host in hosts:
        assert host.sessions_seen == 1
        assert host.transactions <= 20 + 2  # 20 domains, and two in which it was learned


@pytest.mark.parametrize("style", STYLES)
async def test_what_was_learned_of_a_host_is_remembered_for_a_while(world, hosts, style):
    for host in hosts:
        host.mixed = STYLES[style]
    house = await world.mta("a.example")
    await sent(world, house)
    refused, transactions = [host.refused for host in hosts], [host.transactions for host in hosts]
    await sent(world, house)
    assert_each_once(hosts, 2)
    assert [host.refused for host in hosts] == refused
    assert [host.transactions - before for host, before in zip(hosts, transactions, strict=True)] == [20] * 5


async def test_a_host_that_mixes_again_is_found_out_in_time(world, hosts):
    """What was learned is not for ever."""
    for host in hosts:
        host.mixed = STYLES["google"]
    house = await world.mta("a.example")
    await sent(world, house)
    for host in hosts:
        host.mixed = ""
    await world.advance(25 * HOUR)
    before = [host.transactions for host in hosts]
    await sent(world, house)
    assert_each_once(hosts, 2)
    assert [host.transactions - at for host, at in zip(hosts, before, strict=True)] == [2] * 5


@pytest.mark.parametrize("most", [1, 7, 10, 99])
async def test_a_host_that_takes_few_recipients_gets_the_rest_at_once(world, hosts, most):
    for host in hosts:
        host.most = most
    house = await world.mta("a.example")
    await sent(world, house)
    assert_each_once(hosts)
    assert house.pending() == []
    for host in hosts:
        assert host.sessions_seen <= 2 + 200 // most // 100  # a session is used for a hundred transactions
        assert host.refused <= 200  # once for each at the most: whoever was refused is not offered again in vain


async def test_both_at_once(world, hosts):
    """One domain, and three recipients of it."""
    for host in hosts:
        host.mixed, host.most = STYLES["exchange"], 3
    house = await world.mta("a.example")
    await sent(world, house)
    assert_each_once(hosts)
    assert house.pending() == []

"""One message to 1,000 recipients in 100 domains that share 5 mail exchangers."""

from __future__ import annotations

import math
import smtplib
from collections import Counter

import pytest
from peerkit.dns import MX, Dns
from peerkit.receiver import Receiver, wait
from peerkit.serving import free_port

pytestmark = pytest.mark.peers

HOSTS = {f"mx{number}.test": f"127.0.0.{11 + number}" for number in range(5)}
DOMAINS = {f"d{number}.test": [(10, f"mx{number % 5}.test")] for number in range(100)}
CONFIG = """
[remote]
port = {port}
allow_private_exchangers = true
recipients_per_transaction = 100
[dns]
servers = ["127.0.0.1:{dns}"]
"""


@pytest.fixture
def dns():
    with Dns(DOMAINS, {host: [address] for host, address in HOSTS.items()}) as dns:
        yield dns


def test_five_sites_and_as_few_transactions_as_can_be(serving, dns):
    with Receiver(addresses=tuple(HOSTS.values()), port=free_port()) as receiver:
        mta = serving(CONFIG.format(port=receiver.port, dns=dns.port)).start()
        recipients = [f"r{number}@d{number % 100}.test" for number in range(1000)]
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
            assert client.sendmail("list@example.org", recipients, "Subject: one for all\r\n\r\nx\r\n") == {}
        assert wait(lambda: sum(len(taken.recipients) for taken in receiver.taken) >= 1000, 60)
        assert mta.stop() == 0
    assert sorted(address for taken in receiver.taken for address in taken.recipients) == sorted(recipients)
    transactions = Counter(taken.host for taken in receiver.taken)
    assert transactions.keys() == set(HOSTS.values())
    for address, number in transactions.items():
        share = sum(len(taken.recipients) for taken in receiver.taken if taken.host == address)
        assert number <= math.ceil(share / 100)
        assert receiver.sessions[address] <= number
    assert max(Counter(name for name, kind in dns.asked if kind == MX).values()) == 1

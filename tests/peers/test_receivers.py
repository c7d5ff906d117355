"""Odd messages through us to Postfix, Exim, OpenSMTPD and Dovecot: what arrives is what was sent, octet for octet.

2,520 messages to each; 10,000 to each with PEERS_LONG=1 (`make receivers`). Each recipient of each message has exactly
one copy, and nothing was put on top of it but one Received of ours and what the receiver says about itself.
"""

from __future__ import annotations

from collections import Counter

import pytest
from peerkit.corpus import KINDS, Corpus
from peerkit.exim_host import EximHost
from peerkit.hosts import Host
from peerkit.opensmtpd_host import OpensmtpdHost
from peerkit.postfix_host import PostfixHost
from peerkit.posting import Posting, recipients
from peerkit.receiver import wait

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(1200)]

CONFIG = """
[limits]
accept_long_lines = true
[[route]]
recipient = "*"
via = "smarthost"
hosts = ["{address}:{port}"]
tls = "none"
"""


@pytest.mark.parametrize("kind", [PostfixHost, EximHost, OpensmtpdHost], ids=lambda kind: kind.name)
def test_what_arrives_is_what_was_sent(kind, serving, seed, long):
    messages = 10_000 if long else 140 * len(KINDS)
    with kind() as host:
        mta = serving(CONFIG.format(address=host.address, port=host.port)).start()
        compare(mta, host, Corpus(seed, longest_line=host.longest_line, smtputf8=host.takes_smtputf8), messages)


def compare(mta, host: Host, corpus: Corpus, messages: int) -> None:
    Posting(mta.port, corpus, messages, host.domain).run()
    expected = {address: number for number in range(messages) for address in recipients(number, host.domain)}
    enough = wait(lambda: host.count() >= len(expected), 600)
    assert enough, f"{host.count()} of {len(expected)} arrived\n{mta.tail()}\n{host.said()}"
    assert mta.stop() == 0
    assert mta.asyncmta("queue", "list").stdout == b""
    arrived = host.arrived()
    assert Counter(address for address, _ in arrived) == dict.fromkeys(expected, 1)
    changed: Counter[str] = Counter()
    for address, content in arrived:
        sent = corpus.message(expected[address])
        if content != sent.content:
            changed[sent.kind] += 1
            print(f"{sent.number}, {sent.kind}: {first_difference(sent.content, content)}")
    assert not changed


def first_difference(sent: bytes, come: bytes) -> str:
    at = next((at for at, (one, other) in enumerate(zip(sent, come, strict=False)) if one != other), -1)
    near = slice(max(0, at - 20), at + 40)
    return f"at {at} of {len(sent)} (came: {len(come)}): sent {sent[near]!r}, came {come[near]!r}"

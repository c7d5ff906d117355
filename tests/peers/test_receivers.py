"""Odd messages through us to Postfix, Exim, OpenSMTPD and Dovecot: what arrives is what was sent, octet for octet.

2,520 messages to each; 10,000 to each with PEERS_LONG=1 (`make receivers`). Each recipient of each message has exactly
one copy, and nothing was put on top of it but one Received of ours and what the receiver says about itself.
"""

from __future__ import annotations

from collections import Counter

import pytest
from peerkit.corpus import KINDS, Corpus
from peerkit.dovecot_host import DovecotHost
from peerkit.exim_host import EximHost
from peerkit.hosts import Host
from peerkit.opensmtpd_host import OpensmtpdHost
from peerkit.parts_corpus import PartsCorpus, leaves
from peerkit.postfix_host import PostfixHost, PostfixOfSevenBits, PostfixWithoutChunking
from peerkit.posting import Posting, recipients
from peerkit.receiver import wait

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(1200)]

FAILED = '"event":"failed"'
CONFIG = """
[limits]
accept_long_lines = true
[remote]
chunking = {chunking}
[[route]]
recipient = "*"
via = "{via}"
hosts = ["{where}"]
{tls}
"""


@pytest.fixture
def relaying_to(serving):
    """An MTA that sends everything to this host."""

    def relaying_to(host, *, via="smarthost", where="", chunking="true"):
        tls = "" if where else 'tls = "none"'
        where = where or f"{host.address}:{host.port}"
        return serving(CONFIG.format(via=via, where=where, tls=tls, chunking=chunking)).start()

    return relaying_to


@pytest.fixture
def messages(long):
    return 10_000 if long else 140 * len(KINDS)


@pytest.mark.parametrize("kind", [PostfixHost, EximHost, OpensmtpdHost], ids=lambda kind: kind.name)
def test_what_arrives_is_what_was_sent(kind, relaying_to, seed, messages):
    with kind() as host:
        compare(relaying_to(host), host, seed, messages)


def test_the_same_by_data_to_one_that_takes_chunks(relaying_to, seed, messages):
    with PostfixWithoutChunking() as host:
        compare(relaying_to(host), host, seed, messages // 4)


def test_the_same_by_data_where_the_next_commands_go_with_it(relaying_to, seed, messages):
    with EximHost() as host:
        compare(relaying_to(host, chunking="false"), host, seed, messages // 4)


def test_dovecot_by_lmtp(relaying_to, seed, messages):
    with DovecotHost() as host:
        compare(relaying_to(host, via="lmtp"), host, seed, messages)


def test_dovecot_by_lmtp_over_its_socket(relaying_to, seed, messages):
    with DovecotHost() as host:
        compare(relaying_to(host, via="lmtp", where=f"unix:{host.socket}"), host, seed, messages // 4)


@pytest.mark.parametrize("kind", [PostfixHost, OpensmtpdHost], ids=lambda kind: kind.name)
def test_binary_parts_are_the_same_when_they_are_decoded(kind, relaying_to, seed, messages):
    """Nobody offers BINARYMIME, so that they go as base64."""
    with kind() as host:
        compare_parts(relaying_to(host), host, PartsCorpus(seed, binary=True), messages // 10)


def test_eight_bits_are_the_same_when_they_are_decoded(relaying_to, seed, messages):
    with PostfixOfSevenBits() as host:
        compare_parts(relaying_to(host), host, PartsCorpus(seed, binary=False), messages // 10)


def compare(mta, host: Host, seed: int, messages: int) -> None:
    """The corpus of odd messages: each copy is as it was."""
    corpus = Corpus(seed, longest_line=host.longest_line, smtputf8=host.takes_smtputf8)
    changed: Counter[str] = Counter()
    for number, content in relayed(mta, host, corpus, messages):
        sent = corpus.message(number)
        if content != sent.content:
            changed[sent.kind] += 1
            print(f"{number}, {sent.kind}: {first_difference(sent.content, content)}")
    assert not changed


def compare_parts(mta, host: Host, corpus: PartsCorpus, messages: int) -> None:
    for number, content in relayed(mta, host, corpus, messages):
        assert content.isascii()
        assert leaves(content) == corpus.parts(number), number


def relayed(mta, host: Host, corpus: Corpus | PartsCorpus, messages: int) -> list[tuple[int, bytes]]:
    """Hand them in, wait until each recipient has a copy, and exactly one: the number and content of each."""
    Posting(mta.port, corpus, messages, host.domain).run()
    expected = {address: number for number in range(messages) for address in recipients(number, host.domain)}
    assert wait(lambda: host.count() >= len(expected) or FAILED in mta.tail(), 100 + messages / 25), host.said()
    assert not has_failed(mta), has_failed(mta)
    assert host.count() >= len(expected), f"{host.count()} of {len(expected)} arrived\n{mta.tail()}\n{host.said()}"
    assert mta.stop() == 0
    assert mta.asyncmta("queue", "list").stdout == b""
    arrived = host.arrived()
    assert Counter(address for address, _ in arrived) == dict.fromkeys(expected, 1)
    return [(expected[address], content) for address, content in arrived]


def has_failed(mta) -> str:
    """The first recipient that was given up."""
    return next((line for line in mta.log.read_text().splitlines() if FAILED in line), "")


def first_difference(sent: bytes, come: bytes) -> str:
    at = next((at for at, (one, other) in enumerate(zip(sent, come, strict=False)) if one != other), -1)
    near = slice(max(0, at - 20), at + 40)
    return f"at {at} of {len(sent)} (came: {len(come)}): sent {sent[near]!r}, came {come[near]!r}"

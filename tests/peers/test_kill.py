"""kill -9 at random moments under load, and a restart after each: what got a 250 arrives.

A message is given up by the client when its connection breaks, so each is sent to us once, and each that arrives more
than once is a duplicate of ours. They are counted; each kill can make at most as many as were in flight then, which
are those that the restart finds in the journal.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter

import pytest
from peerkit.client import Client, letter
from peerkit.receiver import wait

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900)]


def identity_of(content: bytes) -> str:
    return content.partition(b"X-Identity: ")[2].partition(b"\r\n")[0].decode()


def test_nothing_that_got_a_250_is_lost(relaying, receiver, long, seed):
    messages, kills = (20_000, 30) if long else (2000, 6)
    chance = random.Random(seed)
    moments = sorted(chance.randrange(messages // 50, messages * 49 // 50) for _ in range(kills))
    relaying.start()
    client = Client(relaying.port, messages).start()
    in_flight = 0
    for moment in moments:
        client.wait(moment, 120)
        time.sleep(chance.uniform(0, 0.02))
        relaying.kill()
        in_flight += queued(relaying)
        relaying.start(wait=False)
        if chance.random() < 0.3:  # some die again while they read their journal
            time.sleep(chance.uniform(0, 0.5))
            relaying.kill()
            in_flight += queued(relaying)
            relaying.start(wait=False)
        relaying.await_greeting()
    client.wait(messages, 300)
    client.stop()
    wanted = client.acknowledged.keys()

    def count() -> Counter[str]:
        return Counter(identity_of(taken.content) for taken in receiver.taken)

    everything = wait(lambda: wanted <= count().keys(), 120)
    arrived = count()
    assert everything, f"lost {len(wanted - arrived.keys())} of {len(wanted)}: {sorted(wanted - arrived.keys())[:5]}"
    assert relaying.stop() == 0
    assert queued(relaying) == 0
    duplicates = sum(arrived.values()) - len(arrived)
    print(f"{len(wanted)} taken with {kills} kills, {in_flight} in flight at them, {duplicates} duplicates")
    assert duplicates <= in_flight
    for taken in receiver.taken:
        identity = identity_of(taken.content)
        assert taken.content.endswith(letter(identity, int(identity.partition("-")[2])))


def queued(mta) -> int:
    """How many the journal of a stopped MTA holds."""
    said = mta.asyncmta("queue", "stats", "--json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)["messages"]

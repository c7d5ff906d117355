"""Several nodes behind one name, with journals of their own: limits of a site hold for all together, nothing is lost.

The nodes are models: a journal that is a set, sessions that are end times, the product's own `Pace`, and the rule of
`sharing.py`. Chance decides who comes, dies, comes back on his journal, or hands over and leaves; the DNS is as late as
it may be. SIMULATION_SEEDS=1000 for a long night, SIMULATION_FIRST=17 for one in particular. docs/scaling.md.
"""

from __future__ import annotations

import os
import random
from collections import Counter, deque

import pytest

from asyncmta.delivery.pace import Pace
from tests.simulation import sharing

FIRST = int(os.environ.get("SIMULATION_FIRST", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("SIMULATION_SEEDS", "20")))
LIMIT = 12  # sessions
RATE, SPAN = 120, 60.0  # messages in a minute
MOST_NODES = 6
TICK = 0.1
HOURS = 0.5


class Node:
    """One process over its journal. `journal` outlives it."""

    def __init__(self, number: int, now: float, journal: set[int]) -> None:
        self.number = number
        self.journal = journal
        self.live = sharing.LiveNodes(now)
        self.next_look = now
        self.busy: list[tuple[float, int]] = []  # sessions: when each is done, with what
        self.nodes = 0
        self.pace: Pace | None = None

    def look(self, now: float, nodes: int) -> None:
        self.live.look(now, nodes)

    def share(self, now: float) -> None:
        """Take the share that is right now; a rate begins without the second that it may be ahead."""
        nodes = self.live.count(now)
        if nodes != self.nodes:
            self.nodes = nodes
            self.pace = Pace(RATE, sharing.seconds(SPAN, nodes)) if nodes else None
            while self.pace is not None and self.pace.room(now) > 0:
                self.pace.take(now)


class Cluster:
    """`sent`: moments at which a message went; `most`: sessions at once."""

    def __init__(self, seed: int, *, live: type[sharing.LiveNodes] = sharing.LiveNodes) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.nodes: list[Node] = []
        self.disks: list[set[int]] = []  # of those that died, until they come back
        self.views: deque[tuple[float, int]] = deque([(0.0, 0)])  # what the DNS said, since when
        self.accepted = 0
        self.arrived: Counter[int] = Counter()
        self.cut: set[int] = set()  # sent by a session that its node did not survive
        self.sent: list[float] = []
        self.most = 0
        self._live = live
        self._number = 0

    def begin(self, journal: set[int]) -> None:
        self._number += 1
        node = Node(self._number, self.now, journal)
        node.live = self._live(self.now)
        self.nodes.append(node)
        self.views.append((self.now, len(self.nodes)))

    def end(self, node: Node) -> set[int]:
        self.nodes.remove(node)
        self.views.append((self.now, len(self.nodes)))
        return node.journal

    def dns(self) -> int:
        """An answer that is up to so many seconds old."""
        at = self.now - self.chance.uniform(0, sharing.STALE)
        while len(self.views) > 1 and self.views[1][0] <= self.now - sharing.STALE:
            self.views.popleft()
        return [nodes for since, nodes in self.views if since <= at or since == self.views[0][0]][-1]

    def crash(self) -> None:
        """Its sessions are cut: what they sent is at the site, and still in the journal."""
        node = self.chance.choice(self.nodes)
        for _, message in node.busy:
            self.arrived[message] += 1
            self.cut.add(message)
        self.disks.append(self.end(node))

    def leave(self) -> None:
        """`drain --to` another one: what is queued is in another journal before it goes."""
        node = self.chance.choice(self.nodes)
        if node.busy or len(self.nodes) < 2:
            return
        journal = self.end(node)
        self.chance.choice(self.nodes).journal.update(journal)

    def change(self) -> None:
        what = self.chance.random()
        if not self.nodes or (what < 0.4 and len(self.nodes) + len(self.disks) < MOST_NODES):
            self.begin(set())
        elif what < 0.6 and self.disks:
            self.begin(self.disks.pop())
        elif what < 0.8:
            self.crash()
        else:
            self.leave()

    def accept(self) -> None:
        """A 250: it is in one journal."""
        for _ in range(self.chance.randrange(3)):
            self.chance.choice(self.nodes).journal.add(self.accepted)
            self.accepted += 1

    def work(self, node: Node) -> None:
        for session in [each for each in node.busy if each[0] <= self.now]:
            node.busy.remove(session)
            node.journal.discard(session[1])
            self.arrived[session[1]] += 1
        if self.now >= node.next_look:
            node.look(self.now, self.dns())
            node.next_look = self.now + self.chance.uniform(0.5, 1.0) * sharing.EVERY
        node.share(self.now)
        in_hand = {message for _, message in node.busy}
        for message in sorted(node.journal - in_hand)[: sharing.sessions(LIMIT, node.nodes)]:
            if len(node.busy) >= sharing.sessions(LIMIT, node.nodes):
                break
            if node.pace is None or node.pace.room(self.now) < 1:
                break
            node.pace.take(self.now)
            node.busy.append((self.now + self.chance.uniform(0.5, 8.0), message))
            self.sent.append(self.now)

    def turn(self, *, is_over: bool = False) -> None:
        self.now += TICK
        if not self.nodes or (not is_over and self.chance.random() < TICK / 40):
            self.change()
        if not is_over and self.nodes and self.chance.random() < 0.2:
            self.accept()
        for node in self.nodes:
            self.work(node)
        self.most = max(self.most, sum(len(node.busy) for node in self.nodes))

    def run(self) -> None:
        while self.now < HOURS * 3600:
            self.turn()
        while self.disks:
            self.begin(self.disks.pop())
        end = self.now + 4 * 3600
        while any(node.journal for node in self.nodes) and self.now < end:
            self.turn(is_over=True)

    def most_in(self, span: float) -> int:
        """Messages that went within any so long time."""
        window: deque[float] = deque()
        most = 0
        for at in self.sent:
            window.append(at)
            while window[0] <= at - span:
                window.popleft()
            most = max(most, len(window))
        return most


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_hold_for_all_together_and_nothing_is_lost(seed):
    cluster = Cluster(seed)
    cluster.run()
    assert cluster.accepted > 300
    assert set(cluster.arrived) == set(range(cluster.accepted))
    assert {message for message, times in cluster.arrived.items() if times > 1} <= cluster.cut
    # A session that began under a larger share may outlive it: WINDOW is longer than any of them.
    assert cluster.most <= LIMIT
    # What `Pace` allows beside the rate: what is due within a second, and one for each node.
    for span in (1.0, 10.0, 60.0):
        assert cluster.most_in(span) <= RATE / SPAN * (span + 1.0) + MOST_NODES, span


class Hasty(sharing.LiveNodes):
    """As many as were seen last, from the first look on."""

    def count(self, now: float) -> int:
        return max(1, self._seen[-1][1]) if self._seen else 0

    def look(self, now: float, nodes: int) -> None:
        self._seen.clear()
        self._seen.append((now, nodes))


def test_without_the_window_the_limit_breaks():
    """The simulation can fail: shares that grow at once are caught."""
    broken = 0
    for seed in range(20):
        cluster = Cluster(seed, live=Hasty)
        cluster.run()
        broken += cluster.most > LIMIT
    assert broken


@pytest.mark.parametrize(("limit", "nodes", "share"), [(20, 1, 20), (20, 3, 6), (2, 3, 0), (20, 0, 0)])
def test_a_share_is_never_rounded_up(limit, nodes, share):
    assert sharing.sessions(limit, nodes) == share

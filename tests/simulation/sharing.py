"""Limits of a site divided among nodes that know each other by a name in the DNS alone: the rule of docs/scaling.md.

Promises: while each node looks at least every `EVERY` seconds at an answer that is at most `STALE` seconds old, and a
node is in the DNS before it asks for a share, the shares of all are together never more than the limit; nobody talks to
anybody. It is not built into the MTA: this is what would be, and what the simulation beside it holds to.
"""

from __future__ import annotations

from collections import deque

EVERY = 10.0  # seconds between two looks
STALE = 5.0  # how old an answer may be
WINDOW = 2 * EVERY + STALE


class LiveNodes:
    """How many nodes a node takes for alive: the most that it has seen in the last `WINDOW` seconds. So shares become
    smaller at once and larger late; and a node that has not looked for so long yet has no share."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._seen: deque[tuple[float, int]] = deque()

    def look(self, now: float, nodes: int) -> None:
        while self._seen and self._seen[-1][1] <= nodes:
            self._seen.pop()
        self._seen.append((now, nodes))

    def count(self, now: float) -> int:
        """0: it is too early to say."""
        if now - self._began < WINDOW or not self._seen:
            return 0
        while len(self._seen) > 1 and self._seen[1][0] < now - WINDOW:
            self._seen.popleft()
        return max(1, self._seen[0][1])


def sessions(limit: int, nodes: int) -> int:
    """Of so many in all; 0 where there are more nodes than sessions, or it is too early."""
    return limit // nodes if nodes else 0


def seconds(span: float, nodes: int) -> float:
    """A rate of so many in `span`, for one node: as many in so much more time."""
    return span * nodes

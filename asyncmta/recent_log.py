"""The last lines of the log, for whoever looks on from a browser: a ring of what was written, in the order of writing.

Promises: a batch of lines costs one append of what was rendered anyway; they are masked as the log is; so many are
kept, and the rest of the oldest one's batch, also when they could not be written. Never: a line below the log's level,
nor a lock: one thread appends, and who reads takes a copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from asyncmta.logline import Facts

MOST_LINES = 1000

_decode = Decoder(dict[str, Any]).decode

Render = Callable[[Facts], bytes]


class Excerpt(Struct, frozen=True):
    """Lines with their numbers, the oldest first. `last`: the number of the last line there is, 0 for none; `missed`:
    so many have come since the number that was asked for and are kept no more."""

    lines: Sequence[tuple[int, Mapping[str, Any]]]
    last: int
    missed: int


class RecentLines:
    """Of one log."""

    def __init__(self, most: int = MOST_LINES) -> None:
        self._most = most
        self._batches: deque[Sequence[Facts | bytes]] = deque()  # the oldest of them may have more than are asked for
        self._kept = self._last = 0  # lines, and the number of the last one

    def keeping(self, render: Render) -> Render:
        """The same renderer, and what it renders is kept."""

        def kept(facts: Facts) -> bytes:
            self._keep((facts,))
            return render(facts)

        return kept

    def keep(self, lines: Sequence[bytes]) -> None:
        """The same of lines that are written as JSON: they are read when somebody looks."""
        if lines:
            self._keep(lines)

    def excerpt(self, *, most: int, after: int = 0, **wanted: str | None) -> Excerpt:
        """The last `most` behind the line with the number `after` that have these facts (None: any). A number that is
        still to come is of a process before this one, and nothing."""
        kept = list(chain.from_iterable(self._batches.copy()))[-self._most :]
        last = self._last
        first = last - len(kept) + 1
        if after > last:
            after = 0
        asked = {key: value for key, value in wanted.items() if value is not None}
        lines = [
            (number, _decode(line) if isinstance(line, bytes) else line)
            for number, line in enumerate(kept, first)
            if number > after
        ]
        found = [
            (number, facts) for number, facts in lines if all(facts.get(key) == value for key, value in asked.items())
        ]
        return Excerpt(found[-most:], last, max(0, first - 1 - after) if after else 0)

    def _keep(self, batch: Sequence[Facts | bytes]) -> None:
        batches = self._batches
        batches.append(batch)
        self._last += len(batch)
        self._kept += len(batch)
        while self._kept - len(batches[0]) >= self._most:
            self._kept -= len(batches.popleft())

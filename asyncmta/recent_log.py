"""The last lines of the log, for whoever looks on from a browser: a ring of what was written, in the order of writing.

Promises: a line costs one append of what was rendered anyway; it is masked as the log is; at most so many are kept, and
also when they could not be written. Never: a line below the log's level, nor a lock: one thread appends, and who reads
takes a copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
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
        self._lines: deque[tuple[int, Facts | bytes]] = deque(maxlen=most)
        self._numbers = count(1)

    def keeping(self, render: Render) -> Render:
        """The same renderer, and what it renders is kept."""
        lines, numbers = self._lines, self._numbers

        def kept(facts: Facts) -> bytes:
            lines.append((next(numbers), facts))
            return render(facts)

        return kept

    def keep(self, lines: Sequence[bytes]) -> None:
        """The same of lines that are written as JSON: they are read when somebody looks."""
        self._lines.extend([(number, line) for line, number in zip(lines, self._numbers, strict=False)])

    def excerpt(self, *, most: int, after: int = 0, **wanted: str | None) -> Excerpt:
        """The last `most` behind the line with the number `after` that have these facts (None: any). A number that is
        still to come is of a process before this one, and nothing."""
        kept = self._lines.copy()
        last = kept[-1][0] if kept else 0
        first = kept[0][0] if kept else 1
        if after > last:
            after = 0
        asked = {key: value for key, value in wanted.items() if value is not None}
        lines = [
            (number, _decode(line) if isinstance(line, bytes) else line) for number, line in kept if number > after
        ]
        found = [
            (number, facts) for number, facts in lines if all(facts.get(key) == value for key, value in asked.items())
        ]
        return Excerpt(found[-most:], last, max(0, first - 1 - after) if after else 0)

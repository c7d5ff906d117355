"""Reads inputs into the database: each line once, in batches, and files from where they were left the last time.

Promises: `Progress` adds up: lines = counted + known + other + broken; a file that cannot be read to its end counts as
far as it could be read. Never: what a line means, what is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from asyncmta.stats.database import Database, Mark
from asyncmta.stats.lines import Fact, Skip, read
from asyncmta.stats.sources import Source

BATCH = 20_000
_ALIKE = 10_000  # lines of one millisecond that are told apart when they are the same

OnRead = Callable[[Source], object]


class Progress(Struct):
    """What was read. `counted`: facts that are new in the database; `known`: that were in it already; `other`: events
    that are not counted; `broken`: cut off, no JSON, or with values that cannot be; `resumed`: octets that were not
    read again."""

    sources: int = 0
    lines: int = 0
    counted: int = 0
    known: int = 0
    other: int = 0
    broken: int = 0
    resumed: int = 0


class Reader:
    """Reads one input after another into one database."""

    def __init__(self, database: Database, *, on_read: OnRead = lambda _: None) -> None:
        """`on_read` hears of each block, for a progress bar."""
        self._database = database
        self._on_read = on_read
        self.progress = Progress()
        self._facts: list[Fact] = []
        # Two lines may be the same in all and yet be two: one recipient twice in one message, one client refused
        # twice in a millisecond. They stand close together; the second gets another key, and the same one each time.
        self._at = -1
        self._alike: dict[int, int] = {}

    def read(self, source: Source) -> None:
        """All of it; raises `SourceFailed` when that cannot be, after what could be read was put in."""
        self.progress.sources += 1
        self._at = -1
        mark = None if source.identity is None else self._database.mark_of(*source.identity)
        if mark is not None and source.resume(mark.offset, mark.tail):
            self.progress.resumed += mark.offset
        try:
            for lines in source.blocks():
                self._take(lines)
                if len(self._facts) >= BATCH:
                    self._put(source)
                self._on_read(source)
        finally:
            self._put(source)

    def _take(self, lines: list[bytes]) -> None:
        progress = self.progress
        facts = self._facts
        for line in lines:
            if not line:
                continue
            progress.lines += 1
            fact = read(line)
            if fact is Skip.OTHER:
                progress.other += 1
            elif isinstance(fact, Skip):
                progress.broken += 1
            else:
                facts.append(self._told_apart(fact))

    def _told_apart(self, fact: Fact) -> Fact:
        if fact.at != self._at or len(self._alike) > _ALIKE:
            self._at = fact.at
            self._alike.clear()
        times = self._alike.get(fact.key, 0)
        self._alike[fact.key] = times + 1
        if not times:
            return fact
        # Stays within 64 bits with sign.
        key = (fact.key + times + (1 << 63)) % (1 << 64) - (1 << 63)
        return Fact(fact.at, key, fact.kind, fact.name, fact.reason, fact.number, fact.recipients)

    def _put(self, source: Source) -> None:
        facts, self._facts = self._facts, []
        mark = None
        if source.identity is not None and source.offset:
            mark = Mark(*source.identity, source.offset, source.tail())
        if facts or mark is not None:
            added = self._database.add(facts, mark)
            self.progress.counted += added
            self.progress.known += len(facts) - added

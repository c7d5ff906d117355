"""Kind g: a journal cut at every octet, with flipped bits, and with blocks zeroed, swapped, doubled. J09 to J13.

What can be read is read, what is read is true, and what is missing is named.

The journals are those of stopped spools in memory, of several segments; one of them was compacted, and has messages
that were carried. Each damaged image is read whole, through the door that tools use: nothing is written.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from asyncmta.mail.envelope import ContentUnavailable, QueueId
from asyncmta.spool.opening import ReadOnlySpool, read_only
from asyncmta.spool.segment import HEADER_SIZE
from asyncmta.testing.disk import FakeDisk, PowerCut
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row
from tests.crash.scripted import Book, Compacting, Life

TOGETHER = 6
"""So many messages of one spool came in one batch, the last."""
BLOCKS = (512, 4096)
NAMED = "images of which a message could not be read, and was named"


class Remembering(FakeDisk):
    """Keeps the last octets of what was unlinked."""

    def __init__(self) -> None:
        super().__init__()
        self.unlinked: dict[str, bytes] = {}

    def unlink(self, path: str) -> None:
        self.unlinked[path] = self.get(path)
        super().unlink(path)


class Spool:
    """A stopped spool of several segments, and what is in it. Another `number`, other content."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.disk: FakeDisk = Remembering()
        self.dropped: dict[str, bytes] = {}
        self.carried: list[QueueId] = []
        self.book = Book()

    async def fill(self) -> Spool:
        life = Life(self.disk, self.book)
        await life.open()
        for number in range(12):
            queue_id = await life.accept(self._letter(number, 100), recipients=2)
            if number % 4 == 3:
                await life.deliver(queue_id)
        return await self._stop(life)

    async def fill_and_compact(self) -> Spool:
        """Two messages of the oldest segments were carried, and packed in that; some came after it."""
        life = Compacting(self.disk, self.book)
        await life.open()
        kept = (3, 9)
        ids = [await life.accept(self._letter(at, 300 if at in kept else 90), recipients=2) for at in range(12)]
        await life.deliver(*[each for at, each in enumerate(ids) if at not in kept])
        await life.compact()
        assert life.store.facts().carried >= 2
        self.carried = [ids[at] for at in kept]
        for number in range(12, 16):
            await life.accept(self._letter(number, 90))
        return await self._stop(life)

    async def _stop(self, life: Life) -> Spool:
        await life.accept_together(*[b"Subject: more\r\n" + b"%d\r\n" % number * 40 for number in range(TOGETHER)])
        assert isinstance(self.disk, Remembering)
        self.dropped = {path: octets for path, octets in self.disk.unlinked.items() if path.endswith(".seg")}
        self.disk = self.disk.kill()  # no footer: the last segment is one that a crash left
        with suppress(PowerCut):
            await life.store.close()
        return self

    def _letter(self, number: int, lines: int) -> bytes:
        return b"Subject: %d of %d\r\n" % (number, self.number) + b"%d\r\n" % (number + self.number) * lines

    @property
    def segments(self) -> dict[str, bytes]:
        return {path: octets for path, octets in self.disk.tree().items() if path.endswith(".seg")}

    @property
    def last(self) -> str:
        return max(self.segments)


@dataclass
class Look:
    """What a damaged spool gives out."""

    found: ReadOnlySpool
    readable: set[QueueId] = field(default_factory=set)
    altered: list[QueueId] = field(default_factory=list)


def look(disk: FakeDisk, book: Book) -> Look:
    """Read it all; `altered` is what was given out and is not what was accepted, octet for octet."""
    said = Look(read_only(disk, "spool"))
    for entry in said.found.entries():
        try:
            octets = b"".join(said.found.content(entry.queue_id))
        except ContentUnavailable:
            continue
        if octets == book.asked.get(entry.queue_id):
            said.readable.add(entry.queue_id)
        else:
            said.altered.append(entry.queue_id)
    return said


class Breaking:
    """Harm to one spool, image by image; what is judged goes into `row`."""

    def __init__(self, spool: Spool, row: Row) -> None:
        self._spool = spool
        self._images = spool.segments
        self.row = row
        self.everything = look(spool.disk, spool.book).readable

    def prefixes(self, *, stride: int = 1) -> None:
        """The journal as it was after each octet that was ever written, and no segment after that; those that were
        dropped later are still there."""
        images = self._spool.dropped | self._images
        paths = sorted(images)
        before: set[QueueId] = set()
        for path in self._images:
            self._spool.disk.unlink(path)
        for path in paths:
            whole = len(images[path])
            for size in sorted({*range(0, whole, stride), whole}):
                self._spool.disk.put(path, images[path][:size])
                if size < HEADER_SIZE and path == paths[0]:
                    continue  # nothing was ever answered, and there is no journal yet
                before = self._prefix(f"{path} cut at {size}", before)
        assert before == self.everything
        for path in self._spool.dropped:
            self._spool.disk.unlink(path)

    def _prefix(self, name: str, before: set[QueueId]) -> set[QueueId]:
        """More octets never give fewer messages, but for those that they say are done."""
        seen = look(self._spool.disk, self._spool.book)
        account = self._account(seen)
        lost = before - self._spool.book.finished - seen.readable
        account.lost = [f"{queue_id:x}" for queue_id in lost]
        if seen.found.damaged():
            account.faults.append(f"an unfinished journal is taken for a damaged one: {seen.found.damaged()}")
        self.row.add(account, f"spool {self._spool.number}, {name}")
        return seen.readable

    def flips(self, bits: Sequence[tuple[str, int]]) -> None:
        """At most one message is lost by one bit, or the batch that was being written; and never in silence."""
        for path, bit in bits:
            octets = self._images[path]
            flipped = bytearray(octets)
            flipped[bit // 8] ^= 1 << bit % 8
            self._spool.disk.put(path, bytes(flipped))
            seen = look(self._spool.disk, self._spool.book)
            account = self.judged(seen)
            missing = self.everything - seen.readable
            in_last_batch = path == self._spool.last and seen.found.torn
            if len(missing) > (TOGETHER if in_last_batch else 1):
                account.faults.append(f"one bit cost {len(missing)} messages")
            self.row.add(account, f"spool {self._spool.number}, bit {bit} of {path}")
            self._spool.disk.put(path, octets)

    def blocks(self, block: int, *, runs: int, chance: random.Random) -> None:
        for number in range(runs):
            changed = self._shuffled(block, chance)
            for path, octets in changed.items():
                self._spool.disk.put(path, bytes(octets))
            account = self.judged(look(self._spool.disk, self._spool.book))
            self.row.add(account, f"spool {self._spool.number}, block {block}, number {number}")
            for path in changed:
                self._spool.disk.put(path, self._images[path])

    def _shuffled(self, block: int, chance: random.Random) -> dict[str, bytearray]:
        paths = sorted(self._images)
        a, b = chance.choice(paths), chance.choice(paths)
        changed = {path: bytearray(self._images[path]) for path in {a, b}}
        at = chance.randrange(0, len(changed[a]), block)
        other = chance.randrange(0, len(changed[b]), block)
        size = min(block, len(changed[a]) - at, len(changed[b]) - other)
        kind = chance.choice(("zero", "double", "swap"))
        piece, there = bytes(changed[a][at : at + size]), bytes(changed[b][other : other + size])
        changed[a][at : at + size] = bytes(size) if kind == "zero" else there
        if kind == "swap":
            changed[b][other : other + size] = piece
        return changed

    def judged(self, seen: Look) -> Account:
        """What is not readable must be listed as such, or damage must be reported, or a torn end."""
        account = self._account(seen)
        missing = self.everything - seen.readable
        if missing:
            self.row.counts[NAMED] = self.row.counts.get(NAMED, 0) + 1
        listed = {entry.queue_id for entry in seen.found.entries()}
        if missing and not (seen.found.damaged() or seen.found.torn or missing <= listed):
            account.lost = [f"{queue_id:x}" for queue_id in missing]
        return account

    def _account(self, seen: Look) -> Account:
        return Account(acknowledged=len(self.everything), altered=[f"{queue_id:x}" for queue_id in seen.altered])


def all_bits(spool: Spool) -> Iterator[tuple[str, int]]:
    for path, octets in sorted(spool.segments.items()):
        for bit in range(8 * len(octets)):
            yield path, bit


def spools(count: int) -> list[Spool]:
    """Every second one was compacted."""

    async def make() -> list[Spool]:
        made = [Spool(number) for number in range(count)]
        return [await (spool.fill_and_compact() if spool.number % 2 else spool.fill()) for spool in made]

    return asyncio.run(make())


def rows(share: int, shares: int, *, flips: int, blocks: int, stride: int, seed: int) -> list[Row]:
    """One share of all three kinds of harm; no two flips are of the same bit."""
    kinds = "every prefix of a journal", "a bit of a journal flipped", "a block of a journal zeroed, swapped or doubled"
    found = [Row(kind) for kind in kinds]
    made = spools(2)
    while sum(8 * len(octets) for spool in made for octets in spool.segments.values()) < flips:
        made = spools(len(made) + 2)
    bits = [(spool.number, *bit) for spool in made for bit in all_bits(spool)]
    chosen = random.Random(seed).sample(bits, flips)[share::shares]
    chance = random.Random(f"{seed} {share}")
    for spool in made:
        cut, flipped, shuffled = (Breaking(spool, row) for row in found)
        flipped.flips([(path, bit) for number, path, bit in chosen if number == spool.number])
        for block in BLOCKS:
            shuffled.blocks(block, runs=max(1, blocks // shares // len(made) // len(BLOCKS)), chance=chance)
        if spool.number % shares == share:
            cut.prefixes(stride=stride)
    return found

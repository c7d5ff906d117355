"""Reading a spool whose owner drops segments meanwhile: one moment of it is shown, whole."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from asyncmta.mail.envelope import QueueId
from asyncmta.spool import survey
from asyncmta.spool.opening import read_only
from asyncmta.spool.records import Checkpoint, Retired
from asyncmta.testing.disk import FakeDisk
from tests.unit.spool.spoolkit import Image, accepted, attempted


class Dropping(FakeDisk):
    """Its owner unlinks segment 1, and then 2, at the given calls of the reader."""

    def __init__(self, *calls: int) -> None:
        super().__init__()
        self.left = list(calls)
        self.seen = 0

    def _read(self) -> None:
        self.seen += 1
        while self.left and self.left[0] <= self.seen:
            self.left.pop(0)
            number = 2 - len(self.left)
            self._directory("spool/journal").seen.pop(f"{number:010d}.seg")

    def open(self, path: str, *, write: bool = False) -> int:
        self._read()
        return super().open(path, write=write)

    def list(self, path: str) -> list[str]:
        found = super().list(path)
        self._read()
        return found


def fill(disk: FakeDisk) -> None:
    """Four segments; in the last stands that the first two may go."""
    images: list[Image] = []
    batches = (
        (accepted(1), accepted(2)),
        (attempted(1), Retired(QueueId(1)), attempted(2), Retired(QueueId(2))),
        (accepted(3),),
        (Checkpoint(3), accepted(4)),
    )
    for number, batch in enumerate(batches, 1):
        before = images[-1] if images else None
        chained = {}
        if before is not None:
            chained = {
                "first_sequence": before.sequence,
                "previous": number - 1,
                "previous_end": len(before.octets),
                "previous_chain": before.chain,
            }
        image = Image(number, **chained)
        image.sequence = before.sequence if before is not None else 1
        images.append(image.add(*batch))
        if number < len(batches):
            images[-1].seal()
            images[-1].sequence += 1
        disk.put(f"spool/journal/{number:010d}.seg", images[-1].octets)
    disk.put("spool/lock", b"")


def dumped(disk: FakeDisk) -> list[int]:
    seen = [each for each in survey.walk(disk, "spool") if isinstance(each, survey.Seen)]
    assert len(seen) == sum(1 for _ in seen if _.record is not None)
    return [each.segment for each in seen]


READERS: list[Callable[[FakeDisk], object]] = [
    lambda disk: [entry.queue_id for entry in read_only(disk, "spool").entries()],
    lambda disk: survey.verify(disk, "spool").messages,
    lambda disk: survey.totals(disk, "spool").messages,
]


@pytest.mark.parametrize("read", READERS)
def test_a_segment_that_is_dropped_meanwhile_is_not_missed(read: Callable[[FakeDisk], object]) -> None:
    for first in range(1, 30):
        for second in (first, first + 1, first + 5):
            disk = Dropping(first, second)
            fill(disk)
            assert read(disk) in (2, [3, 4])
            assert survey.verify(disk, "spool").damages == ()


def test_a_dump_shows_what_is_left() -> None:
    for first in range(1, 12):
        disk = Dropping(first, first + 2)
        fill(disk)
        assert dumped(disk)[-3:] == [3, 4, 4]


def test_one_that_is_never_quiet_is_an_error_and_not_an_empty_queue() -> None:
    class Restless(FakeDisk):
        def open(self, path: str, *, write: bool = False) -> int:
            if path.endswith("1.seg"):
                raise FileNotFoundError(errno.ENOENT, "dropped", path)
            return super().open(path, write=write)

    disk = Restless()
    fill(disk)
    for read in (*READERS, dumped):
        with pytest.raises(OSError, match="faster") as raised:
            read(disk)
        assert raised.value.errno == errno.EBUSY


def test_where_there_is_no_journal_it_is_not_found() -> None:
    for read in (*READERS, dumped):
        with pytest.raises(FileNotFoundError):
            read(FakeDisk())

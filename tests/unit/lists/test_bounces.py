"""Bounces counted: the lines, the sums, and the file through crashes."""

from __future__ import annotations

import errno

import pytest

from asyncmta.lists.bounce_counts import MOST_LINES, REMEMBERED, Bounce, Sum, line, lines, shortened, sums
from asyncmta.lists.bounce_file import BounceFile
from asyncmta.testing.disk import FakeDisk

BOB = Bounce("bob@b.example", 100.0, "1")


def opened(disk):
    return BounceFile(disk=disk, directory="/spool/lists", name="dev@lists.example")


def test_lines_and_sums():
    octets = line(BOB) + b"half a line\n" + line(BOB) + line(Bounce("ann@a.example", 50.0, "2")) + b"\xff\n{"
    octets += line(Bounce("bob@b.example", 200.0, "3"))[:-10]
    found = lines(octets)
    assert found == [BOB, Bounce("ann@a.example", 50.0, "2")]
    assert sums([*found, Bounce("bob@b.example", 90.0, "", 7, 10.0)]) == [
        Sum("bob@b.example", 8, 10.0, 100.0),
        Sum("ann@a.example", 1, 50.0, 50.0),
    ]


def test_made_shorter_it_says_the_same():
    many = [Bounce(f"m{at % 10}@b.example", float(at + 1), str(at)) for at in range(2000)]
    short = lines(shortened(many))
    assert sums(short) == sums(many)
    assert len(short) == REMEMBERED + 10
    assert sums(lines(shortened(short))) == sums(many)


async def test_counted_once_through_a_restart():
    disk = FakeDisk()
    file = opened(disk)
    assert file.read() == []
    await file.add(BOB)
    await file.add(BOB)
    again = opened(disk)
    await again.add(BOB)
    await again.add(Bounce("bob@b.example", 200.0, "2"))
    assert sums(opened(disk).read()) == [Sum("bob@b.example", 2, 100.0, 200.0)]


@pytest.mark.parametrize("seed", range(20))
async def test_what_was_counted_survives_a_power_cut(seed):
    disk = FakeDisk()
    file = opened(disk)
    await file.add(BOB)
    left = disk.crash(seed)
    assert opened(left).read() == [BOB]


@pytest.mark.parametrize("operation", range(1, 8))
async def test_a_failing_disk(operation):
    """The one who bounced is counted or an error says that he was not; afterwards it goes on behind half a line."""
    disk = FakeDisk()
    file = opened(disk)
    await file.add(BOB)
    disk.fail_at(operation, errno.EIO)
    for bounce in (Bounce("ann@a.example", 1.0, "2"), Bounce("ann@a.example", 2.0, "3")):
        try:
            await file.add(bounce)
        except OSError:
            await file.add(bounce)
    assert {each.member: each.count for each in sums(opened(disk).read())} == {"bob@b.example": 1, "ann@a.example": 2}


async def test_half_a_line_costs_only_itself():
    disk = FakeDisk()
    await opened(disk).add(BOB)
    descriptor = disk.open("/spool/lists/dev@lists.example.bounces", write=True)
    disk.writev(descriptor, (b'{"member":"an',), disk.size(descriptor))
    disk.close(descriptor)
    await opened(disk).add(Bounce("ann@a.example", 1.0, "2"))
    assert [each.member for each in opened(disk).read()] == ["bob@b.example", "ann@a.example"]


async def test_it_stays_small():
    disk = FakeDisk()
    disk.make_directories("/spool/lists")
    descriptor = disk.create("/spool/lists/dev@lists.example.bounces")
    many = [Bounce(f"m{at % 7}@b.example", float(at + 1), str(at)) for at in range(MOST_LINES)]
    disk.writev(descriptor, (b"".join(map(line, many)),), 0)
    disk.close(descriptor)
    file = opened(disk)
    await file.add(BOB)  # its id, "1", is known
    assert len(file.read()) == MOST_LINES
    await file.add(Bounce("bob@b.example", 1.0, "new"))
    assert len(file.read()) <= REMEMBERED + 8
    assert sum(each.count for each in sums(file.read())) == MOST_LINES + 1
    await file.add(Bounce("bob@b.example", 1.0, "new"))
    assert sum(each.count for each in sums(file.read())) == MOST_LINES + 1

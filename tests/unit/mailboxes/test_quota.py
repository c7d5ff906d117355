"""How full a mailbox is: maildirsize is believed, counted anew, shared with a reader."""

from __future__ import annotations

import errno

import pytest

from asyncmta.mailboxes.maildirsize import Limit
from asyncmta.mailboxes.ownership import Ownership
from asyncmta.mailboxes.quota import STALE, Quota
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

BOX = "mail/alice"
FILE = f"{BOX}/maildirsize"


class Shelf:
    def __init__(self, *, octets: int = 0, messages: int = 0) -> None:
        self.disk = FakeDisk()
        for part in ("tmp", "new", "cur"):
            self.disk.make_directories(f"{BOX}/{part}")
        self.clock = FakeClock()
        self.quota = Quota(disk=self.disk, clock=self.clock, limit=Limit(octets, messages))

    def put(self, name: str, octets: int = 0) -> None:
        self.disk.put(f"{BOX}/{name}", b"x" * octets)

    def lines(self) -> list[bytes]:
        return self.disk.get(FILE).splitlines()


def test_without_a_limit_nothing_is_written() -> None:
    shelf = Shelf()
    assert not shelf.quota.limits(BOX)
    assert shelf.quota.admit(BOX, [10**12]) == [True]
    assert not shelf.quota.is_full(BOX)
    assert not shelf.disk.exists(FILE)


def test_the_first_count() -> None:
    shelf = Shelf(octets=1000)
    shelf.put("new/1.a,S=100,W=110")
    shelf.put("cur/2.a,S=200:2,S")
    shelf.put("cur/3.a:2,S", 30)
    shelf.put("cur/.hidden", 500)
    shelf.put(".Lists/new/4.a", 4)
    shelf.put(".Lists/maildirfolder")
    shelf.put(".file", 9)
    assert shelf.quota.admit(BOX, [600, 100]) == [True, False]
    assert shelf.lines() == [b"1000S", b"334 4"]
    assert not shelf.disk.list(f"{BOX}/tmp")


def test_what_comes_in_is_added() -> None:
    shelf = Shelf(octets=1000)
    assert shelf.quota.admit(BOX, [100]) == [True]
    with shelf.quota.held(BOX):
        shelf.quota.add(BOX, [100, 50])
        shelf.quota.add(BOX, [])
    assert shelf.lines() == [b"1000S", b"0 0", b"150 2"]


def test_a_file_that_is_there_decides() -> None:
    shelf = Shelf(octets=10)
    shelf.put("maildirsize")
    shelf.disk.put(FILE, b"5000S,3C\n0 0\n")
    assert shelf.quota.admit(BOX, [4000, 4000]) == [True, False]
    none = Shelf()
    none.disk.put(FILE, b"50S\n0 0\n")
    assert none.quota.limits(BOX)
    assert none.quota.admit(BOX, [60]) == [False]


def test_what_a_reader_deleted_and_wrote_down_counts() -> None:
    shelf = Shelf()
    shelf.disk.put(FILE, b"100S\n100 2\n-60 -1\n")
    assert shelf.quota.admit(BOX, [60]) == [True]


def test_a_full_mailbox_is_counted_before_it_is_said_to_be() -> None:
    """Its reader deletes, and does not write it down."""
    shelf = Shelf()
    shelf.disk.put(FILE, b"100S\n90 1\n10 1\n")
    assert not shelf.quota.is_full(BOX)
    assert shelf.lines() == [b"100S", b"0 0"]


def test_and_not_at_every_look() -> None:
    shelf = Shelf(octets=100)
    shelf.put("new/1.a,S=100")
    assert shelf.quota.is_full(BOX)
    shelf.disk.unlink(f"{BOX}/new/1.a,S=100")
    assert shelf.quota.is_full(BOX)
    assert shelf.quota.admit(BOX, [1]) == [False]
    shelf.clock.advance(STALE + 1)
    assert not shelf.quota.is_full(BOX)


@pytest.mark.parametrize("text", [b"", b"junk", b"100S\njunk\n", b"100S\n" + b"1 1\n" * 3000])
def test_a_file_that_is_broken_or_long_is_made_anew(text: bytes) -> None:
    shelf = Shelf(octets=77)
    shelf.disk.put(FILE, text)
    shelf.put("cur/1.a,S=5:2,")
    assert shelf.quota.admit(BOX, [1]) == [True]
    assert shelf.lines() == [b"100S" if text.startswith(b"100S") else b"77S", b"5 1"]


def test_doubt_is_a_count() -> None:
    shelf = Shelf(octets=1000)
    shelf.disk.put(FILE, b"1000S\n500 5\n")
    shelf.quota.doubt(BOX)
    shelf.quota.admit(BOX, [1])
    assert shelf.lines() == [b"1000S", b"0 0"]
    shelf.disk.put(FILE, b"1000S\n500 5\n")
    shelf.quota.admit(BOX, [1])
    assert shelf.lines() == [b"1000S", b"500 5"]


def test_what_cannot_be_written_down_is_counted_next_time() -> None:
    shelf = Shelf(octets=1000)
    shelf.quota.admit(BOX, [1])
    shelf.disk.fail_at(1, errno.ENOSPC, only=("append",))
    shelf.quota.add(BOX, [300])
    shelf.put("new/1.a,S=300")
    shelf.quota.admit(BOX, [1])
    assert shelf.lines() == [b"1000S", b"300 1"]


def test_trouble_with_the_disk_is_not_full() -> None:
    shelf = Shelf(octets=1)
    shelf.disk.fail_at(1, errno.EIO, for_good=True)
    assert not shelf.quota.is_full(BOX)
    with pytest.raises(OSError, match="error"):
        shelf.quota.admit(BOX, [1])


def test_names_that_go_while_they_are_counted() -> None:
    shelf = Shelf(octets=100)
    shelf.put("cur/1.a", 50)
    shelf.disk.fail_at(1, errno.ENOENT, only=("size",))
    assert shelf.quota.admit(BOX, [100]) == [True]


def test_it_belongs_to_whom_the_mailbox_does() -> None:
    shelf = Shelf()
    quota = Quota(disk=shelf.disk, clock=shelf.clock, limit=Limit(5), ownership=Ownership(0o770, 5, 6))
    quota.admit(BOX, [1])
    assert list(shelf.disk.granted.values()) == [(0o660, 5, 6)]

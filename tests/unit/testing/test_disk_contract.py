"""The contract of `Disk`: the same test bodies against the real one and the fake."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncmta.system.disk import Disk, Locked, PosixDisk
from asyncmta.testing.disk import FakeDisk


class Place:
    """A disk, and an empty directory on it."""

    def __init__(self, disk: Disk, root: str) -> None:
        self.disk = disk
        self.root = root

    def __truediv__(self, name: str) -> str:
        return posixpath.join(self.root, name)

    def write(self, name: str, content: bytes) -> str:
        file = self.disk.create(self / name)
        self.disk.writev(file, [content], 0)
        self.disk.close(file)
        return self / name

    def read(self, name: str) -> bytes:
        file = self.disk.open(self / name)
        try:
            return self.disk.read_at(file, 1 << 20, 0)
        finally:
            self.disk.close(file)


@pytest.fixture(params=["posix", "fake"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "posix":
        return Place(PosixDisk(), str(tmp_path))
    disk = FakeDisk()
    disk.make_directories("/some/where")
    return Place(disk, "/some/where")


def fails(number: int, call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == number
    return False


def test_what_is_written_is_read(place: Place) -> None:
    file = place.disk.create(place / "a")
    assert place.disk.writev(file, [b"hello ", bytearray(b"big "), memoryview(b"world")], 0) == 15
    assert place.disk.writev(file, [b"BIG"], 6) == 3
    assert place.disk.read_at(file, 100, 0) == b"hello BIG world"
    assert place.disk.read_at(file, 3, 6) == b"BIG"
    assert place.disk.read_at(file, 3, 100) == b""
    assert place.disk.size(file) == 15
    place.disk.close(file)
    assert place.read("a") == b"hello BIG world"


def test_a_write_behind_the_end_leaves_zeros(place: Place) -> None:
    file = place.disk.create(place / "a")
    place.disk.writev(file, [b"x"], 3)
    assert place.disk.read_at(file, 10, 0) == b"\0\0\0x"
    place.disk.close(file)


def test_more_buffers_than_the_kernel_takes_at_once(place: Place) -> None:
    file = place.disk.create(place / "a")
    assert place.disk.writev(file, [b"%04d" % number for number in range(2500)], 0) == 10_000
    assert place.disk.read_at(file, 4, 4 * 2499) == b"2499"
    place.disk.close(file)


def test_truncate_both_ways(place: Place) -> None:
    file = place.disk.create(place / "a")
    place.disk.writev(file, [b"0123456789"], 0)
    place.disk.truncate(file, 4)
    place.disk.truncate(file, 6)
    assert place.disk.read_at(file, 100, 0) == b"0123\0\0"
    place.disk.close(file)


def test_create_is_exclusive(place: Place) -> None:
    place.write("a", b"first")
    assert fails(errno.EEXIST, lambda: place.disk.create(place / "a"))
    assert place.read("a") == b"first"


def test_what_is_missing_is_said_to_be_missing(place: Place) -> None:
    place.write("file", b"")
    for call in (place.disk.open, place.disk.unlink, place.disk.list, place.disk.sync_directory):
        assert fails(errno.ENOENT, lambda call=call: call(place / "none"))
    assert fails(errno.ENOENT, lambda: place.disk.create(place / "none/a"))
    assert fails(errno.ENOENT, lambda: place.disk.rename(place / "none", place / "b"))
    assert fails(errno.ENOENT, lambda: place.disk.link(place / "none", place / "b"))
    assert fails(errno.ENOENT, lambda: place.disk.free_space(place / "none"))
    assert fails(errno.ENOENT, lambda: place.disk.file_system(place / "none"))


def test_a_file_is_no_directory(place: Place) -> None:
    place.write("file", b"")
    assert fails(errno.ENOTDIR, lambda: place.disk.list(place / "file"))
    assert fails(errno.ENOTDIR, lambda: place.disk.sync_directory(place / "file"))
    assert fails(errno.ENOTDIR, lambda: place.disk.open(place / "file/a"))
    assert fails(errno.ENOTDIR, lambda: place.disk.create(place / "file/a"))
    assert not place.disk.is_dir(place / "file")
    assert not place.disk.exists(place / "file/a")


def test_a_directory_is_no_file(place: Place) -> None:
    place.disk.make_directories(place / "d")
    place.write("file", b"")
    assert fails(errno.EISDIR, lambda: place.disk.open(place / "d", write=True))
    assert fails(errno.EISDIR, lambda: place.disk.unlink(place / "d"))
    assert fails(errno.EISDIR, lambda: place.disk.rename(place / "file", place / "d"))
    assert fails(errno.ENOTDIR, lambda: place.disk.rename(place / "d", place / "file"))
    assert fails(errno.EPERM, lambda: place.disk.link(place / "d", place / "e"))
    directory = place.disk.open(place / "d")
    assert fails(errno.EISDIR, lambda: place.disk.read_at(directory, 1, 0))
    place.disk.fsync(directory)
    place.disk.close(directory)


def test_a_file_open_for_reading_is_not_written(place: Place) -> None:
    place.write("a", b"x")
    file = place.disk.open(place / "a")
    assert fails(errno.EBADF, lambda: place.disk.writev(file, [b"y"], 0))
    place.disk.close(file)
    assert fails(errno.EBADF, lambda: place.disk.read_at(file, 1, 0))
    assert fails(errno.EBADF, lambda: place.disk.fsync(file))
    assert fails(errno.EBADF, lambda: place.disk.close(file))
    place.disk.drop_cache(file)


def test_an_existing_file_is_written_in_place(place: Place) -> None:
    place.write("a", b"0123")
    file = place.disk.open(place / "a", write=True)
    place.disk.writev(file, [b"x"], 1)
    place.disk.fdatasync(file)
    place.disk.fsync(file)
    place.disk.drop_cache(file)
    place.disk.close(file)
    assert place.read("a") == b"0x23"


def test_links_and_names(place: Place) -> None:
    place.write("a", b"one")
    place.disk.link(place / "a", place / "b")
    assert fails(errno.EEXIST, lambda: place.disk.link(place / "a", place / "b"))
    file = place.disk.open(place / "b", write=True)
    place.disk.writev(file, [b"two"], 0)
    place.disk.close(file)
    assert place.read("a") == b"two"
    place.disk.rename(place / "a", place / "b")
    assert place.disk.list(place.root) == ["a", "b"], "two names of one file: a rename does nothing"
    place.disk.unlink(place / "a")
    assert place.disk.list(place.root) == ["b"]
    assert place.read("b") == b"two"


def test_a_rename_replaces(place: Place) -> None:
    place.disk.make_directories(place / "d")
    place.write("a", b"new")
    place.write("d/b", b"old")
    place.disk.rename(place / "a", place / "d/b")
    assert place.disk.list(place.root) == ["d"]
    assert place.read("d/b") == b"new"


def test_a_directory_is_renamed_only_over_an_empty_one(place: Place) -> None:
    place.disk.make_directories(place / "d")
    place.disk.make_directories(place / "e")
    place.write("e/x", b"")
    assert fails(errno.ENOTEMPTY, lambda: place.disk.rename(place / "d", place / "e"))
    place.disk.rename(place / "e", place / "d")
    assert place.disk.list(place / "d") == ["x"]


def test_a_removed_file_lives_as_long_as_it_is_open(place: Place) -> None:
    place.write("a", b"still")
    file = place.disk.open(place / "a")
    place.disk.unlink(place / "a")
    assert not place.disk.exists(place / "a")
    assert place.disk.read_at(file, 10, 0) == b"still"
    place.disk.close(file)


def test_directories_are_made_with_those_above(place: Place) -> None:
    place.disk.make_directories(place / "x/y/z")
    place.disk.make_directories(place / "x/y/z")
    assert place.disk.is_dir(place / "x/y/z")
    assert place.disk.list(place / "x") == ["y"]
    assert place.disk.exists(place / "x")
    place.disk.sync_directory(place / "x/y")


def test_directories_are_not_made_through_a_file(place: Place) -> None:
    place.write("file", b"")
    assert fails(errno.EEXIST, lambda: place.disk.make_directories(place / "file/x"))


def test_a_lock_has_one_holder_and_ends_with_its_descriptor(place: Place) -> None:
    first = place.disk.lock(place / "lock", b"note\n")
    with pytest.raises(Locked) as refusal:
        place.disk.lock(place / "lock")
    assert refusal.value.holder is not None
    assert place.read("lock").endswith(b"note\n")
    place.disk.close(first)
    second = place.disk.lock(place / "lock")
    assert place.read("lock") == b"pid %010d\n" % refusal.value.holder
    place.disk.close(second)


def test_a_directory_is_not_locked(place: Place) -> None:
    place.disk.make_directories(place / "d")
    assert fails(errno.EISDIR, lambda: place.disk.lock(place / "d"))


def test_space_and_type(place: Place) -> None:
    octets, inodes = place.disk.free_space(place.root)
    assert octets > 0
    assert inodes > 0
    assert place.disk.file_system(place.root)


def test_what_is_appended_stands_behind(place: Place) -> None:
    path = place.write("a", b"one")
    place.disk.append(path, b" two")
    place.disk.append(path, b" three")
    assert place.read("a") == b"one two three"
    assert fails(errno.ENOENT, lambda: place.disk.append(place / "b", b"x"))
    place.disk.make_directories(place / "d")
    assert fails(errno.EISDIR, lambda: place.disk.append(place / "d", b"x"))


def test_a_mode_is_granted_to_what_is_open(place: Place) -> None:
    file = place.disk.create(place / "a")
    place.disk.grant(file, 0o640)
    place.disk.close(file)
    assert fails(errno.EBADF, lambda: place.disk.grant(file, 0o640))
    if isinstance(place.disk, PosixDisk):
        assert Path(place / "a").stat().st_mode & 0o777 == 0o640
    else:
        assert place.disk.granted == {place / "a": (0o640, -1, -1)}

"""What only the real disk has: short writes, symbolic links, child processes, the kernel's lock. The contract that it
shares with the fake is in tests/unit/testing/test_disk_contract.py."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncmta.system import disk as module
from asyncmta.system.disk import NO_LIMIT, Locked, PosixDisk


@pytest.fixture
def disk() -> PosixDisk:
    return PosixDisk()


@pytest.fixture
def descriptors() -> Iterator[Callable[[], int]]:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    yield count
    assert count() == before


def test_short_writes_are_finished(disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [5, 1, 3]
    real = os.pwrite

    def write_some(file: int, octets: bytes, offset: int) -> int:
        return real(file, bytes(octets)[: limits.pop(0) if limits else None], offset)

    monkeypatch.setattr(module.os, "pwritev", lambda file, group, offset: write_some(file, b"".join(group), offset))
    monkeypatch.setattr(module.os, "pwrite", write_some)
    file = disk.create(str(tmp_path / "a"))
    assert disk.writev(file, [b"one two ", b"three ", b"four"], 2) == 18
    assert (tmp_path / "a").read_bytes() == b"\0\0one two three four"
    disk.close(file)


def test_a_write_that_takes_nothing_is_an_error(
    disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.create(str(tmp_path / "a"))
    monkeypatch.setattr(module.os, "pwritev", lambda *_: 0)
    monkeypatch.setattr(module.os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="took nothing"):
        disk.writev(file, [b"x"], 0)
    disk.close(file)


def test_short_reads_are_finished(disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    file = disk.open(str(tmp_path / "a"))
    real = os.pread
    monkeypatch.setattr(module.os, "pread", lambda fd, size, at: real(fd, min(size, 3), at))
    assert disk.read_at(file, 8, 1) == b"12345678"
    assert disk.read_at(file, 100, 5) == b"56789"
    assert disk.read_at(file, 5, 100) == b""
    disk.close(file)


def test_symbolic_links_are_refused(disk: PosixDisk, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"somebody else's")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nowhere")
    for call in (disk.open, disk.lock):
        with pytest.raises(OSError, match="symbolic") as caught:
            call(str(tmp_path / "link"))
        assert caught.value.errno == errno.ELOOP
    for name in ("link", "dangling"):
        with pytest.raises(FileExistsError):
            disk.create(str(tmp_path / name))
    assert disk.exists(str(tmp_path / "dangling"))
    assert not (tmp_path / "nowhere").exists()


def test_files_and_directories_are_ours_alone(disk: PosixDisk, tmp_path: Path) -> None:
    disk.make_directories(str(tmp_path / "a" / "b"))
    file = disk.create(str(tmp_path / "a" / "b" / "c"))
    shared = disk.create(str(tmp_path / "a" / "d"), 0o640)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a" / "d").stat().st_mode & 0o137 == 0
    for one in (file, shared):
        assert not os.get_inheritable(one)
        disk.close(one)


def test_a_directory_that_is_a_file_is_an_error(disk: PosixDisk, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        disk.make_directories(str(tmp_path / "a"))
    with pytest.raises(OSError, match="directory"):
        disk.make_directories(str(tmp_path / "a" / "b"))


def test_syncs_reach_the_kernel_and_leave_no_descriptor(
    disk: PosixDisk, tmp_path: Path, descriptors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        real(file)

    monkeypatch.setattr(module.os, "fsync", fsync)
    disk.make_directories(str(tmp_path / "a" / "b"))
    assert synced == [str(tmp_path), str(tmp_path / "a")]
    file = disk.create(str(tmp_path / "f"))
    disk.fsync(file)
    disk.fdatasync(file)
    disk.drop_cache(file)
    disk.close(file)
    assert synced[2:] == [str(tmp_path / "f")]


HOLD = """
import sys
from asyncmta.system.disk import PosixDisk
PosixDisk().lock(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_lock_names_its_holder_and_dies_with_it(
    disk: PosixDisk, tmp_path: Path, descriptors: Callable[[], int]
) -> None:
    path = str(tmp_path / "lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(Locked, match=f"process {holder.pid}") as caught:
            disk.lock(path)
        assert caught.value.holder == holder.pid
        holder.kill()
    disk.close(disk.lock(path, b"note\n"))
    assert (tmp_path / "lock").read_bytes() == b"pid %010d\nnote\n" % os.getpid()


def test_a_lock_whose_holder_wrote_nothing(disk: PosixDisk, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = disk.lock(str(path))
    for text in (b"", b"pid soon\n", b"something else\n"):
        path.write_bytes(text)
        with pytest.raises(Locked, match="another process") as caught:
            disk.lock(str(path))
        assert caught.value.holder is None
    disk.close(held)


def test_a_lock_that_cannot_be_written_leaves_no_descriptor(
    disk: PosixDisk, tmp_path: Path, descriptors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(OSError, match="full"):
        disk.lock(str(tmp_path / "lock"))


def test_a_file_system_that_counts_no_inodes(disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, inodes = disk.free_space(str(tmp_path))
    assert space > 0
    assert inodes > 0
    facts = os.statvfs(tmp_path)
    uncounted = os.statvfs_result((*facts[:5], 0, 0, 0, *facts[8:]))
    monkeypatch.setattr(module.os, "statvfs", lambda _: uncounted)
    assert disk.free_space(str(tmp_path))[1] == NO_LIMIT


def test_its_options_are_those_of_the_mount_and_of_the_file_system(
    disk: PosixDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert disk.mount_options("/proc") & {"rw", "ro"}
    monkeypatch.setattr(module.os, "major", lambda _: 4095)
    assert disk.mount_options("/proc") == frozenset()


def test_of_several_mounts_of_one_device_that_counts_in_which_the_path_is(
    disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container with --read-only: resolv.conf is of the same disk as the volume, and cannot be written to."""
    device = os.stat(tmp_path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"1 0 {number} /a /etc/a/name/that/is/longer/than/those/of/all/the/others/by/very/far ro - ext4 a ro\n"
        f"2 0 {number} /b {tmp_path} rw,relatime - ext4 b rw\n"
        f"3 0 {number} /c {tmp_path}/mount ro - ext4 c ro\n"
        f"4 0 {number} /d / ro - ext4 d ro\n"
        "5 0 0:1 / /proc rw - proc proc rw\n"
    )
    (tmp_path / "mountain").mkdir()
    monkeypatch.setattr(module, "open", lambda *_, **__: mounts.open(), raising=False)
    assert disk.mount_options(str(tmp_path / "mountain")) == {"rw", "relatime"}


def test_the_file_system_is_named_or_unknown(disk: PosixDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.file_system("/proc") == "proc"
    monkeypatch.setattr(module.os, "major", lambda _: 4095)
    assert disk.file_system("/proc") == "unknown"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_an_owner_is_granted(disk: PosixDisk, tmp_path: Path) -> None:
    file = disk.create(str(tmp_path / "a"))
    disk.grant(file, 0o2770, 65534, 65534)
    disk.close(file)
    found = (tmp_path / "a").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (65534, 65534, 0o2770)


def test_a_short_append_is_an_error(disk: PosixDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.close(disk.create(str(tmp_path / "a")))
    monkeypatch.setattr(module.os, "write", lambda *_: 1)
    with pytest.raises(OSError, match="short write"):
        disk.append(str(tmp_path / "a"), b"two")


def test_a_fifo_in_the_place_of_a_file_holds_up_nobody(disk: PosixDisk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    file = disk.open(str(tmp_path / "a"))
    disk.close(file)
    with pytest.raises(OSError, match="No such device"):
        disk.append(str(tmp_path / "a"), b"x")

"""What the fake disk adds: durability, faults, cuts. That it keeps the contract is in test_disk_contract.py."""

from __future__ import annotations

import errno
import itertools

import pytest

from asyncmta.testing.disk import FakeDisk, PowerCut


def written(disk: FakeDisk, path: str, content: bytes, *, sync: bool) -> int:
    file = disk.create(path)
    disk.writev(file, [content], 0)
    if sync:
        disk.fsync(file)
    return file


def test_nothing_unsynced_survives_a_hard_cut() -> None:
    disk = FakeDisk()
    disk.put("kept", b"before")
    written(disk, "a", b"x", sync=False)
    assert disk.crash().tree() == {"kept": b"before"}


def test_a_synced_file_needs_its_directory_synced() -> None:
    disk = FakeDisk()
    written(disk, "a", b"x", sync=True)
    written(disk, "b", b"x", sync=False)
    assert disk.kill().tree() == {"a": b"x", "b": b"x"}
    disk = FakeDisk()
    written(disk, "a", b"x", sync=True)
    written(disk, "b", b"x", sync=False)
    disk.sync_directory("/")
    assert disk.crash().tree() == {"a": b"x", "b": b""}


def test_appended_octets_survive_with_their_sync_alone() -> None:
    disk = FakeDisk()
    disk.put("journal", b"head")
    file = disk.open("journal", write=True)
    disk.writev(file, [b" one"], 4)
    disk.fdatasync(file)
    disk.writev(file, [b" two"], 8)
    assert disk.crash().get("journal") == b"head one"


def test_unsynced_sectors_survive_each_for_itself() -> None:
    contents = set()
    for seed in range(60):
        disk = FakeDisk()
        disk.put("a", b"o" * 1536)
        file = disk.open("a", write=True)
        disk.writev(file, [b"n" * 1536], 0)
        content = disk.crash(seed).get("a")
        assert len(content) == 1536
        sectors = [content[at : at + 512] for at in (0, 512, 1024)]
        assert all(sector in (b"o" * 512, b"n" * 512) for sector in sectors)
        contents.add(b"".join(sector[:1] for sector in sectors))
    assert contents == {bytes(letters) for letters in itertools.product(b"on", repeat=3)}


def test_a_grown_file_may_have_its_size_without_its_octets() -> None:
    seen = set()
    for seed in range(60):
        disk = FakeDisk()
        disk.put("a", b"")
        file = disk.open("a", write=True)
        disk.writev(file, [b"n" * 100], 0)
        seen.add(disk.crash(seed).get("a"))
    assert seen == {b"", b"n" * 100, bytes(100)}


def test_an_unsynced_truncation_may_have_happened_or_not() -> None:
    seen = set()
    for seed in range(40):
        disk = FakeDisk()
        disk.put("a", b"0123456789")
        file = disk.open("a", write=True)
        disk.truncate(file, 4)
        seen.add(disk.crash(seed).get("a"))
    assert seen == {b"0123", b"0123456789"}


def test_a_truncation_takes_unsynced_octets_along() -> None:
    disk = FakeDisk()
    disk.put("a", b"")
    file = disk.open("a", write=True)
    disk.writev(file, [b"0123456789"], 0)
    disk.truncate(file, 0)
    disk.truncate(file, 2)
    disk.fsync(file)
    assert disk.crash().get("a") == b"\0\0"


def test_names_survive_each_for_itself_but_a_rename_is_whole() -> None:
    seen = set()
    for seed in range(60):
        disk = FakeDisk()
        disk.put("old", b"x")
        disk.put("gone", b"y")
        disk.rename("old", "new")
        disk.unlink("gone")
        seen.add(tuple(sorted(disk.crash(seed).tree())))
    assert seen == {("gone", "old"), ("gone", "new"), ("old",), ("new",)}


def test_a_directory_sync_covers_that_directory_alone() -> None:
    disk = FakeDisk()
    disk.make_directories("tmp")
    disk.make_directories("new")
    written(disk, "tmp/a", b"x", sync=True)
    disk.link("tmp/a", "new/a")
    disk.sync_directory("new")
    assert disk.crash().tree() == {"new/a": b"x"}


def test_made_directories_are_durable() -> None:
    disk = FakeDisk()
    disk.make_directories("a/b/c")
    assert disk.crash().is_dir("a/b/c")


def test_two_names_stay_one_file_in_the_next_life() -> None:
    for end in (FakeDisk.kill, FakeDisk.crash):
        disk = FakeDisk()
        disk.put("a", b"x")
        disk.link("a", "b")
        disk.sync_directory("/")
        after = end(disk)
        file = after.open("b", write=True)
        after.writev(file, [b"y"], 0)
        assert after.get("a") == b"y"


def test_a_kill_loses_nothing_and_syncs_nothing() -> None:
    disk = FakeDisk()
    disk.put("j", b"")
    lock = disk.lock("lock")
    file = disk.open("j", write=True)
    disk.writev(file, [b"x"], 0)
    disk.rename("j", "k")
    after = disk.kill()
    assert after.get("k") == b"x"
    with pytest.raises(PowerCut):
        disk.close(lock)
    after.close(after.lock("lock"))
    assert after.crash().tree() == {"j": b""}


def test_a_failed_sync_loses_the_octets_and_the_next_one_lies() -> None:
    disk = FakeDisk()
    disk.put("a", b"old")
    file = disk.open("a", write=True)
    disk.writev(file, [b"new"], 0)
    disk.fail_at(1, errno.EIO, only=("fsync",))
    with pytest.raises(OSError, match="error"):
        disk.fsync(file)
    disk.fsync(file)
    assert disk.get("a") == b"new"
    disk.drop_cache(file)
    assert disk.get("a") == b"old"
    disk.writev(file, [b"NEW"], 0)
    disk.fsync(file)
    assert disk.crash().get("a") == b"NEW"


def test_a_failed_directory_sync_syncs_nothing() -> None:
    disk = FakeDisk()
    written(disk, "a", b"x", sync=True)
    disk.fail_at(1, errno.EIO)
    with pytest.raises(OSError, match="error"):
        disk.sync_directory("/")
    assert disk.crash().tree() == {}


def test_faults_once_and_for_good_and_by_operation() -> None:
    disk = FakeDisk()
    disk.put("a", b"x")
    disk.fail_at(2, errno.EMFILE, only=("open",))
    disk.open("a")
    disk.list("/")
    with pytest.raises(OSError, match="open files"):
        disk.open("a")
    disk.open("a")
    disk.fail_at(1, errno.EROFS, for_good=True)
    for _ in range(3):
        with pytest.raises(OSError, match="Read-only"):
            disk.create("b")
    disk.heal()
    disk.create("b")
    assert disk.steps == 8
    assert disk.calls[-1] == ("create", "b")


def test_a_write_that_fails_has_written_some() -> None:
    disk = FakeDisk()
    file = disk.create("a")
    disk.fail_at(1, errno.ENOSPC, only=("writev",))
    with pytest.raises(OSError, match="No space"):
        disk.writev(file, [b"0123456789"], 0)
    assert disk.get("a") == b"01234"


def test_a_full_disk() -> None:
    disk = FakeDisk()
    file = disk.create("a")
    disk.free = (4, 10)
    disk.writev(file, [b"0123"], 0)
    disk.writev(file, [b"4567"], 0)
    with pytest.raises(OSError, match="No space"):
        disk.writev(file, [b"01234"], 4)
    disk.free = (0, 10)
    with pytest.raises(OSError, match="No space"):
        disk.create("b")
    assert disk.free_space("/") == (0, 10)


def test_when_the_power_is_gone_nothing_answers() -> None:
    disk = FakeDisk()
    disk.put("a", b"")
    file = disk.open("a", write=True)
    disk.cut_at(2)
    disk.size(file)
    with pytest.raises(PowerCut):
        disk.writev(file, [b"x" * 512], 0)
    with pytest.raises(PowerCut):
        disk.writev(file, [b"y" * 512], 0)
    assert disk.crash(seed=3).get("a") in (b"", b"x" * 512, bytes(512))


def test_a_write_under_way_may_survive_the_cut() -> None:
    seen = set()
    for seed in range(30):
        disk = FakeDisk()
        disk.put("a", b"")
        file = disk.open("a", write=True)
        disk.cut_at(1)
        with pytest.raises(PowerCut):
            disk.writev(file, [b"x" * 512], 0)
        seen.add(disk.crash(seed).get("a"))
    assert b"x" * 512 in seen
    assert b"" in seen


def test_the_same_seed_gives_the_same_disk() -> None:
    trees = []
    for _ in range(2):
        disk = FakeDisk()
        for name in "abcdefgh":
            written(disk, name, name.encode() * 700, sync=False)
        trees.append(disk.crash(seed=7).tree())
    assert trees[0] == trees[1]

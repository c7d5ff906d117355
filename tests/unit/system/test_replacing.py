from __future__ import annotations

import errno

import pytest

from asyncmta.system.replacing import replace
from asyncmta.testing.disk import FakeDisk
from asyncmta.testing.disk_faults import PowerCut

PATH = "spool/lists/secret"


def replaced() -> FakeDisk:
    disk = FakeDisk()
    replace(disk, PATH, b"old")
    return disk


def steps() -> int:
    disk = replaced()
    before = disk.steps
    replace(disk, PATH, b"new")
    return disk.steps - before


def test_it_is_durable_with_its_directories() -> None:
    assert replaced().crash().tree() == {PATH: b"old"}


@pytest.mark.parametrize("step", range(1, steps() + 1))
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_power_cut_leaves_the_old_or_the_new(step: int, seed: int | None) -> None:
    disk = replaced()
    disk.cut_at(step)
    with pytest.raises(PowerCut):
        replace(disk, PATH, b"new")
    after = disk.crash(seed)
    assert after.get(PATH) in {b"old", b"new"}
    replace(after, PATH, b"newer")
    assert after.crash().tree() == {PATH: b"newer"}


@pytest.mark.parametrize("step", range(1, steps() + 1))
def test_an_error_is_told_and_the_next_one_is_not_in_its_way(step: int) -> None:
    disk = replaced()
    disk.fail_at(step, errno.EIO)
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        replace(disk, PATH, b"new")
    assert disk.get(PATH) in {b"old", b"new"}
    replace(disk, PATH, b"newer")
    assert disk.crash().tree() == {PATH: b"newer"}

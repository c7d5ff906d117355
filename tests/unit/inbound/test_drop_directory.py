"""inbound/drop_directory: what users leave is taken away from them first, and whatever else they leave harms nobody."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncmta.cli.drop import leave
from asyncmta.inbound import drop_directory
from asyncmta.inbound.drop_directory import DropDirectory, DropSettings
from asyncmta.inbound.drop_file import Directions, Dropped, write
from asyncmta.mail.envelope import QueueId, format_queue_id

MESSAGE = Dropped(Directions("me@x.example", ("you@y.example",)), b"Subject: x\n\nhello\n")
NOW = 2e9


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir(mode=0o700)
    return tmp_path / "spool"


def opened(spool: Path, *, mode: int = 0o3733, largest: int = 1000) -> DropDirectory:
    directory = DropDirectory(
        DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped"), mode=mode, largest=largest)
    )
    fifo, _ = directory.prepare(NOW)
    os.close(fifo)
    return directory


def take_all(directory: DropDirectory) -> list[drop_directory.Taken]:
    names, _ = directory.look()
    ids = [QueueId(number) for number in range(1, len(names) + 1)]
    directory.take(list(zip(names, ids, strict=True)))
    return directory.read(ids)


def names_in(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


@pytest.mark.parametrize(("mode", "fifo"), [(0o3733, 0o622), (0o3730, 0o620), (0o700, 0o600)])
def test_it_can_be_written_by_those_who_may_and_read_by_none(spool: Path, mode: int, fifo: int) -> None:
    opened(spool, mode=mode)
    assert stat.S_IMODE((spool / "drop").stat().st_mode) == mode
    assert stat.S_IMODE((spool / "drop" / "wake").stat().st_mode) == fifo
    assert stat.S_IMODE((spool / "dropped").stat().st_mode) == 0o700
    assert bool(spool.stat().st_mode & 0o001) == (mode != 0o700)


def test_what_keeps_others_away_is_said(spool: Path) -> None:
    spool.parent.chmod(0o700)
    directory = DropDirectory(DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped")))
    fifo, closed = directory.prepare(NOW)
    os.close(fifo)
    assert any(reason.startswith(f"{spool.parent} cannot be passed through") for reason in closed)
    assert not any(reason.startswith(f"{spool} ") for reason in closed)


def test_a_message_on_its_way(spool: Path) -> None:
    directory = opened(spool)
    name = leave(str(spool / "drop"), write(MESSAGE))
    file = spool / "drop" / name
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert directory.look() == ([name], [])
    directory.take([(name, QueueId(7))])
    assert not file.exists()
    assert directory.look() == ([], [7])
    (taken,) = directory.read([QueueId(7)])
    assert (taken.queue_id, taken.userid, taken.message) == (7, os.geteuid(), MESSAGE)
    directory.finish([QueueId(7), QueueId(8)], [])
    assert names_in(spool / "dropped") == ["bad"]


def test_who_leaves_something_wakes_whoever_is_there(spool: Path) -> None:
    directory = DropDirectory(DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped")))
    fifo, _ = directory.prepare(NOW)
    with pytest.raises(BlockingIOError):
        os.read(fifo, 10)
    leave(str(spool / "drop"), write(MESSAGE))
    assert os.read(fifo, 10) == b"\n"
    os.close(fifo)
    leave(str(spool / "drop"), b"")  # nobody is there
    assert len(directory.look()[0]) == 2


def test_a_place_without_a_directory_is_an_error_and_nothing_is_left(spool: Path) -> None:
    with pytest.raises(FileNotFoundError):
        leave(str(spool / "drop"), b"x")
    (spool / "elsewhere").mkdir()
    (spool / "drop").symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError):
        leave(str(spool / "drop"), b"x")
    assert names_in(spool / "elsewhere") == []


def test_a_write_that_fails_leaves_nothing(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(spool)

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        leave(str(spool / "drop"), b"x")
    assert names_in(spool / "drop") == ["wake"]


def hostile_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def hostile_fifo(path: Path) -> None:
    os.mkfifo(path)


def hostile_second_name(path: Path) -> None:
    other = path.parent.parent / "other"
    other.write_bytes(write(MESSAGE))
    path.hardlink_to(other)


def hostile_size(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def hostile_octets(path: Path) -> None:
    path.write_bytes(write(MESSAGE)[:-1])


@pytest.mark.parametrize(
    ("made", "why", "is_kept"),
    [
        (hostile_link, "it cannot be opened: ", False),
        (hostile_fifo, "it is no file", False),
        (hostile_second_name, "it has a second name", False),
        (hostile_size, "it is too large", True),
        (hostile_octets, "it is not whole", True),
    ],
)
def test_what_is_no_message(spool: Path, made: Callable[[Path], None], why: str, is_kept: bool) -> None:
    directory = opened(spool)
    made(spool / "drop" / "x.mail")
    good = leave(str(spool / "drop"), write(MESSAGE))
    taken = {each.queue_id: each for each in take_all(directory)}
    assert [each.message for each in taken.values()].count(MESSAGE) == 1
    (bad,) = [each for each in taken.values() if isinstance(each.message, str)]
    assert str(bad.message).startswith(why)
    directory.finish([], [bad.queue_id])
    assert names_in(spool / "dropped" / "bad") == ([format_queue_id(bad.queue_id)] if is_kept else [])
    assert good.endswith(".mail")


def test_a_directory_of_somebody_is_passed_over(spool: Path) -> None:
    directory = opened(spool)
    (spool / "drop" / "x.mail").mkdir()
    (spool / "drop" / ".hidden.mail").write_bytes(b"")
    (spool / "drop" / "tmp.x").write_bytes(b"")
    assert directory.look() == ([], [])


def test_a_directory_that_came_after_the_look_goes_back_and_keeps_no_other(spool: Path) -> None:
    directory = opened(spool)
    (spool / "drop" / "evil.mail").mkdir()
    (spool / "drop" / "evil.mail" / "x").touch()
    (spool / "drop" / "good.mail").write_bytes(write(MESSAGE))
    directory.take([("evil.mail", QueueId(1)), ("good.mail", QueueId(2))])
    assert [taken.message for taken in directory.read([QueueId(1), QueueId(2)])] == [MESSAGE]
    assert names_in(spool / "drop") == ["evil.mail", "wake"]
    (spool / "dropped" / format_queue_id(QueueId(1))).mkdir()  # and if it had not gone back
    directory.finish([QueueId(2)], [QueueId(1)])
    assert format_queue_id(QueueId(2)) not in names_in(spool / "dropped")


def test_only_so_many_are_set_aside(spool: Path) -> None:
    directory = opened(spool)
    for number in range(drop_directory.MOST_SET_ASIDE):
        (spool / "dropped" / "bad" / f"{number}").write_bytes(b"")
    (spool / "drop" / "x.mail").write_bytes(b"nothing")
    (bad,) = take_all(directory)
    directory.finish([], [bad.queue_id, QueueId(99)])
    assert len(names_in(spool / "dropped" / "bad")) == drop_directory.MOST_SET_ASIDE
    assert names_in(spool / "dropped") == ["bad"]


def test_a_look_and_a_round_have_bounds(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_directory, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(drop_directory, "OCTETS_AT_ONCE", 1)
    directory = opened(spool)
    for _ in range(5):
        leave(str(spool / "drop"), write(MESSAGE))
    assert len(directory.look()[0]) == 3
    assert len(take_all(directory)) == 1


def test_what_goes_away_meanwhile_is_not_missed(spool: Path) -> None:
    directory = opened(spool)
    directory.take([("gone.mail", QueueId(1))])
    assert directory.read([QueueId(1)]) == []


def test_what_was_begun_long_ago_is_removed_at_the_start(spool: Path) -> None:
    opened(spool)
    for name, at in (("tmp.old", NOW - 90_000), ("tmp.new", NOW - 10), ("junk", 0), ("waits.mail", 0)):
        (spool / "drop" / name).write_bytes(b"")
        os.utime(spool / "drop" / name, (at, at))
    opened(spool)
    assert names_in(spool / "drop") == ["tmp.new", "waits.mail", "wake"]


def test_a_wake_that_is_not_ours_is_replaced(spool: Path) -> None:
    (spool / "drop").mkdir()
    (spool / "drop" / "wake").symlink_to("/dev/null")
    opened(spool)
    assert stat.S_ISFIFO((spool / "drop" / "wake").lstat().st_mode)


def test_a_link_in_place_of_the_directory_is_refused(spool: Path) -> None:
    (spool / "elsewhere").mkdir(mode=0o700)
    (spool / "drop").symlink_to("elsewhere")
    with pytest.raises(OSError, match="drop"):
        opened(spool)
    assert stat.S_IMODE((spool / "elsewhere").stat().st_mode) == 0o700


def test_a_group_that_is_not_there(spool: Path) -> None:
    settings = DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped"), group="no such group")
    with pytest.raises(KeyError):
        DropDirectory(settings).prepare(NOW)

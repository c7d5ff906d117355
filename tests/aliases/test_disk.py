"""Files of aliases as a disk may have them: not files, not readable, not ours alone, very long. No answer is a "no"."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from aliaskit.house import House

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.alias_file import FRESH, LARGEST, Unreadable, read_table
from asyncmta.mailboxes.alias_text import parse_aliases
from asyncmta.mailboxes.expansion import MOST_RESULTS
from asyncmta.mailboxes.resolver import NoMailbox

NOBODY_UID = 65534


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _writable(path: Path) -> None:
    path.write_text("alice\n")
    path.chmod(0o666)


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _link_to_pipe(path: Path) -> None:
    os.mkfifo(path.parent / "pipe")
    path.symlink_to(path.parent / "pipe")


def _latin(path: Path) -> None:
    path.write_bytes("jérôme\n".encode("latin-1"))


def _wide(path: Path) -> None:
    path.write_bytes("alice\n".encode("utf-16"))


def _surrogate(path: Path) -> None:
    path.write_bytes(b"\xed\xa0\x80\n")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)


STATES: list[tuple[Callable[[Path], None], str]] = [
    (Path.mkdir, "not a file"),
    (_fifo, "not a file"),
    (_link_to_pipe, "not a file"),
    (_writable, "everybody may write it"),
    (_dangling, "No such file or directory"),
    (_circle, "Too many levels of symbolic links"),
    (_latin, "not UTF-8"),
    (_wide, "not UTF-8"),
    (_surrogate, "not UTF-8"),
    (_huge, "larger than 64 MiB"),
]


@pytest.mark.parametrize(("make", "reason"), STATES)
async def test_an_included_file_that_cannot_be_had(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: bob, :include:$DIR/members\nroot: carol\n"})
    make(tmp_path / "members")
    assert await house.ask("list") == f"unknown: {tmp_path}/members: {reason}"
    assert await house.ask("root") == ["carol"]
    assert house.faults == [f"{tmp_path}/members: {reason}"]


@pytest.mark.parametrize(("make", "reason"), STATES)
async def test_a_table_that_cannot_be_had(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    house = House(tmp_path)
    house.write({"virtual": "info@here.example bob\n"})
    (tmp_path / "aliases").unlink()
    make(tmp_path / "aliases")
    for name in ("list", "info", "alice", "nobody"):
        assert (await house.ask(name))[:8] == "unknown:"
    assert await house.ask("joe@far.example") == [">joe@far.example"]
    assert house.faults == [f"aliases: {reason}"]


@pytest.mark.parametrize(("make", "reason"), STATES)
async def test_what_was_put_right_is_read_again(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: :include:$DIR/members\n"})
    make(tmp_path / "members")
    assert (await house.ask("list"))[:8] == "unknown:"
    path = tmp_path / "members"
    path.rmdir() if path.is_dir() else path.unlink()
    path.write_text("alice\n")
    house.clock.advance(FRESH)
    assert await house.ask("list") == ["alice"]


async def test_a_mode_put_right_is_seen_though_nothing_was_written(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: :include:$DIR/members\n"})
    _writable(tmp_path / "members")
    assert (await house.ask("list"))[:8] == "unknown:"
    (tmp_path / "members").chmod(0o644)
    house.clock.advance(FRESH)
    assert await house.ask("list") == ["alice"]
    (tmp_path / "members").chmod(0o646)
    house.clock.advance(FRESH)
    assert (await house.ask("list"))[:8] == "unknown:"


async def test_rcpt_is_told_of_an_empty_list(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: :include:$DIR/members\n", "members": "# nobody yet\n"})
    assert await house.directory.standing(parse_address("list@here.example")) == NoMailbox()


async def test_a_link_is_followed_and_a_new_one_seen(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: :include:$DIR/members\n", "one": "alice\n", "two": "bob\n"})
    (tmp_path / "members").symlink_to(tmp_path / "one")
    assert await house.ask("list") == ["alice"]
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").rename(tmp_path / "members")
    house.clock.advance(FRESH)
    assert await house.ask("list") == ["bob"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root can become somebody else")
def test_a_file_that_we_may_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "aliases").write_text("root: alice\n")
    (folder / "aliases").chmod(0o600)
    where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    before = os.getcwd()
    try:
        os.fchdir(where)
        os.seteuid(NOBODY_UID)
        with pytest.raises(Unreadable, match="Permission denied"):
            read_table("aliases", parse_aliases)
    finally:
        os.seteuid(0)
        os.chdir(before)
        os.close(where)


async def test_a_pipe_leaves_no_descriptor_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = os.listdir("/proc/self/fd")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Unreadable):
            read_table(str(path), parse_aliases)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("form", ["user{}@far.example\n", "User Number {} <user{}@far.example>, (one)\n"])
async def test_a_list_of_a_hundred_thousand(tmp_path: Path, form: str) -> None:
    house = House(tmp_path)
    lines = [form.replace("{}", str(number)) for number in range(MOST_RESULTS)]
    house.write({"aliases": "list: :include:$DIR/members\nmore: list, alice\n", "members": "".join(lines)})
    reached = await house.ask("list")
    assert len(reached) == MOST_RESULTS == 100_000
    assert (reached[0], reached[-1]) == (">user0@far.example", ">user99999@far.example")
    assert await house.ask("more") == "too many"
    assert house.faults == []


async def test_a_list_in_one_line_of_aliases(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write({"aliases": "list: " + ",\n ".join(f"u{number}@far.example" for number in range(20_000))})
    assert len(await house.ask("list")) == 20_000


async def test_twenty_lists_of_ten_thousand_each(tmp_path: Path) -> None:
    house = House(tmp_path)
    lists = {f"m{one}": "".join(f"u{one}-{n}@far.example\n" for n in range(10_000)) for one in range(20)}
    every = ", ".join(f"list{one}" for one in range(20))
    aliases = "".join(f"list{one}: :include:$DIR/m{one}\n" for one in range(20)) + f"all: {every}\n"
    half = aliases + "half: " + ", ".join(f"list{one}" for one in range(10)) + "\n"
    house.write({"aliases": half, **lists})
    assert await house.ask("all") == "too many"
    assert len(await house.ask("half")) == 100_000

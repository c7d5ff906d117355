"""Files of aliases on a real disk: includes, changes, and everything that keeps them from being read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from asyncmta.mailboxes.alias_file import FRESH, MOST_INCLUDES, AliasFile, Unreadable, read_table
from asyncmta.mailboxes.alias_text import Broken, Somebody, Target, parse_aliases
from asyncmta.testing.clock import FakeClock

ALICE, BOB = Somebody("alice"), Somebody("bob")


class Told:
    def __init__(self) -> None:
        self.faults: list[tuple[str, ...]] = []

    def __call__(self, path: str, faults: tuple[str, ...]) -> None:
        self.faults.append(faults)


def opened(path: Path, clock: FakeClock, told: Told | None = None) -> AliasFile:
    return AliasFile(path=str(path), parse=parse_aliases, clock=clock, on_faults=told or Told())


async def test_it_is_read_again_when_it_changes_and_not_oftener_than_it_must(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "aliases"
    path.write_text("root: alice\n")
    file = opened(path, clock)
    assert file.known() is None
    first, second = await asyncio.gather(file.current(), file.current())
    assert first is second is file.known()
    assert first is not None
    assert first.entries == {"root": (ALICE,)}
    path.write_text("root: bob\n")
    assert await file.current() is first  # looked at within this second
    clock.advance(FRESH)
    assert file.known() is None
    changed = await file.current()
    assert changed is not None
    assert changed.entries == {"root": (BOB,)}
    clock.advance(FRESH)
    assert await file.current() is changed  # nothing has changed


async def test_a_file_that_goes_away_cannot_be_told_until_it_is_back(tmp_path: Path) -> None:
    clock, told, path = FakeClock(), Told(), tmp_path / "aliases"
    file = opened(path, clock, told)
    assert await file.current() is None
    clock.advance(FRESH)
    assert await file.current() is None
    assert len(told.faults) == 1  # said once
    assert "No such file" in told.faults[0][0]
    path.write_text("root: alice\n")
    clock.advance(FRESH)
    assert await file.current() is not None
    assert told.faults[1:] == [()]


async def test_included_files_are_read_and_watched(tmp_path: Path) -> None:
    clock, path, members = FakeClock(), tmp_path / "aliases", tmp_path / "members"
    path.write_text(f"list: bob, :include:{members}\nother: :include:{members}\n")
    members.write_text("# who\nalice\n")
    file = opened(path, clock)
    table = await file.current()
    assert table is not None
    assert table.entries == {"list": (BOB, ALICE), "other": (ALICE,)}
    members.write_text("alice, bob\n")
    clock.advance(FRESH)
    table = await file.current()
    assert table is not None
    assert table.entries == {"list": (BOB, ALICE, BOB), "other": (ALICE, BOB)}


async def test_an_include_that_is_missing_costs_those_that_need_it_alone(tmp_path: Path) -> None:
    clock, told, path, members = FakeClock(), Told(), tmp_path / "aliases", tmp_path / "members"
    path.write_text(f"list: :include:{members}\nroot: alice\n")
    file = opened(path, clock, told)
    table = await file.current()
    assert table is not None
    assert isinstance(table.entries["list"][0], Broken)
    assert table.entries["root"] == (ALICE,)
    assert len(told.faults) == 1
    members.write_text("bob\n")
    clock.advance(FRESH)
    table = await file.current()
    assert table is not None
    assert table.entries["list"] == (BOB,)


def test_faults_name_file_and_line(tmp_path: Path) -> None:
    path, members = tmp_path / "aliases", tmp_path / "members"
    path.write_text(f"root: |x\nlist: :include:{members}\n")
    members.write_text("alice\n/x\n")
    assert [fault.partition(": ")[0] for fault in read_table(str(path), parse_aliases).faults] == [
        f"{path}, line 1",
        f"{members}, line 2",
    ]


def test_includes_within_includes_end(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"m{number}").write_text(f"u{number}, :include:{tmp_path}/m{number + 1}\n")
    (tmp_path / "aliases").write_text(f"list: :include:{tmp_path}/m0\nnear: :include:{tmp_path}/m10\n")
    (tmp_path / "m12").write_text("last\n")
    table = read_table(str(tmp_path / "aliases"), parse_aliases)
    assert [one for one in table.entries["list"] if isinstance(one, Somebody)] == [Somebody(f"u{n}") for n in range(10)]
    assert isinstance(table.entries["list"][-1], Broken)
    assert table.entries["near"] == (Somebody("u10"), Somebody("u11"), Somebody("last"))
    assert len(table.faults) == 1


def test_an_include_of_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "m").write_text(f"alice, :include:{tmp_path}/m\n")
    (tmp_path / "aliases").write_text(f"list: :include:{tmp_path}/m\n")
    table = read_table(str(tmp_path / "aliases"), parse_aliases)
    assert isinstance(table.entries["list"][-1], Broken)


def test_too_many_includes(tmp_path: Path) -> None:
    names = [tmp_path / f"m{number}" for number in range(MOST_INCLUDES + 1)]
    for name in names:
        name.write_text("alice\n")
    (tmp_path / "aliases").write_text("list: " + ", ".join(f":include:{name}" for name in names))
    table = read_table(str(tmp_path / "aliases"), parse_aliases)
    assert sum(isinstance(one, Broken) for one in table.entries["list"]) == 1


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "aliases"
    with pytest.raises(Unreadable, match="not a file"):
        read_table(str(tmp_path), parse_aliases)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="not a file"):
        read_table(str(tmp_path / "pipe"), parse_aliases)
    path.write_bytes(b"root: \xff\n")
    with pytest.raises(Unreadable, match="UTF-8"):
        read_table(str(path), parse_aliases)
    path.write_text("root: alice\n")
    path.chmod(0o666)
    with pytest.raises(Unreadable, match="everybody may write"):
        read_table(str(path), parse_aliases)
    path.chmod(0o644)
    monkeypatch.setattr("asyncmta.mailboxes.alias_file.LARGEST", 4)
    with pytest.raises(Unreadable, match="larger"):
        read_table(str(path), parse_aliases)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_who_owns_a_table_includes_his_own_files_and_no_others(tmp_path: Path) -> None:
    admin, other = 54321, 54322
    files = {"his": ("his\n", admin), "secret": ("hush\n/hush\n", 0), "other": ("other\n", other)}
    files |= {"way": (f"way, :include:{tmp_path}/secret\n", admin), "ours": (f"ours, :include:{tmp_path}/way\n", 0)}
    for name, (text, owner) in files.items():
        (tmp_path / name).write_text(text)
        os.chown(tmp_path / name, owner, owner)
    table = tmp_path / "aliases"
    table.write_text("".join(f"a-{name}: :include:{tmp_path}/{name}\n" for name in (*files, "missing")))
    os.chown(table, admin, admin)

    def names(found: tuple[Target, ...]) -> list[str]:
        return [one.local_part for one in found if isinstance(one, Somebody)]

    theirs = read_table(str(table), parse_aliases)
    assert {key: names(found) for key, found in theirs.entries.items()} == {
        "a-his": ["his"],
        "a-secret": [],
        "a-other": [],
        "a-way": ["way"],
        "a-ours": [],
        "a-missing": [],
    }
    assert all(isinstance(theirs.entries[f"a-{name}"][-1], Broken) for name in ("secret", "other", "way", "ours"))
    assert f"{tmp_path}/secret: belongs to somebody else than the file that includes it" in theirs.faults
    assert not [fault for fault in theirs.faults if "hush" in fault]
    os.chown(table, 0, 0)
    trusted = read_table(str(table), parse_aliases).entries
    assert [names(trusted[f"a-{name}"]) for name in files] == [["his"], ["hush"], ["other"], ["way"], ["ours", "way"]]

"""auth/users, reading and users_writing: a real file that changes under a running MTA."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from asyncmta.auth import users_writing
from asyncmta.auth.reading import UsersRefused
from asyncmta.auth.users import LOOK, UsersOnDisk
from asyncmta.auth.users_file import User, Users, with_user
from asyncmta.testing.clock import FakeClock
from tests.unit.auth.authkit import Log, hash_of

Open = Callable[[], UsersOnDisk]


class House:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "users"
        self.clock = FakeClock()
        self.log = Log()
        self.changes: list[Users] = []
        self.opened: list[UsersOnDisk] = []
        self.write("alice")

    def write(self, *logins: str, mode: int = 0o600) -> None:
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{login}:{hash_of('x')}\n" for login in logins))
        new.chmod(mode)
        new.rename(self.path)

    def open(self) -> UsersOnDisk:
        users = UsersOnDisk(
            str(self.path),
            monotonic=self.clock.monotonic,
            maillog=self.log,  # type: ignore[arg-type]
            changed=self.changes.append,
        )
        self.opened.append(users)
        return users


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    for users in made.opened:
        await users.close()


async def logins(users: UsersOnDisk) -> list[str]:
    return list((await users.current()).by_key)


async def test_a_change_is_seen_a_second_later_by_who_logs_in(house: House) -> None:
    users = house.open()
    house.write("alice", "bob")
    assert await logins(users) == ["alice"]  # it was looked at just now
    house.clock.advance(LOOK)
    assert await asyncio.gather(logins(users), logins(users)) == [["alice", "bob"]] * 2
    assert len(house.changes) == 1
    assert [line["users"] for line in house.log.of("auth_users_read")] == [2]
    house.clock.advance(LOOK)
    await users.current()
    assert len(house.changes) == 1
    assert house.log.of("auth_users_readable_by_others") == []


async def test_a_bad_file_refuses_the_start(house: House) -> None:
    house.path.write_text("# \nalice:secret\nbob:secret\n")
    with pytest.raises(UsersRefused, match=r"users: line 2: a field .* \(and 1 more\)\Z") as caught:
        house.open()
    assert "secret" not in str(caught.value)
    house.path.unlink()
    with pytest.raises(UsersRefused, match="cannot be read: No such file"):
        house.open()


@pytest.mark.parametrize("how", ["bad", "gone"])
async def test_a_bad_file_later_keeps_the_users_and_is_said_once(house: House, how: str) -> None:
    users = house.open()
    if how == "bad":
        house.path.write_text("alice\n")
    else:
        house.path.unlink()
    for _ in range(3):
        house.clock.advance(LOOK)
        assert await logins(users) == ["alice"]
    (line,) = house.log.of("auth_users_kept")
    assert line["level"] == "warning"
    assert ("line 1" if how == "bad" else "cannot be read") in line["reason"]
    house.write("bob")
    house.clock.advance(LOOK)
    assert await logins(users) == ["bob"]


async def test_others_who_may_read_it_are_said(house: House) -> None:
    house.write("alice", mode=0o640)
    users = house.open()
    house.clock.advance(LOOK)
    await users.current()
    assert [line["mode"] for line in house.log.of("auth_users_readable_by_others")] == ["0640"]


async def test_a_link_is_followed(house: House, tmp_path: Path) -> None:
    """Secrets in a container are links to links that are exchanged."""
    house.path.rename(tmp_path / "one")
    house.path.symlink_to("one")
    users = house.open()
    (tmp_path / "two").write_text(f"bob:{hash_of('x')}\n")
    (tmp_path / "link").symlink_to("two")
    (tmp_path / "link").rename(house.path)
    house.clock.advance(LOOK)
    assert await logins(users) == ["bob"]


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_keeps_its_mode(house: House, tmp_path: Path) -> None:
    house.write("alice", mode=0o640)
    link = tmp_path / "link"
    link.symlink_to(house.path)
    users_writing.change(str(link), lambda text, _: with_user(text, User("bob", hash_of("x"))))
    assert link.is_symlink()
    assert house.path.read_text().splitlines()[1].startswith("bob:{BLF-CRYPT}$2b$04$")
    assert house.path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "users"]


def test_a_new_file_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "users"
    users_writing.change(str(path), lambda text, users: with_user(text, User("bob", hash_of("x"))))
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_right_is_not_written(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = house.path.read_bytes()
    with pytest.raises(UsersRefused, match="line 1"):
        users_writing.change(str(house.path), lambda text, _: "nonsense\n")

    def refuse(text: str, users: Users) -> str:
        raise KeyError(list(users.by_key))

    with pytest.raises(KeyError, match="alice"):
        users_writing.change(str(house.path), refuse)

    def no_sync(_: int) -> None:
        raise OSError(5, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_sync)
        with pytest.raises(OSError, match="broken"):
            users_writing.change(str(house.path), lambda text, _: text)
    assert house.path.read_bytes() == before
    assert os.listdir(tmp_path) == ["users"]
    house.path.write_text("nonsense\n")
    with pytest.raises(UsersRefused, match="line 1"):
        users_writing.change(str(house.path), lambda text, _: text)


def test_it_is_synced_before_it_takes_its_place_and_the_directory_after(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_sync(file: int) -> None:
        steps.append("sync of " + os.path.basename(os.readlink(f"/proc/self/fd/{file}")).split(".")[0])
        fsync(file)

    def note_rename(old: str, new: str) -> None:
        steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    users_writing.change(str(house.path), lambda text, _: text)
    assert steps == ["sync of users", "rename", f"sync of {house.path.parent.name.split('.')[0]}"]

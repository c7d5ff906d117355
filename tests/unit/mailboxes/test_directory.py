"""Aliases, mailboxes and catch-alls together, on a disk: what RCPT and the intake are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.alias_file import FRESH, AliasFile
from asyncmta.mailboxes.alias_text import parse_aliases, parse_virtual
from asyncmta.mailboxes.directory import Directory, DirectorySettings, Moved
from asyncmta.mailboxes.expansion import Ending, Endless, Expanded, Untold
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk


class House:
    """Two local domains; alice, bob and carol+own have mailboxes at here.example, dora at too.example."""

    def __init__(self, folder: Path, aliases: str = "", virtual: str = "", relocated: str = "") -> None:
        self.clock = FakeClock()
        self.folder = folder
        disk = FakeDisk()
        for name in ("here.example/alice", "here.example/bob", "here.example/carol+own", "too.example/dora"):
            disk.put(f"mail/{name}/new/x")
        domains = ("here.example", "too.example")
        local = LocalSettings(domains=domains, maildir="mail/{domain}/{local_part}", delimiters="+")
        mailboxes = Mailboxes(settings=local, hostname="mx.here.example", clock=self.clock, disk=disk)
        self.directory = Directory(
            settings=DirectorySettings(domains=frozenset(domains), hostname="mx.here.example", delimiters="+"),
            mailboxes=mailboxes,
            tables=[self.file("aliases", aliases), self.file("virtual", virtual)],
            relocated=self.file("relocated", relocated),
        )

    def file(self, name: str, text: str) -> AliasFile:
        path = self.folder / name
        path.write_text(text)
        parse = parse_aliases if name == "aliases" else parse_virtual
        return AliasFile(path=str(path), parse=parse, clock=self.clock, on_faults=lambda path, faults: None)

    async def people(self, address: str) -> list[str]:
        found = await self.directory.expand(parse_address(address))
        if not isinstance(found, Expanded):
            return [type(found).__name__]
        marks = {Ending.MAILBOX: "", Ending.NOBODY: "?", Ending.ELSEWHERE: ">"}
        return [f"{marks[one.ending]}{one.address}{f' by {one.owner}' if one.owner else ''}" for one in found.reached]


@pytest.mark.parametrize(
    ("aliases", "virtual", "address", "people"),
    [
        ("", "", "alice@here.example", ["alice@here.example"]),
        ("", "", "alice+x@here.example", ["alice+x@here.example"]),
        ("", "", "nobody@here.example", ["?nobody@here.example"]),
        ("", "", "dora@here.example", ["?dora@here.example"]),
        ("", "", "postmaster@mx.here.example", ["postmaster@mx.here.example"]),
        ("", "", "x@far.example", [">x@far.example"]),
        ("root: alice", "", "root@here.example", ["alice@here.example"]),
        ("root: alice", "", "root@mx.here.example", ["?alice@mx.here.example"]),
        ("root: alice", "", "root+x@here.example", ["alice@here.example"]),
        ("root: alice\nroot+x: bob", "", "root+x@here.example", ["bob@here.example"]),
        ("postmaster: bob", "", "postmaster@here.example", ["bob@here.example"]),
        ("postmaster: bob@here.example", "", "postmaster@mx.here.example", ["bob@here.example"]),
        ("", "info@here.example bob", "info@here.example", ["bob@here.example"]),
        ("info: alice", "info@here.example bob", "info@here.example", ["alice@here.example"]),
        ("", "@here.example bob", "nobody@here.example", ["bob@here.example"]),
        ("", "@here.example bob", "alice@here.example", ["alice@here.example"]),
        ("", "@too.example @here.example", "alice@too.example", ["alice@here.example"]),
        ("", "@too.example @here.example", "dora@too.example", ["?dora@here.example"]),
        ("", "@too.example @here.example\ndora@too.example \\dora", "dora@too.example", ["dora@too.example"]),
        ("alice: alice, a@far.example", "", "alice@here.example", ["alice@here.example", ">a@far.example"]),
        ("list: alice\nowner-list: bob", "", "list@here.example", ["alice@here.example by owner-list@here.example"]),
        ("list: alice\nowner-list: bob", "", "list+x@here.example", ["alice@here.example by owner-list@here.example"]),
        ("a: b\nb: a", "", "a@here.example", ["Endless"]),
        ("a: |x", "", "a@here.example", ["Untold"]),
        ("carol: bob", "", "carol+own@here.example", ["bob@here.example"]),
        ("", "", "carol+own@here.example", ["carol+own@here.example"]),
    ],
)
async def test_who_that_is(tmp_path: Path, aliases: str, virtual: str, address: str, people: list[str]) -> None:
    assert await House(tmp_path, aliases, virtual).people(address) == people


async def test_a_table_that_cannot_be_read_is_never_a_no(tmp_path: Path) -> None:
    house = House(tmp_path, "root: alice")
    assert await house.people("root@here.example") == ["alice@here.example"]
    (tmp_path / "aliases").unlink()
    house.clock.advance(FRESH)
    for name in ("root", "nobody", "alice"):
        assert await house.people(f"{name}@here.example") == ["Untold"]
    assert await house.people("x@far.example") == [">x@far.example"]


async def test_who_has_moved(tmp_path: Path) -> None:
    house = House(tmp_path, relocated="eve@here.example eve@new.example\n")
    assert await house.directory.moved(parse_address("Eve@here.example")) == Moved("eve@new.example")
    assert await house.directory.moved(parse_address("alice@here.example")) is None
    (tmp_path / "relocated").unlink()
    house.clock.advance(FRESH)
    assert isinstance(await house.directory.moved(parse_address("eve@here.example")), Untold)


async def test_nobody_moves_where_there_is_no_table(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.directory = Directory(settings=DirectorySettings(), mailboxes=house.directory._mailboxes)
    assert await house.directory.moved(parse_address("eve@here.example")) is None
    assert not house.directory.has_tables


async def test_trouble_with_the_disk_is_never_a_no(tmp_path: Path) -> None:
    house = House(tmp_path, "list: alice, eve")
    disk = house.directory._mailboxes._disk
    assert isinstance(disk, FakeDisk)
    disk.put("mail/here.example/eve/new/x")

    def fails(path: str) -> int:
        raise PermissionError(13, "Permission denied")

    disk.open = fails  # type: ignore[method-assign]
    found = await house.directory.expand(parse_address("list@here.example"))
    assert isinstance(found, Untold | Endless)

"""Aliases, mailboxes and catch-alls together, on a disk: what RCPT and the intake are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.alias_file import FRESH, AliasFile
from asyncmta.mailboxes.alias_text import Somebody, parse_aliases, parse_virtual
from asyncmta.mailboxes.directory import (
    MOST_AT_RCPT,
    Directory,
    DirectorySettings,
    LocalDomain,
    Moved,
    Reachable,
    Standing,
)
from asyncmta.mailboxes.expansion import Ending, Endless, Expanded, Untold
from asyncmta.mailboxes.resolver import LocalSettings, Mailbox, Mailboxes, NoMailbox
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk


class House:
    """Three local domains; alice, bob and carol+own have mailboxes at here.example, dora at too.example; more.example
    has a table of its own, and rest.example a relay for whom we do not know."""

    def __init__(
        self,
        folder: Path,
        aliases: str = "",
        virtual: str = "",
        relocated: str = "",
        *,
        own: str = "",
        otherwise: Somebody | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.folder = folder
        disk = FakeDisk()
        for name in ("here.example/alice", "here.example/bob", "here.example/carol+own", "too.example/dora"):
            disk.put(f"mail/{name}/new/x")
        disk.put("mail/rest.example/emil/new/x")
        domains = ("here.example", "too.example", "more.example", "rest.example")
        local = LocalSettings(domains=domains, maildir="mail/{domain}/{local_part}", delimiters="+")
        mailboxes = Mailboxes(settings=local, hostname="mx.here.example", clock=self.clock, disk=disk)
        self.directory = Directory(
            settings=DirectorySettings(domains=frozenset(domains), hostname="mx.here.example", delimiters="+"),
            mailboxes=mailboxes,
            tables=[self.file("aliases", aliases), self.file("virtual", virtual)],
            relocated=self.file("relocated", relocated),
            domains={
                "here.example": LocalDomain(otherwise=otherwise),
                "more.example": LocalDomain(self.file("own-virtual", own)),
                "rest.example": LocalDomain(has_relay=True),
            },
        )
        self.mailboxes = mailboxes

    def file(self, name: str, text: str) -> AliasFile:
        path = self.folder / name
        path.write_text(text)
        parse = parse_aliases if name == "aliases" else parse_virtual
        return AliasFile(path=str(path), parse=parse, clock=self.clock, on_faults=lambda path, faults: None)

    async def people(self, address: str) -> list[str]:
        found = await self.directory.expand(parse_address(address))
        if not isinstance(found, Expanded):
            return [type(found).__name__]
        marks = {Ending.MAILBOX: "", Ending.NOBODY: "?", Ending.ELSEWHERE: ">", Ending.MOVED: "~", Ending.RELAYED: "*"}
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


ALICE = Somebody("alice", "here.example")


@pytest.mark.parametrize(
    ("tables", "address", "people"),
    [
        ({"otherwise": ALICE}, "nobody@here.example", ["alice@here.example"]),
        ({"otherwise": ALICE}, "bob@here.example", ["bob@here.example"]),
        ({"otherwise": ALICE}, "bob+x@here.example", ["bob+x@here.example"]),
        ({"otherwise": ALICE}, "nobody@too.example", ["?nobody@too.example"]),
        ({"otherwise": Somebody("x", "far.example")}, "nobody@here.example", [">x@far.example"]),
        ({"otherwise": Somebody("none", "here.example")}, "nobody@here.example", ["?none@here.example"]),
        ({"otherwise": ALICE, "virtual": "@here.example bob"}, "nobody@here.example", ["bob@here.example"]),
        ({"otherwise": ALICE, "aliases": "a: none"}, "a@here.example", ["alice@here.example"]),
        ({"otherwise": ALICE, "relocated": "eve eve@new.example"}, "eve@here.example", ["~eve@here.example"]),
        ({}, "emil@rest.example", ["emil@rest.example"]),
        ({}, "nobody@rest.example", ["*nobody@rest.example"]),
        (
            {"aliases": "a: nobody@rest.example, alice@here.example"},
            "a@too.example",
            ["*nobody@rest.example", "alice@here.example"],
        ),
        ({"aliases": "a: \\zoe@rest.example, zoe@rest.example"}, "a@here.example", ["*zoe@rest.example"]),
        ({"aliases": "a: \\alice, alice"}, "a@here.example", ["alice@here.example"]),
        (
            {"virtual": "info@far.example alice@here.example"},
            '"info@far.example"@here.example',
            ['?"info@far.example"@here.example'],
        ),
        ({"own": "info alice@here.example"}, "info@more.example", ["alice@here.example"]),
        ({"own": "info alice@here.example"}, "info@here.example", ["?info@here.example"]),
        (
            {"own": "info bob@here.example", "aliases": "info: alice@here.example"},
            "info@more.example",
            ["alice@here.example"],
        ),
        ({"own": "@more.example @here.example"}, "bob@more.example", ["bob@here.example"]),
        (
            {"own": "team x@far.example\nowner-team bob@here.example"},
            "team@more.example",
            [">x@far.example by owner-team@more.example"],
        ),
        ({"relocated": "@too.example @new.example"}, "dora@too.example", ["~dora@too.example"]),
        ({"relocated": "alice a@new.example", "aliases": "alice: bob"}, "alice@here.example", ["bob@here.example"]),
        (
            {"aliases": "a: eve, alice", "relocated": "eve x@new.example"},
            "a@here.example",
            ["~eve@here.example", "alice@here.example"],
        ),
        ({"relocated": "eve |x"}, "eve@here.example", ["Moved?"]),
    ],
)
async def test_who_that_is_by_domain(tmp_path: Path, tables: dict[str, Any], address: str, people: list[str]) -> None:
    expected = ["Untold"] if people == ["Moved?"] else people
    assert await House(tmp_path, **tables).people(address) == expected


@pytest.mark.parametrize(
    ("tables", "address", "standing"),
    [
        ({}, "alice@here.example", Reachable(Mailbox("mail/here.example/alice"))),
        ({}, "alice+X@here.example", Reachable(Mailbox("mail/here.example/alice", detail="x"))),
        ({}, "nobody@here.example", NoMailbox()),
        ({}, "emil@rest.example", Reachable(Mailbox("mail/rest.example/emil"))),
        ({}, "nobody@rest.example", Reachable()),
        ({"aliases": "a: alice, none"}, "a@here.example", Reachable()),
        ({"aliases": "a: none, nil"}, "a@here.example", NoMailbox()),
        ({"aliases": "a: x@far.example"}, "a@here.example", Reachable()),
        ({"aliases": "a: b\nb: a"}, "a@here.example", "a@here.example stands for itself by way of others"),
        ({"aliases": "a: |x"}, "a@here.example", Untold),
        ({"otherwise": ALICE}, "nobody@here.example", Reachable()),
        ({"relocated": "eve x"}, "Eve@here.example", Moved("x@here.example")),
        ({"relocated": "eve x@new.example, y@new.example"}, "eve@here.example", Moved("x@new.example, y@new.example")),
        ({"relocated": "@too.example @new.example"}, "dora@too.example", Moved("dora@new.example")),
        (
            {"relocated": "@too.example @new.example"},
            "postmaster@too.example",
            Reachable(Mailbox("mail/too.example/postmaster", may_make=True)),
        ),
        ({"relocated": "postmaster x@new.example"}, "Postmaster@too.example", Moved("x@new.example")),
        ({"relocated": "eve x@new.example", "aliases": "a: eve"}, "a@here.example", NoMailbox()),
        ({"relocated": "eve |x"}, "eve@here.example", Untold),
    ],
)
async def test_what_rcpt_is_told(tmp_path: Path, tables: dict[str, Any], address: str, standing: Any) -> None:
    found = await House(tmp_path, **tables).directory.standing(parse_address(address))
    if isinstance(standing, str):
        assert found == Untold(standing)
    elif standing is Untold:
        assert isinstance(found, Untold)
    else:
        assert found == standing


async def test_rcpt_does_not_wait_for_a_long_list(tmp_path: Path) -> None:
    members = ", ".join(f"u{number}@far.example" for number in range(MOST_AT_RCPT))
    house = House(tmp_path, f"few: {members.partition(', ')[2]}\nmany: {members}, u{MOST_AT_RCPT}@far.example")
    assert await house.directory.standing(parse_address("few@here.example")) == Reachable()
    assert await house.directory.standing(parse_address("many@here.example")) == Reachable()
    assert len(await house.people("many@here.example")) == MOST_AT_RCPT + 1


async def test_what_is_known_at_once(tmp_path: Path) -> None:
    house = House(tmp_path, "root: alice", relocated="eve x@new.example", otherwise=ALICE)
    directory = house.directory

    def known(name: str) -> Standing | None:
        return directory.known(parse_address(f"{name}.example"))

    names = ("alice@here", "dora@too", "nobody@too", "emil@rest", "root@here", "eve@too", "nobody@here", "nobody@rest")
    assert [known(name) for name in names] == [None] * len(names)  # not read yet
    await directory.load()
    for name in names:
        await house.mailboxes.lookup(parse_address(f"{name}.example"))
    assert [known(name) for name in names] == [
        Reachable(Mailbox("mail/here.example/alice")),
        Reachable(Mailbox("mail/too.example/dora")),
        NoMailbox(),
        Reachable(Mailbox("mail/rest.example/emil")),
        *[None] * 4,
    ]
    house.clock.advance(FRESH)
    assert known("alice@here") is None


async def test_a_catch_all_of_a_table_costs_those_nothing_who_have_a_mailbox(tmp_path: Path) -> None:
    house = House(tmp_path, virtual="@here.example bob\n@too.example @here.example")
    await house.directory.load()
    for name in ("alice@here", "nobody@here", "dora@too", "nobody@more"):
        address = parse_address(f"{name}.example")
        await house.mailboxes.lookup(address)
        assert house.directory.is_plain(address) == (name in ("alice@here", "nobody@more")), name


async def test_where_nothing_is_configured_nobody_has_to_be_asked(tmp_path: Path) -> None:
    house = House(tmp_path)
    plain = Directory(settings=DirectorySettings(domains=frozenset({"here.example"})), mailboxes=house.mailboxes)
    alice = parse_address("alice@here.example")
    assert plain.is_plain(alice)
    assert plain.known(alice) is None  # the disk has to
    assert await plain.standing(alice) == Reachable(Mailbox("mail/here.example/alice"))
    assert plain.known(alice) == Reachable(Mailbox("mail/here.example/alice"))


@pytest.mark.parametrize(
    ("name", "address", "others"),
    [
        ("aliases", "alice@here.example", "dora@too.example"),
        ("relocated", "alice@here.example", "dora@too.example"),
        ("own-virtual", "info@more.example", None),
    ],
)
async def test_a_table_that_cannot_be_read_is_a_delay(
    tmp_path: Path, name: str, address: str, others: str | None
) -> None:
    house = House(tmp_path)
    (tmp_path / name).unlink()
    assert isinstance(await house.directory.standing(parse_address(address)), Untold)
    assert isinstance(await house.directory.standing(parse_address(others or address)), Untold)
    if others is None:  # of one domain alone
        assert isinstance(await house.directory.standing(parse_address("alice@here.example")), Reachable)
    (tmp_path / name).write_text("")
    house.clock.advance(FRESH)
    assert not isinstance(await house.directory.standing(parse_address(address)), Untold)


async def test_an_empty_table_is_not_a_missing_one(tmp_path: Path) -> None:
    assert await House(tmp_path).directory.standing(parse_address("nobody@here.example")) == NoMailbox()


async def test_the_disk_cannot_tell(tmp_path: Path) -> None:
    house = House(tmp_path)
    disk = house.mailboxes._disk
    assert isinstance(disk, FakeDisk)

    def fails(path: str) -> int:
        raise PermissionError(13, "Permission denied")

    disk.open = fails  # type: ignore[method-assign]
    alice = parse_address("alice@here.example")
    assert await house.directory.standing(alice) == Untold("EACCES", is_alone=True)
    assert house.directory.known(alice) == Untold("EACCES")

"""From the settings to the directory: each key of [local] and [[domain]] in effect, on real files."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from asyncmta.config import Settings
from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.alias_file import FRESH
from asyncmta.mailboxes.directory import Directory, Moved, Reachable
from asyncmta.mailboxes.expansion import Expanded, Untold
from asyncmta.mailboxes.resolver import Mailbox, NoMailbox
from asyncmta.maillog import MailLog
from asyncmta.mta_local import MOST_FAULTS, build_directory, build_mailboxes
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.clock import FakeClock

FILES = {
    "aliases": "root: alice@here.example\nteam: alice, x@far.example\n",
    "virtual": "info@here.example alice\n@whole.example @here.example\n",
    "relocated": "eve@here.example eve@new.example\n",
    "own": "sales: alice@here.example\n",
    "list": "lisa\n",
}
LOCAL = {
    "domains": ["here.example", "whole.example"],
    "maildir": "mail/{domain}/{local_part}",
    "aliases": "aliases",
    "virtual": "virtual",
    "relocated": "relocated",
    "delimiters": "+",
}
DOMAINS = [
    {
        "name": "own.example",
        "aliases": "own",
        "catch_all": "sales",
        "mailboxes": ["carol"],
        "maildir": "kept/{local_part}",
    },
    {"name": "file.example", "mailboxes": "file:list", "unknown_user": "relay:mx.far.example:26"},
    {"name": "db.example", "mailboxes": "sqlite:db", "query": "SELECT 1 FROM users WHERE name = :local_part"},
    {"name": "any.example", "mailboxes": "any", "unknown_user": "alias:root@here.example"},
    {"name": "else.example", "unknown_user": "alias:root@here.example"},
]


class Built:
    def __init__(self, folder: Path, **more: Any) -> None:
        for name, text in FILES.items():
            (folder / name).write_text(text)
        (folder / "mail/here.example/alice").mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "db")) as made:
            made.execute("CREATE TABLE users (name TEXT)")
            made.execute("INSERT INTO users VALUES ('dora')")
            made.commit()
        self.settings = Settings.from_dict(
            {"hostname": "mx.example", "local": LOCAL, "domain": DOMAINS, "log": {"format": "json"}}, folder=folder
        )
        self.clock = FakeClock()
        self._lines = io.BytesIO()
        self.maillog = MailLog(clock=self.clock, stream=self._lines, format="json")
        mailboxes = build_mailboxes(
            self.settings, clock=self.clock, disk=PosixDisk(), maillog=self.maillog, exists=more.get("exists")
        )
        self.directory: Directory = build_directory(
            self.settings, mailboxes=mailboxes, clock=self.clock, maillog=self.maillog
        )

    async def stands(self, text: str) -> object:
        return await self.directory.standing(parse_address(text))

    async def people(self, text: str) -> list[str]:
        found = await self.directory.expand(parse_address(text))
        assert isinstance(found, Expanded)
        return [str(one.address) for one in found.reached]

    def log(self) -> list[dict[str, Any]]:
        self.maillog.close()
        return [json.loads(line) for line in self._lines.getvalue().splitlines()]


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path)


async def test_each_key_is_in_effect(built: Built, tmp_path: Path) -> None:
    assert built.directory.has_tables
    alice = Mailbox(str(tmp_path / "mail/here.example/alice"))
    assert await built.stands("alice@here.example") == Reachable(alice)
    assert await built.stands("Alice+Lists@here.example") == Reachable(Mailbox(alice.path, detail="lists"))
    assert await built.people("root@here.example") == ["alice@here.example"]
    assert await built.people("info@here.example") == ["alice@here.example"]
    assert await built.people("team@here.example") == ["alice@here.example", "x@far.example"]
    assert await built.people("alice@whole.example") == ["alice@here.example"]
    assert await built.stands("nobody@whole.example") == NoMailbox()
    assert await built.stands("eve@here.example") == Moved("eve@new.example")
    assert await built.stands("nobody@here.example") == NoMailbox()
    assert await built.stands("postmaster@mx.example") == Reachable(
        Mailbox(str(tmp_path / "mail/mx.example/postmaster"), may_make=True)
    )


async def test_the_postmaster_at_the_host_name_has_the_aliases_of_a_local_domain(built: Built, tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("postmaster: root, \\postmaster\nroot: alice\n")
    assert await built.people("postmaster@mx.example") == ["alice@here.example", "postmaster@here.example"]
    assert await built.people("postmaster@whole.example") == ["alice@here.example", "postmaster@whole.example"]


async def test_each_domain_in_its_own_way(built: Built, tmp_path: Path) -> None:
    assert await built.people("sales@own.example") == ["alice@here.example"]
    assert await built.stands("sales@here.example") == NoMailbox()
    assert await built.stands("carol@own.example") == Reachable(Mailbox(str(tmp_path / "kept/carol"), may_make=True))
    assert await built.people("nobody@own.example") == ["alice@here.example"]
    assert await built.people("root@own.example") == ["alice@here.example"]
    assert isinstance(await built.stands("lisa@file.example"), Reachable)
    assert await built.stands("nobody@file.example") == Reachable()
    assert built.settings.routing().route_of("unknown:file.example").hosts == ("mx.far.example:26",)  # type: ignore[union-attr]
    assert isinstance(await built.stands("Dora+x@db.example"), Reachable)
    assert await built.stands("lisa@db.example") == NoMailbox()
    assert isinstance(await built.stands("anybody@any.example"), Reachable)
    assert await built.people("nobody@else.example") == ["alice@here.example"]
    assert built.log() == []


async def test_a_program_that_knows_stands_for_local_and_not_for_a_domain_with_its_own_way(tmp_path: Path) -> None:
    asked = []

    async def exists(address: str) -> bool:
        asked.append(address)
        return address.startswith("pia")

    built = Built(tmp_path, exists=exists)
    assert isinstance(await built.stands("pia@here.example"), Reachable)
    assert await built.stands("alice@here.example") == NoMailbox()
    assert isinstance(await built.stands("pia@else.example"), Reachable)
    assert await built.stands("pia@db.example") == NoMailbox()
    assert isinstance(await built.stands("dora@db.example"), Reachable)
    assert asked == ["pia@here.example", "alice@here.example", "pia@else.example"]


async def test_what_is_wrong_with_files_is_in_the_log_once_and_when_it_is_over(built: Built, tmp_path: Path) -> None:
    for name in ("aliases", "list", "db"):
        (tmp_path / name).rename(tmp_path / f"{name}.aside")
    (tmp_path / "own").write_text("".join(f"a{number}: |x\n" for number in range(MOST_FAULTS + 2)))
    await built.directory.load()
    for _ in range(2):
        assert isinstance(await built.stands("alice@here.example"), Untold)
        built.clock.advance(FRESH)
    for name in ("aliases",):
        (tmp_path / f"{name}.aside").rename(tmp_path / name)
    built.clock.advance(FRESH)
    assert isinstance(await built.stands("lisa@file.example"), Untold)
    assert isinstance(await built.stands("dora@db.example"), Untold)
    assert isinstance(await built.stands("alice@here.example"), Reachable)
    lines = built.log()
    told = [(line["event"], Path(line["table"]).name) for line in lines]
    assert told == [
        ("table_fault", "aliases"),
        *[("table_fault", "own")] * (MOST_FAULTS + 1),
        ("table_mended", "aliases"),
        ("table_fault", "list"),
        ("table_fault", "db"),
    ]
    assert "No such file" in lines[0]["reason"]
    assert "line 1: |x: programs are not started by an alias" in lines[1]["reason"]
    assert lines[MOST_FAULTS + 1]["reason"] == "and 2 more like that"


async def test_a_changed_file_is_in_effect_within_a_second(built: Built, tmp_path: Path) -> None:
    assert await built.stands("new@here.example") == NoMailbox()
    (tmp_path / "aliases").write_text("new: alice\n")
    built.clock.advance(FRESH)
    assert await built.people("new@here.example") == ["alice@here.example"]
    assert await built.stands("root@here.example") == NoMailbox()


def test_without_tables_nobody_is_asked(tmp_path: Path) -> None:
    settings = Settings.from_dict({"hostname": "mx.example", "local": {"domains": ["here.example"]}}, folder=tmp_path)
    clock = FakeClock()
    maillog = MailLog(clock=clock, stream=io.BytesIO())
    mailboxes = build_mailboxes(settings, clock=clock, disk=PosixDisk(), maillog=maillog)
    directory = build_directory(settings, mailboxes=mailboxes, clock=clock, maillog=maillog)
    assert directory.files == ()
    assert not directory.has_tables
    assert directory.is_plain(parse_address("anybody@here.example"))

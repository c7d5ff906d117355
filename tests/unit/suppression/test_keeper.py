"""The list of a running MTA: its file, and what is added by itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.failure_class import FailureClass
from asyncmta.suppression.counting import Automatic
from asyncmta.suppression.entries import Suppression, entry, printed
from asyncmta.suppression.keeper import LOOK, Keeper
from asyncmta.testing.clock import EPOCH, FakeClock


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: Any) -> None:
        self.said.append((event, facts))


class Kept:
    def __init__(self, path: Path, automatic: Automatic | None = None) -> None:
        self.path, self.clock, self.log = path, FakeClock(), Log()
        self.keeper = Keeper(path=str(path), clock=self.clock, maillog=self.log, automatic=automatic)

    async def look(self, text: str) -> str | None:
        """What is said when the file was looked at."""
        self.clock.advance(LOOK)
        self.keeper.of(parse_address(text))
        await self.keeper.close()  # which waits for the look
        return self.now(text)

    def now(self, text: str) -> str | None:
        found = self.keeper.of(parse_address(text))
        return None if found is None else found.address


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "list")


def bob() -> Address:
    return parse_address("bob@a.example")


async def test_a_list_that_is_not_there_is_empty_and_can_be_added_to(kept: Kept) -> None:
    await kept.keeper.open()
    assert len(kept.keeper) == 0
    assert kept.now("bob@a.example") is None
    await kept.keeper.add([entry("bob@a.example", "asked"), entry("@b.example")])
    assert kept.now("bob@a.example") == "bob@a.example"
    assert kept.now("x@b.example") == "@b.example"
    assert [each.address for each in kept.keeper.entries()] == ["@b.example", "bob@a.example"]
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert await kept.keeper.remove(["bob@a.example", "nobody@a.example"]) == 1
    assert await kept.keeper.remove(["bob@a.example"]) == 0
    assert kept.now("bob@a.example") is None
    other = Kept(kept.path)
    await other.keeper.open()
    assert other.now("x@b.example") == "@b.example"
    for each in (kept, other):
        await each.keeper.close()


async def test_a_change_by_somebody_else_is_seen(kept: Kept) -> None:
    await kept.keeper.open()
    kept.path.write_bytes(printed([entry("bob@a.example")]))
    assert kept.now("bob@a.example") is None
    assert await kept.look("bob@a.example") == "bob@a.example"
    kept.path.write_bytes(b"")
    assert await kept.look("bob@a.example") is None


async def test_what_cannot_be_read_leaves_the_list_as_it_was(kept: Kept) -> None:
    kept.path.write_bytes(printed([entry("bob@a.example")]))
    await kept.keeper.open()
    kept.path.unlink()
    kept.path.mkdir()
    assert await kept.look("bob@a.example") == "bob@a.example"
    assert await kept.look("bob@a.example") == "bob@a.example"
    kept.path.rmdir()
    kept.path.write_bytes(printed([entry("ann@a.example")]) + b"half")
    assert await kept.look("ann@a.example") == "ann@a.example"
    kept.path.write_bytes(b"")
    assert await kept.look("bob@a.example") is None
    assert [event for event, _ in kept.log.said] == ["suppressions_unreadable"] * 2 + ["suppressions_readable"]
    assert "[2]" in kept.log.said[1][1]["reason"]


async def test_it_does_not_begin_without_a_list_that_is_there(kept: Kept) -> None:
    kept.path.mkdir()
    with pytest.raises(OSError, match="directory"):
        await kept.keeper.open()


async def test_who_fails_too_often_is_put_on_the_list(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "list", Automatic(classes=frozenset({"no_mailbox"}), after=2, window=60.0, expires=100.0))
    keeper = kept.keeper
    await keeper.open()
    keeper.failed(bob(), FailureClass.FULL, EPOCH)
    keeper.failed(bob(), FailureClass.NO_MAILBOX, EPOCH)
    assert kept.log.said == []
    keeper.failed(bob(), FailureClass.NO_MAILBOX, EPOCH + 1)
    await keeper.close()
    assert keeper.get("bob@a.example") == Suppression("bob@a.example", "automatic: no_mailbox", EPOCH + 1, EPOCH + 101)
    keeper.failed(bob(), FailureClass.NO_MAILBOX, EPOCH + 2)
    await keeper.close()
    assert [event for event, _ in kept.log.said] == ["suppression_added"]
    kept.clock.advance(200.0)
    assert await kept.look("bob@a.example") is None


async def test_a_disk_that_fails_then_costs_a_line_of_the_log(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "gone" / "list", Automatic(classes=frozenset({"full"}), after=1, expires=0.0))
    await kept.keeper.open()
    kept.keeper.failed(bob(), FailureClass.FULL, EPOCH)
    await kept.keeper.close()
    assert [event for event, _ in kept.log.said] == ["suppression_failed"]


async def test_many_at_once_do_not_lose_each_other(kept: Kept) -> None:
    await kept.keeper.open()
    await asyncio.gather(*(kept.keeper.add([entry(f"u{number}@a.example")]) for number in range(20)))
    assert len(kept.keeper) == 20
    assert os.listdir(kept.path.parent) == ["list"]

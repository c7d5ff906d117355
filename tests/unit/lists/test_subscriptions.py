"""Subscriptions for our users where the disk or the queue will not have it now."""

from __future__ import annotations

import errno
import re

import pytest

from asyncmta.lists.lists import UNSURE, Asked
from asyncmta.lists.request_files import RequestFiles
from asyncmta.lists.secret import Secret
from asyncmta.lists.sublists import ASK_AGAIN
from asyncmta.lists.subscriptions import CONFIRMED, HANDED_ON, NOT_ITS, Subscriptions
from asyncmta.mail.address import parse_address
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

CONFIRM = b"From: <dev-confirm+t0ken@l.example>\r\n"


class House:
    """One user, bob, who wants one list."""

    def __init__(self, folder):
        (folder / "bob").mkdir()
        self.file = folder / "bob" / "lists"
        self.file.write_text("dev@l.example\n")
        self.pattern = f"{folder}/{{local_part}}/lists"
        self.clock, self.disk = FakeClock(), FakeDisk()
        self.said, self.sent, self.takes = [], [], True
        self.open()

    def open(self):
        self.subscriptions = Subscriptions(
            files=RequestFiles(self.pattern, ["a.example"]),
            disk=self.disk,
            directory="/spool/lists",
            domain="a.example",
            owner=parse_address("postmaster@a.example"),
            secret=Secret(disk=self.disk, directory="/spool/lists"),
            clock=self.clock,
            every=60.0,
            note=lambda level, event, **facts: self.said.append(event),
        )

    async def send(self, sender, to, content):
        assert re.search(rb"^From: <sub-", content)
        if self.takes:
            self.sent.append((sender, str(to)))
        return self.takes

    async def look(self):
        await self.subscriptions._load()
        await self.subscriptions.look(self.send)

    async def come(self, section=CONFIRM, sender="x@l.example", message="1"):
        own, _ = self.sent[0]
        assert self.subscriptions.claims(own)
        return await self.subscriptions.take(
            Asked(own, parse_address(sender), section, section, message, self.clock.now())
        )


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


async def test_a_queue_that_is_full_is_asked_again_at_once(house):
    house.takes = False
    await house.look()
    assert house.sent == []
    house.takes = True
    await house.look()
    await house.look()
    assert [to for _, to in house.sent] == ["dev-subscribe@l.example"]
    house.clock.advance(ASK_AGAIN)
    await house.look()
    assert len(house.sent) == 2


async def test_what_cannot_be_kept_is_not_answered(house):
    await house.look()
    house.disk.fail_at(1, errno.EIO, for_good=True)
    answer = await house.come()
    assert (answer.outcome, answer.letters) == (UNSURE, ())
    assert house.said[-1] == "subscriptions_failed"


async def test_a_confirmation_that_comes_twice_after_a_crash_is_answered_twice(house):
    await house.look()
    first = await house.come()
    house.disk = house.disk.crash(7)
    house.open()
    await house.subscriptions._load()
    again = await house.come()
    assert first.outcome == again.outcome == CONFIRMED
    assert [str(each.recipient) for each in (*first.letters, *again.letters)] == ["dev-confirm+t0ken@l.example"] * 2
    other = await house.come(message="2")
    assert other.outcome == HANDED_ON
    assert list(map(str, other.onward)) == ["bob@a.example"]
    assert (await house.come(b"", "x@evil.example")).outcome == NOT_ITS


@pytest.mark.parametrize("seed", range(8))
async def test_what_was_asked_survives_a_power_cut(house, seed):
    await house.look()
    house.disk = house.disk.crash(seed)
    house.open()
    await house.look()
    assert len(house.sent) == 1
    assert (await house.come()).outcome == CONFIRMED


async def test_before_anything_is_known_everything_waits(house):
    await house.look()
    house.open()
    assert (await house.come()).outcome == UNSURE
    assert not house.subscriptions.claims(parse_address("sub-short@a.example"))
    assert not house.subscriptions.claims(parse_address("sub-aaaaaaaaaaaa@b.example"))

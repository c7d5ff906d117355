"""Requests, confirmations and bounces, one message at a time."""

from __future__ import annotations

import asyncio
import errno
import re
from email import message_from_bytes

import pytest
import pytest_asyncio

from asyncmta.lists.bounce_counts import sums
from asyncmta.lists.bounce_file import BounceFile
from asyncmta.lists.lists import (
    ASKED,
    CHANGED,
    COUNTED,
    IGNORED,
    PER_ADDRESS_AND_LIST,
    UNSUITABLE,
    UNSURE,
    WORTHLESS,
    Asked,
    Lists,
)
from asyncmta.lists.names import MailingList
from asyncmta.lists.posting import LOOP, Post
from asyncmta.lists.secret import Secret
from asyncmta.mail.address import parse_address
from asyncmta.testing.disk import FakeDisk

NOW = 1_750_000_000.0
REPORT = b"Content-Type: multipart/report; report-type=delivery-status\r\n"


class Desk:
    """One list `dev` with ann on it, its spool in memory and its members on the disk."""

    def __init__(self, path):
        self.path = path
        self.disk = FakeDisk()
        self.said = []
        self.count = 0
        path.write_text("ann@a.example\n")
        self.open()

    def open(self, *, bounces=True):
        one = MailingList(
            address=parse_address("dev@lists.example"),
            members=str(self.path),
            owner=parse_address("ann@a.example"),
            subscribe=True,
            bounces=bounces,
        )
        file = BounceFile(disk=self.disk, directory="/spool/lists", name=one.key)
        self.bounces = file
        self.lists = Lists(
            lists=[one],
            secret=Secret(disk=self.disk, directory="/spool/lists"),
            bounces={one.key: file},
            hostname="mx.lists.example",
            note=lambda level, event, **facts: self.said.append(event),
        )

    async def mail(self, to, sender, section=b"Subject: x\r\n", body=b"", at=NOW):
        self.count += 1
        origin = parse_address(sender, smtputf8=True) if sender else None
        address = parse_address(f"{to}@lists.example")
        assert self.lists.claims(address)
        whole = section + b"\r\n" + body
        return await self.lists.take(Asked(address, origin, section, whole, f"id{self.count}", at))

    async def token_for(self, sender, action="subscribe"):
        answer = await self.mail(f"dev-{action}", sender)
        assert answer.outcome == ASKED
        [letter] = answer.letters
        assert str(letter.recipient) == sender
        return re.search(r"confirm\+(\w+)@", message_from_bytes(letter.content)["From"])[1]

    @property
    def members(self):
        return self.path.read_text().split()


@pytest_asyncio.fixture
async def desk(tmp_path):
    return Desk(tmp_path / "dev")


async def test_on_and_off(desk):
    token = await desk.token_for("bob@b.example")
    assert desk.members == ["ann@a.example"]
    answer = await desk.mail(f"dev-confirm+{token}", "bob@b.example")
    assert answer.outcome == CHANGED
    assert b"Welcome" in answer.letters[0].content
    assert desk.members == ["ann@a.example", "bob@b.example"]
    token = await desk.token_for("bob@b.example", "unsubscribe")
    assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example")).outcome == CHANGED
    assert desk.members == ["ann@a.example"]


async def test_a_restart_between_letter_and_answer(desk):
    token = await desk.token_for("bob@b.example")
    desk.disk = desk.disk.crash(1)
    desk.open()
    assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example")).outcome == CHANGED


async def test_twice_is_once(desk):
    token = await desk.token_for("bob@b.example")
    for _ in range(5):
        assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example")).outcome == CHANGED
    assert desk.members == ["ann@a.example", "bob@b.example"]


async def test_many_at_once(desk):
    """The file is written anew by each; nobody's line is lost to another's."""
    tokens = {f"p{at}@b.example": await desk.token_for(f"p{at}@b.example") for at in range(20)}
    answers = await asyncio.gather(*(desk.mail(f"dev-confirm+{token}", who) for who, token in tokens.items()))
    assert [answer.outcome for answer in answers] == [CHANGED] * 20
    assert sorted(desk.members) == sorted(["ann@a.example", *tokens])


async def test_an_answer_with_another_reverse_path(desk):
    """From names who was asked."""
    token = await desk.token_for("bob@b.example")
    section = b"From: Bob <bob@b.example>, bad@@x\r\n"
    assert (await desk.mail(f"dev-confirm+{token}", "bounce@b.example", section)).outcome == CHANGED
    assert desk.members == ["ann@a.example", "bob@b.example"]


async def test_only_so_many_authors_are_looked_at(desk):
    """A header section of a megabyte, all of it From, kept the loop for seconds."""
    token = await desk.token_for("bob@b.example")
    for section in (
        b"From: x\r\n" * 5 + b"From: bob@b.example\r\n",
        b"From: " + b"x@x.example," * 5 + b"bob@b.example\r\n",
    ):
        assert (await desk.mail(f"dev-confirm+{token}", "bounce@b.example", section)).outcome == WORTHLESS
    section = b"From: x\r\n" * 4 + b"From: " + b"a" * 4000 + b"@,bad@@,<bob@b.example>\r\n"
    assert (await desk.mail(f"dev-confirm+{token}", "bounce@b.example", section)).outcome == CHANGED


async def test_nobody_subscribes_somebody_else(desk):
    mallory = await desk.token_for("mallory@m.example")
    for section in (b"Subject: x\r\n", b"From: victim@v.example\r\n", b"From: x@.., y\r\n"):
        answer = await desk.mail(f"dev-confirm+{mallory}", "victim@v.example", section)
        assert answer.outcome == WORTHLESS
    assert (await desk.mail("dev-confirm+s00000aaaa", "victim@v.example")).outcome == WORTHLESS
    assert desk.members == ["ann@a.example"]


async def test_a_vacation_confirms_nothing(desk):
    token = await desk.token_for("bob@b.example")
    away = b"Auto-Submitted: auto-replied\r\n"
    assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example", away)).outcome == IGNORED
    assert (await desk.mail(f"dev-confirm+{token}", None)).outcome == IGNORED
    assert desk.members == ["ann@a.example"]


@pytest.mark.parametrize(
    ("sender", "section"),
    [
        (None, b""),
        ("bob@b.example", b"Auto-Submitted: auto-generated\r\n"),
        ("bob@b.example", b"Precedence: bulk\r\n"),
        ("bob@b.example", b"List-Id: <x.example>\r\n"),
    ],
)
async def test_programs_get_no_letters(desk, sender, section):
    answer = await desk.mail("dev-subscribe", sender, section)
    assert (answer.outcome, answer.letters) == (IGNORED, ())


@pytest.mark.parametrize(
    "sender",
    ["dev@lists.example", "owner-dev@lists.example", "DEV-subscribe@lists.example", "|sh@x.example", "/x@x.example"],
)
async def test_who_cannot_be_a_member(desk, sender):
    """A list that were its own member would send to nobody any more."""
    answer = await desk.mail("dev-subscribe", sender)
    assert (answer.outcome, answer.letters) == (UNSUITABLE, ())


async def test_not_too_often(desk):
    answers = [await desk.mail("dev-subscribe", "victim@v.example") for _ in range(PER_ADDRESS_AND_LIST.count + 2)]
    assert [len(each.letters) for each in answers] == [1, 1, 1, 0, 0]
    assert answers[-1].outcome == IGNORED
    assert (await desk.mail("dev-subscribe", "victim@v.example", at=NOW + 86401)).letters != ()


async def test_bounces_are_counted_once_and_for_members_alone(desk):
    failed = b"\r\nAction: failed\r\n"
    for mark in ("ann=a.example", "ANN=A.example", "stranger=x.example"):
        answer = await desk.mail(f"owner-dev+{mark}", None, REPORT, failed)
        assert answer.outcome == COUNTED
        assert list(map(str, answer.onward)) == ["owner-dev@lists.example"]
    late = await desk.mail("owner-dev+ann=a.example", None, REPORT, b"\r\nAction: delayed\r\n")
    person = await desk.mail("owner-dev+ann=a.example", "bob@b.example")
    assert late.onward
    assert person.onward
    assert [(each.member, each.count) for each in sums(desk.bounces.read())] == [("ann@a.example", 2)]


async def test_bounces_can_be_counted_only(desk):
    desk.open(bounces=False)
    answer = await desk.mail("owner-dev+ann=a.example", None)
    assert (answer.outcome, answer.onward) == (COUNTED, ())
    assert len(desk.bounces.read()) == 1


async def test_a_disk_that_fails_defers(desk):
    desk.disk.fail_at(1, errno.EIO, for_good=True)
    assert (await desk.mail("owner-dev+ann=a.example", None)).outcome == UNSURE
    assert (await desk.mail("dev-subscribe", "bob@b.example")).outcome == UNSURE
    assert "list_failed" in desk.said


async def test_members_that_cannot_be_read_are_not_written(desk):
    token = await desk.token_for("bob@b.example")
    desk.path.write_bytes(b"\xff\n")
    assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example")).outcome == UNSURE
    assert desk.path.read_bytes() == b"\xff\n"
    assert (await desk.mail("owner-dev+ann=a.example", None)).outcome == UNSURE
    desk.path.unlink()  # gone, and not empty
    assert (await desk.mail(f"dev-confirm+{token}", "bob@b.example")).outcome == UNSURE
    assert not desk.path.exists()


async def test_posts(desk):
    """Known by its owner, in whose name it goes to the members."""
    post, owner, ann = desk.lists.post, parse_address("owner-dev@lists.example"), parse_address("ann@a.example")
    assert isinstance(post(owner, b"", ann), Post)
    assert post(owner, b"List-Id: <dev.lists.example>\r\n", ann) == LOOP
    assert post(parse_address("owner-ann@lists.example"), b"", ann) is None
    assert post(parse_address("dev@lists.example"), b"", ann) is None
    assert not desk.lists.claims(owner)

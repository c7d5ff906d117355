"""What the MTA itself answers, and messages that are taken apart for VERP: in one commit, or not at all."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
import pytest_asyncio

from asyncmta.forwarding.local import INTERNAL
from asyncmta.forwarding.services import UNAVAILABLE, Services, Taken
from asyncmta.forwarding.verping import Verping
from asyncmta.lists.letters import Letter
from asyncmta.lists.lists import Answer, Asked
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import NOTIFY_SUCCESS, Envelope, Recipient
from asyncmta.mail.outcome import Delivered, Recorded, Result
from asyncmta.mail.reply import reply
from tests.unit.forwarding.forwardingkit import IN_MAILBOX, Behind, Post

DONE = Delivered(reply(250, "2.1.5", "asked"))
LARGE = b"Subject: x\r\n\r\n" + b"y" * 70 + (b"\r\n" + b"z" * 70) * 5000 + b"\r\n"


class Answers:
    """Claims whoever is called "robot", and says what it was told to."""

    def __init__(self) -> None:
        self.answer = Answer(DONE)
        self.asked: list[Asked] = []

    def claims(self, address: Address) -> bool:
        return address.local_part == "robot"

    async def take(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.answer


@pytest_asyncio.fixture
async def post(tmp_path: Path):
    post = await Post(tmp_path, "team: alice, nobody\nbad: |program\n").open()
    post.answers = Answers()
    services = Services(
        answers=post.answers,
        store=post.store,
        read_content=post.store.read_content,
        on_accepted=post.heard.append,
        clock=post.clock,
        hostname="mx.here.example",
        note=post.log.note,
    )
    post.services = post.transport._services = services
    yield post
    await post.close()


def letter(text: str = "Dear you", to: str = "me@far.example", sender: str = "") -> Letter:
    content = f"Subject: x\r\n\r\n.{text}\r\n".encode()
    return Letter(parse_address(to, smtputf8=True), content, parse_address(sender, smtputf8=True) if sender else None)


async def test_a_letter_is_committed_with_its_request(post):
    post.answers.answer = Answer(DONE, (letter(), letter("Grüße", "pelé@far.example", "ä@here.example")))
    consignment = await post.accept("robot@here.example")
    result = await post.deliver(consignment)
    assert result == Recorded({0: DONE}, frozenset({0}))
    first, second = [entry for entry in post.entries() if entry.queue_id != consignment.queue_id]
    assert post.heard == [first.queue_id, second.queue_id]
    assert (first.envelope.reverse_path, first.envelope.body, first.envelope.smtputf8) == (None, "7BIT", False)
    assert (second.envelope.body, second.envelope.smtputf8) == ("8BITMIME", True)
    octets = await post.content(first)
    assert octets.startswith(b"Received: by mx.here.example id ")
    assert octets.endswith(b"\r\n\r\n..Dear you\r\n")
    [asked] = post.answers.asked
    assert (str(asked.sender), asked.section) == ("me@far.example", b"Subject: hello\r\n")
    assert len(post.log.events("answered")) == 2


async def test_who_asked_to_be_told_is_owed_that(post):
    post.answers.answer = Answer(DONE, (letter(),))
    person = Recipient(parse_address("robot@here.example"), NOTIFY_SUCCESS)
    consignment = await post.take(Envelope(parse_address("me@far.example"), (person,)))
    result = await post.deliver(consignment)
    assert result.outcomes[0].owed


async def test_of_large_content_only_the_beginning_is_looked_at(post):
    consignment = await post.take(Envelope(None, (Recipient(parse_address("robot@here.example")),)), LARGE)
    assert (await post.deliver(consignment)).outcomes == {0: DONE}
    assert len(post.answers.asked[0].beginning) == 128 << 10
    assert post.answers.asked[0].section == b"Subject: x\r\n"


async def test_whoever_else_is_to_have_it(post):
    boss, team = parse_address("boss@here.example"), parse_address("team@here.example")
    post.answers.answer = Answer(DONE, onward=(boss, team), owner=parse_address("post@here.example"))
    await post.deliver(await post.accept("robot@here.example", "alice@here.example"))
    assert post.copies() == [("post@here.example", ["boss@here.example", "alice@here.example"])]
    assert post.mailboxes.took == ["alice@here.example"]


@pytest.mark.parametrize(("onward", "is_done"), [("nobody", True), ("bad", False)])
async def test_whoever_else_cannot_be_found(post, onward, is_done):
    post.answers.answer = Answer(DONE, onward=(parse_address(f"{onward}@here.example"),))
    result = await post.deliver(await post.accept("robot@here.example"))
    assert (result.outcomes == {0: DONE}) is is_done
    assert post.copies() == []


async def test_without_the_journal_nothing_is_answered(post):
    post.answers.answer = Answer(DONE, (letter(),))
    consignment = await post.accept("robot@here.example")
    post.disk.fail_at(1, errno.EIO, for_good=True)
    assert await post.services.take(consignment, 0) == Taken(UNAVAILABLE)
    assert post.heard == []


async def test_without_the_content_nobody_is_asked(post):
    consignment = await post.take(Envelope(None, (Recipient(parse_address("robot@here.example")),)), LARGE)
    for path in [path for path in post.disk.tree() if path.startswith("spool/content/")]:
        post.disk.unlink(path)
    assert await post.services.take(consignment, 0) == Taken(UNAVAILABLE)
    assert post.answers.asked == []


# -- one reverse-path for each ---------------------------------------------------------------------------------------


async def taken_apart(post: Post, *, wire: bytes, verp: bool = True) -> Recorded | Result:
    behind = Behind()
    transport = Verping(
        transport=behind,
        store=post.store,
        read_content=post.store.read_content,
        on_accepted=post.heard.append,
        clock=post.clock,
        maillog=post.log,
    )
    people = tuple(Recipient(parse_address(f"{name}@far.example")) for name in ("a", "b"))
    consignment = await post.take(Envelope(parse_address("n@here.example"), people, verp=verp), wire)
    if post.breaks is not None:
        post.breaks()
    done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    transport.deliver([consignment], lambda _, result: done.set_result(result))
    async with asyncio.timeout(10):
        result = await done
    await transport.close()
    return result


async def test_there_must_be_room_for_all_copies_before_the_first(post, monkeypatch):
    post.breaks = None
    asked = []
    monkeypatch.setattr(post.store, "refusal", lambda size: asked.append(size) or UNAVAILABLE.reply)
    result = await taken_apart(post, wire=LARGE)
    assert result == {0: UNAVAILABLE, 1: UNAVAILABLE}
    assert asked == [2 * len(LARGE)]
    assert post.copies() == []


@pytest.mark.parametrize("wire", [b"Subject: x\r\n\r\n..y\r\n", LARGE], ids=["small", "large"])
async def test_taken_apart(post, wire):
    post.breaks = None
    result = await taken_apart(post, wire=wire)
    assert isinstance(result, Recorded)
    assert result.recorded == {0, 1}
    assert post.copies() == [
        ("n+a=far.example@here.example", ["a@far.example"]),
        ("n+b=far.example@here.example", ["b@far.example"]),
    ]
    for entry in post.entries():
        assert await post.content(entry) == wire
        assert not entry.envelope.verp or entry.queue_id not in post.heard


async def test_others_go_through(post):
    post.breaks = None
    assert await taken_apart(post, wire=b"x: y\r\n\r\n", verp=False) == {0: IN_MAILBOX, 1: IN_MAILBOX}


async def test_what_cannot_be_taken_apart_waits_whole(post):
    def without_disk() -> None:
        post.disk.fail_at(1, errno.EIO, for_good=True)

    def with_a_bug() -> None:
        def broken() -> None:
            raise RuntimeError("a bug")

        post.store.next_queue_id = broken

    post.breaks = with_a_bug
    assert await taken_apart(post, wire=b"x: y\r\n\r\n") == {0: INTERNAL, 1: INTERNAL}
    del post.store.next_queue_id
    for wire in (LARGE, b"x: y\r\n\r\n"):
        post.breaks = without_disk if wire is not LARGE else lambda: post.disk.fail_at(1, errno.EIO)
        assert await taken_apart(post, wire=wire) == {0: UNAVAILABLE, 1: UNAVAILABLE}
    assert post.copies() == []
    assert post.heard == []

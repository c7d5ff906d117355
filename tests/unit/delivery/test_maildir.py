"""Local delivery: what is in the mailbox afterwards, and what is said when it is not."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery import maildir
from asyncmta.delivery.mailbox_form import MailboxForm, mailbox_form
from asyncmta.delivery.maildir import ASKERS, NO_SUCH_MAILBOX, MaildirTransport
from asyncmta.mail import wire
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, ContentUnavailable, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Postponed
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.system.disk import Disk, PosixDisk
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

MESSAGE = b"Received: from x\r\n\tby y\r\nSubject: hi\r\n\r\nHello\r\n.dot\r\n..two\r\n"
IN_MAILBOX = (
    b"Return-Path: <sender@far.example>\nDelivered-To: alice@example.org\n"
    b"Received: from x\n\tby y\nSubject: hi\n\nHello\n.dot\n..two\n"
)
ALICE = "mail/example.org/alice"


class Post:
    """A transport with what it needs, and the messages it can be told to deliver."""

    def __init__(self, disk: Disk, *, root: str = "mail", mailboxes: str = "existing", minted_from: int | None = 0):
        self.disk = disk
        self.contents: dict[QueueId, Callable[[], tuple[bytes, ...] | AsyncIterator[bytes]]] = {}
        self.mailboxes = Mailboxes(
            settings=LocalSettings(
                domains=("example.org",), maildir=f"{root}/{{domain}}/{{local_part}}", mailboxes=mailboxes
            ),
            hostname="mx.example.org",
            clock=FakeClock(),
            disk=disk,
        )
        self.transport = MaildirTransport(
            disk=disk,
            mailboxes=self.mailboxes,
            read_content=lambda queue_id: self.contents[queue_id](),
            hostname="mx:1/x",
            journal_tag="7fab12",
            minted_from=None if minted_from is None else QueueId(minted_from),
        )

    def message(
        self,
        *recipients: str,
        number: int = 1,
        content: bytes = MESSAGE,
        chunks: int = 0,
        sender: str | None = "sender@far.example",
        attempts: int = 0,
    ) -> Consignment:
        """A message in the spool: in memory, or, with `chunks`, to be read in pieces of that size."""
        stuffed = wire.stuff(content)

        async def read() -> AsyncIterator[bytes]:
            for at in range(0, len(stuffed), chunks):
                yield stuffed[at : at + chunks]

        self.contents[QueueId(number)] = read if chunks else lambda: (stuffed[:7], stuffed[7:])
        names = recipients or ("alice@example.org",)
        return Consignment(
            queue_id=QueueId(number),
            destination="local:example.org",
            envelope=Envelope(
                None if sender is None else parse_address(sender),
                tuple(Recipient(parse_address(name)) for name in names),
            ),
            ordinals=tuple(range(len(names))),
            content=Content(
                size=len(content),
                digest=b"",
                dotted=wire.is_dotted(stuffed),
                wire_size=len(stuffed),
            ),
            accepted_at=1_700_000_000.75,
            attempts=attempts,
        )

    async def deliver(self, *consignments: Consignment) -> list[Mapping[int, Outcome]]:
        """All of them in one call; what became of each."""
        results: dict[int, Mapping[int, Outcome]] = {}
        finished = asyncio.Event()

        def done(consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
            assert not isinstance(result, Postponed)
            assert id(consignment) not in results, "done is called once"
            results[id(consignment)] = result
            if len(results) == len(consignments):
                finished.set()

        self.transport.deliver(consignments, done)
        async with asyncio.timeout(20):
            await finished.wait()
        return [results[id(consignment)] for consignment in consignments]

    async def deliver_one(self, consignment: Consignment) -> Outcome:
        [outcomes] = await self.deliver(consignment)
        assert set(outcomes) == set(consignment.ordinals)
        return outcomes[0]


def with_mailboxes(*names: str) -> FakeDisk:
    disk = FakeDisk()
    for name in names or ("alice",):
        disk.put(f"mail/example.org/{name}/dovecot-uidlist")
    return disk


def mailbox_files(disk: FakeDisk, part: str = "new", mailbox: str = ALICE) -> dict[str, bytes]:
    prefix = f"{mailbox}/{part}/"
    return {path.removeprefix(prefix): content for path, content in disk.tree().items() if path.startswith(prefix)}


def in_crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


async def test_a_message_in_the_mailbox() -> None:
    post = Post(with_mailboxes())
    outcome = await post.deliver_one(post.message())
    assert isinstance(outcome, Delivered)
    assert str(outcome.reply) == "250 2.0.0 delivered to mailbox"
    [(name, content)] = mailbox_files(post.disk).items()
    assert content == IN_MAILBOX
    assert name == f"1700000000.0000000000000001r0j7fab12.mx_0721_057x,S={len(content)},W={len(in_crlf(content))}"
    assert post.disk.list(ALICE) == ["cur", "dovecot-uidlist", "new", "tmp"]
    assert mailbox_files(post.disk, "tmp") == {}


async def test_what_was_said_to_be_delivered_is_durable() -> None:
    post = Post(with_mailboxes())
    await post.deliver_one(post.message())
    assert list(mailbox_files(post.disk.crash()).values()) == [IN_MAILBOX]


async def test_a_null_reverse_path_and_an_empty_message() -> None:
    post = Post(with_mailboxes())
    await post.deliver_one(post.message(sender=None, content=b""))
    assert list(mailbox_files(post.disk).values()) == [b"Return-Path: <>\nDelivered-To: alice@example.org\n"]


async def test_a_mailbox_is_made_where_any_is_allowed() -> None:
    disk = FakeDisk()
    post = Post(disk, mailboxes="any")
    assert isinstance(await post.deliver_one(post.message("new.one@example.org")), Delivered)
    assert len(mailbox_files(disk.crash(), mailbox="mail/example.org/new.one")) == 1


async def test_several_recipients_have_a_copy_each() -> None:
    post = Post(with_mailboxes("alice", "bob"))
    message = post.message("alice@example.org", "nobody@example.org", "bob@example.org", "Alice@example.org")
    [outcomes] = await post.deliver(message)
    assert [type(outcomes[ordinal]) for ordinal in range(4)] == [Delivered, Failed, Delivered, Delivered]
    assert len(mailbox_files(post.disk)) == 2
    [copy] = mailbox_files(post.disk, mailbox="mail/example.org/bob").values()
    assert b"Delivered-To: bob@example.org\n" in copy


async def test_only_the_ordinals_asked_for_are_delivered() -> None:
    post = Post(with_mailboxes("alice", "bob"))
    message = post.message("alice@example.org", "bob@example.org")
    message.ordinals = (1,)
    [outcomes] = await post.deliver(message)
    assert list(outcomes) == [1]
    assert mailbox_files(post.disk) == {}


async def test_no_such_mailbox_is_final_and_said_at_once_when_known() -> None:
    post = Post(with_mailboxes())
    outcome = await post.deliver_one(post.message("nobody@example.org"))
    assert isinstance(outcome, Failed)
    assert (outcome.cause, outcome.reply.code, str(outcome.reply.enhanced)) == (Cause.REFUSED, 550, "5.1.1")
    said: list[Consignment] = []
    post.transport.deliver([post.message("nobody@example.org")], lambda consignment, _: said.append(consignment))
    assert len(said) == 1


async def test_a_mailbox_that_cannot_be_looked_at_is_tried_again() -> None:
    disk = with_mailboxes()
    disk.fail_at(1, errno.EIO)
    outcome = await (post := Post(disk)).deliver_one(post.message())
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, outcome.reply.code) == (Cause.STORAGE, 451)


async def test_a_mailbox_that_is_gone_since_it_was_looked_at_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "example.org/alice").mkdir(parents=True)
    post = Post(PosixDisk(), root=str(tmp_path))
    await post.mailboxes.lookup(parse_address("alice@example.org"))
    (tmp_path / "example.org/alice").rmdir()
    assert isinstance(await post.deliver_one(post.message()), Deferred)
    assert not (tmp_path / "example.org/alice").exists()


@pytest.mark.parametrize(
    ("number", "reply"),
    [
        (errno.ENOSPC, "452 4.3.1"),
        (errno.EDQUOT, "452 4.2.2"),
        (errno.EACCES, "451 4.3.0"),
        (errno.EIO, "451 4.3.0"),
        (errno.EROFS, "451 4.3.0"),
        (errno.EMFILE, "451 4.3.0"),
        (errno.ENFILE, "451 4.3.0"),
        (errno.ENOMEM, "451 4.3.0"),
        (errno.EFBIG, "451 4.3.0"),
        (errno.ESTALE, "451 4.3.0"),
        (errno.ENOTDIR, "451 4.3.0"),
        (errno.ELOOP, "451 4.3.0"),
        (9999, "451 4.3.0"),
    ],
)
@pytest.mark.parametrize("operation", ["open", "create", "writev", "fsync", "link", "sync_directory"])
async def test_trouble_with_the_disk_is_tried_again(operation: str, number: int, reply: str) -> None:
    post = await looked_up(Post(with_mailboxes()))
    post.disk.make_directories(f"{ALICE}/tmp")
    post.disk.make_directories(f"{ALICE}/new")
    post.disk.make_directories(f"{ALICE}/cur")
    post.disk.fail_at(1, number, only=(operation,))
    outcome = await post.deliver_one(post.message())
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.STORAGE
    assert str(outcome.reply).startswith(reply)
    assert mailbox_files(post.disk, "tmp") == {}
    assert isinstance(await post.deliver_one(post.message(attempts=1)), Delivered)
    assert list(mailbox_files(post.disk).values()) == [IN_MAILBOX]


async def test_one_copy_that_fails_takes_no_other_along() -> None:
    post = await looked_up(Post(with_mailboxes()))
    await post.deliver_one(post.message(number=9))
    post.disk.fail_at(2, errno.EIO, only=("fsync",))
    outcomes = await post.deliver(*(post.message(number=number) for number in range(10, 15)))
    assert [type(outcome[0]) for outcome in outcomes].count(Deferred) == 1
    assert len(mailbox_files(post.disk)) == 5


async def looked_up(post: Post, *names: str) -> Post:
    """The same, with the mailboxes in the cache, so that the steps of the disk that follow are those of delivery."""
    for name in names or ("alice@example.org",):
        await post.mailboxes.lookup(parse_address(name))
    return post


async def test_a_name_in_new_was_delivered_before() -> None:
    post = Post(with_mailboxes(), minted_from=None)
    await post.deliver_one(post.message())
    again = Post(post.disk.kill(), minted_from=None)
    assert isinstance(await again.deliver_one(again.message()), Delivered)
    assert len(mailbox_files(again.disk)) == 1
    assert len(mailbox_files(again.disk.crash())) == 1


@pytest.mark.parametrize("flags", ["", ":2,", ":2,RS"])
async def test_a_name_in_cur_was_delivered_before_whatever_its_flags(flags: str) -> None:
    post = Post(with_mailboxes(), minted_from=None)
    await post.deliver_one(post.message())
    disk = post.disk.kill()
    [name] = mailbox_files(disk)
    disk.rename(f"{ALICE}/new/{name}", f"{ALICE}/cur/{name}{flags}")
    again = Post(disk, minted_from=None)
    assert isinstance(await again.deliver_one(again.message()), Delivered)
    assert mailbox_files(disk) == {}
    assert list(mailbox_files(disk.crash(), "cur")) == [f"{name}{flags}"]


async def test_a_retry_of_this_life_looks_for_itself_too() -> None:
    post = await looked_up(Post(with_mailboxes()))
    await post.deliver_one(post.message(number=5))
    [name] = mailbox_files(post.disk)
    post.disk.rename(f"{ALICE}/new/{name}", f"{ALICE}/cur/{name}:2,S")
    await post.deliver_one(post.message(number=5, attempts=1))
    assert mailbox_files(post.disk) == {}


async def test_what_was_minted_in_this_life_needs_no_look_into_cur() -> None:
    post = await looked_up(Post(with_mailboxes(), minted_from=100))
    await post.deliver_one(post.message(number=100))
    assert not [path for operation, path in post.disk.calls if operation == "list"]
    await post.deliver_one(post.message(number=99))
    assert [path for operation, path in post.disk.calls if operation == "list"] == [f"{ALICE}/new", f"{ALICE}/cur"]


async def test_a_repeat_that_cannot_be_confirmed_is_tried_again() -> None:
    post = await looked_up(Post(with_mailboxes(), minted_from=None))
    await post.deliver_one(post.message())
    post.disk.fail_at(1, errno.EIO, only=("sync_directory",))
    assert isinstance(await post.deliver_one(post.message()), Deferred)


async def test_half_a_file_in_tmp_is_replaced() -> None:
    post = Post(with_mailboxes(), minted_from=None)
    await post.deliver_one(post.message())
    [name] = mailbox_files(post.disk)
    post.disk.unlink(f"{ALICE}/new/{name}")
    post.disk.put(f"{ALICE}/tmp/{name.partition(',')[0]}", b"half" * 1000)
    await post.deliver_one(post.message())
    assert mailbox_files(post.disk) == {name: IN_MAILBOX}
    assert mailbox_files(post.disk, "tmp") == {}


@pytest.mark.parametrize("minted_from", [None, 0])
async def test_where_there_are_no_links_it_is_renamed(minted_from: int | None) -> None:
    post = Post(with_mailboxes(), minted_from=minted_from)
    for _ in range(2):
        post.disk.heal()
        post.disk.fail_at(1, errno.EPERM, for_good=True, only=("link",))
        assert isinstance(await post.deliver_one(post.message()), Delivered)
    assert list(mailbox_files(post.disk).values()) == [IN_MAILBOX]
    assert mailbox_files(post.disk, "tmp") == {}
    assert len(mailbox_files(post.disk.crash())) == 1


async def test_a_name_that_is_taken_when_linking_is_ours() -> None:
    post = Post(with_mailboxes(), minted_from=0)
    await post.deliver_one(post.message())
    assert isinstance(await post.deliver_one(post.message()), Delivered)
    assert len(mailbox_files(post.disk)) == 1


@pytest.mark.parametrize("chunks", [0, 400_000])
async def test_delivered_to_shows_a_loop(chunks: int) -> None:
    post = Post(with_mailboxes("alice", "bob"))
    looped = b"Received: x\r\ndelivered-to: Alice@Example.org\r\n\r\n" + b"body\r\n" * 100_000
    outcome = await post.deliver_one(post.message(content=looped, chunks=chunks))
    assert isinstance(outcome, Failed)
    assert (outcome.cause, str(outcome.reply)[:9]) == (Cause.LOOP, "554 5.4.6")
    other = await post.deliver_one(post.message("bob@example.org", content=looped, chunks=chunks))
    assert isinstance(other, Delivered)


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\r\n\r\nDelivered-To: alice@example.org\r\n",
        b"X-Delivered-To: alice@example.org\r\n\r\n",
        b"Delivered-To: alice@example.org.other\r\n\r\n",
    ],
)
async def test_what_only_looks_like_a_loop_is_delivered(content: bytes) -> None:
    post = Post(with_mailboxes())
    assert isinstance(await post.deliver_one(post.message(content=content)), Delivered)


async def test_a_loop_in_the_first_field() -> None:
    post = Post(with_mailboxes())
    assert isinstance(await post.deliver_one(post.message(content=b"Delivered-To: alice@example.org\r\n")), Failed)


async def test_what_waits_shares_a_batch_and_its_syncs() -> None:
    post = await looked_up(Post(with_mailboxes()))
    await post.deliver_one(post.message(number=1000))
    before = len(post.disk.calls)
    outcomes = await post.deliver(*(post.message(number=number) for number in range(1, 41)))
    assert {type(outcome[0]) for outcome in outcomes} == {Delivered}
    calls = [operation for operation, _ in post.disk.calls[before:]]
    assert calls.count("sync_directory") == 1
    assert calls.count("fsync") == 40
    assert len(mailbox_files(post.disk)) == 41


async def test_more_than_a_batch() -> None:
    names = [f"user{number}@example.org" for number in range(7)]
    post = Post(with_mailboxes(*(name.partition("@")[0] for name in names)))
    messages = [post.message(names[number % 7], number=number) for number in range(500)]
    outcomes = await post.deliver(*messages)
    assert {type(outcome[0]) for outcome in outcomes} == {Delivered}
    assert sum(len(mailbox_files(post.disk, mailbox=f"mail/example.org/user{n}")) for n in range(7)) == 500


async def test_one_look_for_all_who_wait_for_it() -> None:
    post = Post(with_mailboxes())
    await post.deliver(*(post.message(number=number) for number in range(20)))
    looks = [path for operation, path in post.disk.calls if (operation, path) == ("open", "mail/example.org")]
    assert len(looks) == 1


async def test_a_message_to_very_many_is_not_a_task_for_each() -> None:
    post = Post(with_mailboxes())
    message = post.message(*(f"nobody{number}@example.org" for number in range(1_000)))
    answer: asyncio.Future[Mapping[int, Outcome] | Postponed] = asyncio.get_running_loop().create_future()
    post.transport.deliver([message], lambda _, result: answer.set_result(result))
    assert len(asyncio.all_tasks()) <= 1 + ASKERS
    async with asyncio.timeout(20):
        assert await answer == dict.fromkeys(range(1_000), NO_SUCH_MAILBOX)


@pytest.mark.parametrize("size", [1_000, 300_000, 1_500_000])
@pytest.mark.parametrize("chunks", [1_021, 262_144])
async def test_content_that_is_not_in_memory(size: int, chunks: int) -> None:
    post = Post(with_mailboxes())
    content = b"Subject: big\r\n\r\n" + b".dotted line\r\nplain\r\n" * (size // 21)
    assert isinstance(await post.deliver_one(post.message(content=content, chunks=chunks)), Delivered)
    [copy] = mailbox_files(post.disk).values()
    assert copy.partition(b"\n\n")[0].endswith(b"Delivered-To: alice@example.org\nSubject: big")
    assert copy.partition(b"\n\n")[2] == content.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    assert mailbox_files(post.disk, "tmp") == {}


async def test_large_content_is_never_in_memory_whole() -> None:
    largest = 0

    class Watching(FakeDisk):
        def writev(self, file: int, buffers: Sequence[bytes | bytearray | memoryview], offset: int) -> int:
            nonlocal largest
            largest = max(largest, sum(map(len, buffers)))
            return super().writev(file, buffers, offset)

    disk = Watching()
    disk.put(f"{ALICE}/x")
    post = Post(disk)
    await post.deliver_one(post.message(content=b"line\r\n" * 600_000, chunks=50_000))
    assert largest < maildir.LARGE + 50_000 + 1_000


@pytest.mark.parametrize("size", [1_000, 1_500_000])
async def test_damaged_content_never_shows(size: int) -> None:
    post = Post(with_mailboxes())
    message = post.message(content=b"line\r\n" * (size // 6))

    async def damaged() -> AsyncIterator[bytes]:
        for _ in range(size // 1000 - 1):
            yield b"line\r\n" * 166
        raise ContentUnavailable("digest")

    post.contents[message.queue_id] = damaged
    outcome = await post.deliver_one(message)
    assert isinstance(outcome, Deferred)
    assert (outcome.cause, str(outcome.reply)[:9]) == (Cause.STORAGE, "451 4.3.0")
    assert mailbox_files(post.disk) == mailbox_files(post.disk, "tmp") == {}


async def test_content_that_is_gone_at_once() -> None:
    post = Post(with_mailboxes())
    message = post.message()

    def gone() -> tuple[bytes, ...]:
        raise ContentUnavailable("no record")

    post.contents[message.queue_id] = gone
    outcomes = await post.deliver(message, post.message(number=2))
    assert [type(outcome[0]) for outcome in outcomes] == [Deferred, Delivered]


@pytest.mark.parametrize("step", range(1, 8))
async def test_a_stream_that_the_disk_breaks_off(step: int) -> None:
    post = await looked_up(Post(with_mailboxes()))
    await post.deliver_one(post.message(number=2))
    closed = []
    message = post.message(content=b"line\r\n" * 300_000)

    async def read() -> AsyncIterator[bytes]:
        try:
            for _ in range(18):
                yield b"line\r\n" * 16_667
        finally:
            closed.append(True)

    post.contents[message.queue_id] = read
    post.disk.fail_at(step, errno.EIO, only=("create", "writev", "fsync", "link"))
    outcome = await post.deliver_one(message)
    assert isinstance(outcome, Deferred)
    assert closed == [True]
    assert len(mailbox_files(post.disk)) == 1
    assert mailbox_files(post.disk, "tmp") == {}


async def test_a_bug_defers_and_is_told() -> None:
    told: list[Mapping[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    post = Post(with_mailboxes())
    message = post.message()
    del post.contents[message.queue_id]
    outcome = await post.deliver_one(message)
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.INTERNAL
    assert isinstance(told[0]["exception"], KeyError)
    assert isinstance(await post.deliver_one(post.message()), Delivered)


async def test_a_bug_of_the_mailboxes_defers_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Mapping[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    post = Post(with_mailboxes())

    async def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(post.mailboxes, "lookup", broken)
    outcomes = await post.deliver(post.message(number=1), post.message(number=2))
    assert [outcome[0].cause for outcome in outcomes if isinstance(outcome[0], Deferred)] == [Cause.INTERNAL] * 2
    assert len(told) == 1


async def test_a_bug_of_the_one_who_is_told_takes_no_other_along() -> None:
    told: list[Mapping[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    post = Post(with_mailboxes())
    both = asyncio.Event()
    results = []

    def done(consignment: Consignment, result: object) -> None:
        results.append(result)
        if len(results) == 2:
            both.set()
        raise ZeroDivisionError

    post.transport.deliver([post.message(number=1), post.message(number=2)], done)
    async with asyncio.timeout(10):
        await both.wait()
    assert [type(told_of["exception"]) for told_of in told] == [ZeroDivisionError] * 2


async def test_closing_cuts_off_what_runs() -> None:
    post = Post(with_mailboxes())
    message = post.message(content=b"line\r\n" * 100_000)
    never = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield b"line\r\n" * 50_000
        await never.wait()

    post.contents[message.queue_id] = hanging
    said: list[Consignment] = []
    post.transport.deliver([message], lambda consignment, _: said.append(consignment))
    async with asyncio.timeout(10):
        while not mailbox_files(post.disk, "tmp"):  # noqa: ASYNC110 - the disk has no event
            await asyncio.sleep(0.001)
    await post.transport.close()
    assert said == []
    assert mailbox_files(post.disk) == mailbox_files(post.disk, "tmp") == {}


@pytest.mark.parametrize("part", ["", "tmp", "new", "cur"])
async def test_no_link_leads_out_of_a_mailbox(tmp_path: Path, part: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    box = tmp_path / "mail/example.org/alice"
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(parents=True)
    post = await looked_up(Post(PosixDisk(), root=str(tmp_path / "mail")))
    (box / part).rename(tmp_path / "away")
    (box / part).symlink_to(outside)
    outcome = await post.deliver_one(post.message())
    assert isinstance(outcome, Deferred)
    assert os.listdir(outside) == []


async def test_new_that_is_a_file(tmp_path: Path) -> None:
    box = tmp_path / "mail/example.org/alice"
    box.mkdir(parents=True)
    (box / "new").write_bytes(b"not a directory")
    post = Post(PosixDisk(), root=str(tmp_path / "mail"))
    assert isinstance(await post.deliver_one(post.message()), Deferred)
    assert (box / "new").read_bytes() == b"not a directory"


async def test_on_the_real_disk(tmp_path: Path) -> None:
    (tmp_path / "mail/example.org/alice").mkdir(parents=True)
    post = Post(PosixDisk(), root=str(tmp_path / "mail"))
    message = post.message()
    assert isinstance(await post.deliver_one(message), Delivered)
    [file] = (tmp_path / "mail/example.org/alice/new").iterdir()
    assert file.read_bytes() == IN_MAILBOX
    assert file.stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "mail/example.org/alice/tmp").iterdir()) == []


@given(
    lines=st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a\rb", b"\r", b"x" * 9]), max_size=12),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_the_form_in_a_mailbox_is_the_same_at_every_split(lines: list[bytes], cuts: list[int]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    stuffed = wire.stuff(content)
    whole = mailbox_form([stuffed], dotted=True)
    assert whole == content.replace(b"\r\n", b"\n")
    edges = sorted({0, len(stuffed), *(at for at in cuts if at < len(stuffed))})
    form = MailboxForm(dotted=True)
    pieces = [form.feed(stuffed[start:end]) for start, end in pairwise(edges)]
    assert b"".join([*pieces, form.end()]) == whole

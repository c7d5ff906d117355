"""What a mail reader looks for in a Maildir: sizes in names, fields on top, folders, room, owners; and the archive."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from asyncmta.delivery.maildir import LARGE, MaildirTransport
from asyncmta.delivery.maildir_places import USES, MaildirSettings
from asyncmta.mail import wire
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Deferred, Delivered, Outcome, Postponed
from asyncmta.mailboxes.maildirsize import Limit
from asyncmta.mailboxes.ownership import Ownership
from asyncmta.mailboxes.quota import Quota
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

ALICE = "mail/example.org/alice"
MESSAGE = b"Subject: hi\r\n\r\nHello\r\n.dot\r\n"
DAY = 1_700_000_000.75  # 14 November 2023


class Post:
    """A transport with these settings, and messages that it can be told to deliver."""

    def __init__(
        self, disk: FakeDisk | None = None, *, limit: Limit | None = None, minted_from: int = 0, **words: Any
    ) -> None:
        self.disk = disk or FakeDisk()
        if disk is None:
            self.disk.put(f"{ALICE}/here")
            self.disk.put("mail/example.org/bob/here")
        self.contents: dict[QueueId, bytes] = {}
        clock = FakeClock()
        settings = {name: words.pop(name) for name in ("size_in_name", "subfolders", "ownership") if name in words}
        self.mailboxes = Mailboxes(
            settings=LocalSettings(domains=("example.org",), maildir="mail/{domain}/{local_part}", delimiters="+"),
            hostname="mx.example.org",
            clock=clock,
            disk=self.disk,
            quota=Quota(disk=self.disk, clock=clock, limit=limit),
        )
        self.transport = MaildirTransport(
            disk=self.disk,
            mailboxes=self.mailboxes,
            read_content=self.read,
            hostname="mx",
            journal_tag="7f",
            minted_from=QueueId(minted_from),
            settings=MaildirSettings(**settings),
            quota=self.mailboxes.quota,
            **words,
        )

    def read(self, queue_id: QueueId) -> tuple[bytes, ...] | AsyncIterator[bytes]:
        content = self.contents[queue_id]

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(content), 100_000):
                yield content[at : at + 100_000]

        return chunks() if len(content) > LARGE else (content,)

    def message(
        self,
        *recipients: str | Recipient,
        number: int = 1,
        content: bytes = MESSAGE,
        attempts: int = 0,
        body: str = "7BIT",
    ) -> Consignment:
        stuffed = content if body == "BINARYMIME" else wire.stuff(content)
        self.contents[QueueId(number)] = stuffed
        people = [
            one if isinstance(one, Recipient) else Recipient(parse_address(one))
            for one in recipients or ("alice@example.org",)
        ]
        return Consignment(
            queue_id=QueueId(number),
            destination="local:example.org",
            envelope=Envelope(parse_address("sender@far.example"), tuple(people), body),
            ordinals=tuple(range(len(people))),
            content=Content(len(content), b"", wire.is_dotted(stuffed), len(stuffed)),
            accepted_at=DAY,
            attempts=attempts,
        )

    async def deliver(self, *consignments: Consignment) -> list[Outcome]:
        """What became of the first recipient of each."""
        results: dict[int, Mapping[int, Outcome]] = {}
        finished = asyncio.Event()

        def done(consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
            assert not isinstance(result, Postponed)
            results[id(consignment)] = result
            if len(results) == len(consignments):
                finished.set()

        self.transport.deliver(consignments, done)
        async with asyncio.timeout(20):
            await finished.wait()
        return [results[id(consignment)][0] for consignment in consignments]

    def files(self, directory: str = f"{ALICE}/new") -> dict[str, bytes]:
        """What lies directly in a directory."""
        return {
            path.removeprefix(f"{directory}/"): content
            for path, content in self.disk.tree().items()
            if path.rpartition("/")[0] == directory
        }


def crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 100_000])
async def test_the_name_says_the_sizes(times: int) -> None:
    post = Post()
    await post.deliver(post.message(content=MESSAGE * times))
    [(name, content)] = post.files().items()
    assert name == f"1700000000.0000000000000001r0j7f.mx,S={len(content)},W={len(crlf(content))}"


async def test_of_binary_content_the_size_on_the_disk_alone() -> None:
    post = Post()
    await post.deliver(post.message(content=b"Subject: x\r\n\r\n\0\n\r\r\n", body="BINARYMIME"))
    [(name, content)] = post.files().items()
    assert name == f"1700000000.0000000000000001r0j7f.mx,S={len(content)}"


async def test_names_without_sizes() -> None:
    post = Post(size_in_name=False)
    await post.deliver(post.message())
    assert list(post.files()) == ["1700000000.0000000000000001r0j7f.mx"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("moved", [True, False])
async def test_a_repeat_is_known_whatever_the_name_says_behind(first: bool, moved: bool) -> None:
    post = Post(size_in_name=first)
    await post.deliver(post.message())
    [name] = post.files()
    if moved:
        post.disk.rename(f"{ALICE}/new/{name}", f"{ALICE}/cur/{name}:2,S")
    again = Post(post.disk.kill(), size_in_name=not first, minted_from=100)
    [outcome] = await again.deliver(again.message())
    assert isinstance(outcome, Delivered)
    assert len(again.files()) + len(again.files(f"{ALICE}/cur")) == 1
    assert bool(again.files()) is not moved
    assert not again.files(f"{ALICE}/tmp")


# -- fields --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orcpt", "field"),
    [
        ("rfc822;sales+2Bnow@example.org", b"X-Original-To: sales+now@example.org\n"),
        ("RFC822;Sales@example.net", b"X-Original-To: Sales@example.net\n"),
        ("utf-8;\\x{FC}@example.org", b"X-Original-To: \xc3\xbc@example.org\n"),
        ("rfc822;alice@EXAMPLE.org", b""),
        ("rfc822;no address", b""),
        ("rfc822;a@example.org+0D+0AX-Evil:+20yes", b""),
        ("x400;something", b""),
        ("nonsense", b""),
        (None, b""),
    ],
)
async def test_whom_it_was_for_before(orcpt: str | None, field: bytes) -> None:
    post = Post()
    await post.deliver(post.message(Recipient(parse_address("alice@example.org"), orcpt=orcpt)))
    [content] = post.files().values()
    front = b"Return-Path: <sender@far.example>\n" + field + b"Delivered-To: alice@example.org\n"
    assert content == front + MESSAGE.replace(b"\r\n", b"\n")


# -- room ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 20_000])
async def test_a_mailbox_without_room_defers(times: int) -> None:
    post = Post(limit=Limit(200))
    post.disk.put(f"{ALICE}/cur/old,S=150:2,S")
    [outcome] = await post.deliver(post.message(content=MESSAGE * times))
    assert isinstance(outcome, Deferred)
    assert str(outcome.reply).startswith("452 4.2.2")
    assert post.files() == post.files(f"{ALICE}/tmp") == {}
    post.disk.unlink(f"{ALICE}/cur/old,S=150:2,S")
    assert post.files(ALICE)["maildirsize"] == b"200S\n150 1\n"


async def test_as_many_as_find_room_of_one_batch() -> None:
    post = Post(limit=Limit(messages=3))
    outcomes = await post.deliver(*(post.message(number=number) for number in range(1, 6)))
    assert [type(outcome) for outcome in outcomes].count(Delivered) == len(post.files()) == 3
    size = sum(map(len, post.files().values()))
    assert post.files(ALICE)["maildirsize"] == f"3C\n0 0\n{size} 3\n".encode()


@pytest.mark.parametrize("moved", [True, False])
async def test_a_repeat_is_not_counted_twice(moved: bool) -> None:
    post = Post(limit=Limit(10_000))
    await post.deliver(post.message())
    [name] = post.files()
    if moved:
        post.disk.rename(f"{ALICE}/new/{name}", f"{ALICE}/cur/{name}:2,S")
    await post.deliver(post.message(attempts=1))
    size = int(name.partition("S=")[2].partition(",")[0])
    assert post.mailboxes.quota is not None
    assert post.mailboxes.quota.admit(ALICE, [1]) == [True]
    assert post.files(ALICE)["maildirsize"] == f"10000S\n{size} 1\n".encode()


async def test_a_repeat_finds_room_in_a_full_mailbox() -> None:
    post = Post(limit=Limit(messages=1))
    await post.deliver(post.message())
    [outcome] = await post.deliver(post.message(attempts=1))
    assert isinstance(outcome, Delivered)


async def test_a_quota_that_cannot_be_told_defers() -> None:
    post = Post()
    post.disk.put(f"{ALICE}/maildirsize", b"1000S\n0 0\n")
    await post.mailboxes.lookup(parse_address("alice@example.org"))
    post.disk.fail_at(1, errno.EIO, only=("read_at",))
    [outcome] = await post.deliver(post.message())
    assert isinstance(outcome, Deferred)
    assert str(outcome.reply).startswith("451 4.3.0")


async def test_the_answer_for_rcpt_knows_that_it_is_full() -> None:
    post = Post(limit=Limit(messages=1))
    alice = parse_address("alice@example.org")
    assert getattr(await post.mailboxes.lookup(alice), "is_full", None) is False
    await post.deliver(post.message())
    again = Post(post.disk, limit=Limit(messages=1))
    assert getattr(await again.mailboxes.lookup(alice), "is_full", None) is True


# -- folders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subfolders", "address", "folder"),
    [
        ("none", "alice+lists@example.org", ""),
        ("detail", "alice+lists@example.org", ".Lists"),
        ("detail", "alice+LISTS@example.org", ".Lists"),
        ("detail", "alice+other@example.org", ""),
        ("detail", "alice+file@example.org", ""),
        ("detail", "alice@example.org", ""),
        ("create", "alice+lists@example.org", ".Lists"),
        ("create", "alice+other@example.org", ".other"),
        ("create", '"alice+../bob"@example.org', ""),
        ("create", '"alice+a..b"@example.org', ""),
    ],
)
async def test_a_folder_by_detail(subfolders: str, address: str, folder: str) -> None:
    post = Post(subfolders=subfolders, limit=Limit(10_000))
    post.disk.put(f"{ALICE}/.Lists/cur/old,S=1:2,S")
    post.disk.put(f"{ALICE}/.file", b"no folder")
    [outcome] = await post.deliver(post.message(address))
    assert isinstance(outcome, Delivered)
    directory = f"{ALICE}/{folder}" if folder else ALICE
    [content] = post.files(f"{directory}/new").values()
    if folder:
        assert "maildirfolder" in post.files(directory)
    assert post.files(ALICE)["maildirsize"] == f"10000S\n1 1\n{len(content)} 1\n".encode()
    assert list(post.files(f"{directory}/new")) == [
        path.rpartition("/")[2] for path in post.disk.crash().tree() if "/new/" in path
    ]
    assert post.files("mail/example.org/bob/new") == {}


async def test_a_mailbox_that_cannot_be_listed_defers() -> None:
    post = Post(subfolders="detail")
    await post.mailboxes.lookup(parse_address("alice+lists@example.org"))
    post.disk.fail_at(1, errno.EIO, only=("list",))
    [outcome] = await post.deliver(post.message("alice+lists@example.org"))
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize("part", ["tmp", "new"])
async def test_a_directory_that_goes_is_made_again_at_the_next_attempt(part: str) -> None:
    """It is looked at now and then, and always where something was wrong."""
    post = Post()
    await post.deliver(post.message(number=1))
    for path in [path for path in post.disk.tree() if path.startswith(f"{ALICE}/{part}/")]:
        post.disk.unlink(path)
    directory = post.disk._directory(ALICE)
    del directory.seen[part]
    [outcome] = await post.deliver(post.message(number=2))
    assert isinstance(outcome, Deferred)
    [outcome] = await post.deliver(post.message(number=2, attempts=1))
    assert isinstance(outcome, Delivered)


async def test_a_directory_is_looked_at_now_and_then() -> None:
    post = Post()
    for number in range(1, USES + 3):
        await post.deliver(post.message(number=number))
    looks = [path for operation, path in post.disk.calls if (operation, path) == ("open", f"{ALICE}/new")]
    assert len(looks) == 2


# -- modes and owners ----------------------------------------------------------------------------------------------


async def test_what_is_made_is_given_away() -> None:
    post = Post(subfolders="create", ownership=Ownership(0o2770, 5000, 5001))
    await post.deliver(post.message("alice+new@example.org"))
    [name] = post.files(f"{ALICE}/.new/new")
    granted = post.disk.granted
    for directory in ("tmp", "new", "cur", ".new", ".new/tmp", ".new/new", ".new/cur"):
        assert granted[f"{ALICE}/{directory}"] == (0o2770, 5000, 5001)
    assert granted[f"{ALICE}/.new/tmp/{name.partition(',')[0]}"] == (0o660, 5000, 5001)
    assert granted[f"{ALICE}/.new/maildirfolder"] == (0o660, 5000, 5001)
    assert ALICE not in granted


async def test_what_may_not_be_given_away_defers() -> None:
    post = Post(ownership=Ownership(uid=5, gid=5))
    await post.mailboxes.lookup(parse_address("alice@example.org"))
    post.disk.fail_at(4, errno.EPERM, only=("grant",))
    [outcome] = await post.deliver(post.message())
    assert isinstance(outcome, Deferred)
    assert post.files() == post.files(f"{ALICE}/tmp") == {}


# -- the archive ---------------------------------------------------------------------------------------------------

ARCHIVE = "archive/2023-11-14"


def archived(post: Post) -> dict[str, bytes]:
    return post.files(f"{ARCHIVE}/new")


@pytest.mark.parametrize("times", [1, 30_000])
async def test_one_copy_of_each_message(times: int) -> None:
    post = Post(archive="archive/{date}")
    content = b"Delivered-To: x@example.net\r\n" + MESSAGE * times
    await post.deliver(post.message("alice@example.org", "bob@example.org", "nobody@example.org", content=content))
    await post.deliver(post.message("alice@example.org", number=2))
    assert len(post.files()) == 2
    assert len(archived(post)) == 2
    front = (
        b"Return-Path: <sender@far.example>\nX-Original-To: alice@example.org\n"
        b"X-Original-To: bob@example.org\nX-Original-To: nobody@example.org\n"
    )
    name, first = sorted(archived(post).items())[0]
    assert first == front + content.replace(b"\r\n", b"\n")
    assert name == f"1700000000.0000000000000001aj7f.mx,S={len(first)},W={len(crlf(first))}"
    assert len([path for path in post.disk.crash().tree() if path.startswith(f"{ARCHIVE}/new/")]) == 2
    assert post.files(f"{ARCHIVE}/tmp") == {}


@pytest.mark.parametrize("times", [1, 30_000])
async def test_what_cannot_be_archived_was_not_delivered(times: int) -> None:
    post = Post(archive="archive/{date}")
    message = post.message(content=MESSAGE * times)
    await post.deliver(post.message(number=9))
    post.disk.fail_at(2, errno.ENOSPC, only=("link",))
    [outcome] = await post.deliver(message)
    assert isinstance(outcome, Deferred)
    assert len(archived(post)) == 1
    message.attempts = 1
    [outcome] = await post.deliver(message)
    assert isinstance(outcome, Delivered)
    assert len(archived(post)) == len(post.files()) == 2


async def test_what_was_not_delivered_is_not_archived() -> None:
    post = Post(archive="archive", limit=Limit(1))
    [outcome] = await post.deliver(post.message())
    assert isinstance(outcome, Deferred)
    assert not [path for path in post.disk.tree() if path.startswith("archive")]


async def test_a_repeat_is_archived_once() -> None:
    post = Post(archive="archive/{date}")
    await post.deliver(post.message("alice@example.org", "bob@example.org"))
    again = Post(post.disk.kill(), archive="archive/{date}", minted_from=100)
    message = again.message("alice@example.org", "bob@example.org")
    message.ordinals = (0,)
    await again.deliver(message)
    assert len(archived(again)) == 1


async def test_a_second_consignment_of_a_message_leaves_alone_what_is_archived() -> None:
    post = Post(archive="archive/{date}")
    message = post.message("alice@example.org", "bob@example.org")
    for ordinal in (0, 1):
        message.ordinals = (ordinal,)
        post.disk.heal()
        links = [path for operation, path in post.disk.calls if operation == "link" and path.startswith("archive")]
        assert len(links) == ordinal
        results = asyncio.get_running_loop().create_future()
        post.transport.deliver([message], lambda _, result, results=results: results.set_result(result))
        assert isinstance((await results)[ordinal], Delivered)
    assert len(archived(post)) == 1
    assert len([path for operation, path in post.disk.calls if operation == "link" and "archive" in path]) == 1


async def test_what_is_remembered_of_the_archive_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncmta.delivery.archive.REMEMBERED", 2)
    post = Post(archive="archive/{date}")
    await post.deliver(*(post.message(number=number) for number in range(1, 6)))
    assert len(archived(post)) == 5
    archive = post.transport._archive
    assert archive is not None
    assert len(archive._archived) == 2

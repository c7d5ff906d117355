from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes import resolver
from asyncmta.mailboxes.resolver import LocalSettings, Mailbox, Mailboxes, MailboxUnknown, NoMailbox
from asyncmta.system.disk import Disk, PosixDisk
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk


def address(text: str) -> Address:
    return parse_address(text, smtputf8=True)


def build(disk: Disk, clock: FakeClock | None = None, *, root: str = "mail", **settings: object) -> Mailboxes:
    fields = {"domains": ("example.org", "example.net"), "maildir": f"{root}/{{domain}}/{{local_part}}", **settings}
    return Mailboxes(settings=LocalSettings(**fields), hostname="mx.example.com", clock=clock or FakeClock(), disk=disk)


@pytest.fixture
def disk() -> FakeDisk:
    disk = FakeDisk()
    disk.put("mail/example.org/alice/new/x")
    disk.put("mail/example.org/file")
    return disk


async def test_existing_means_that_its_directory_is_there(disk: FakeDisk) -> None:
    mailboxes = build(disk)
    assert await mailboxes.lookup(address("alice@example.org")) == Mailbox("mail/example.org/alice")
    assert await mailboxes.lookup(address('"Alice"@EXAMPLE.ORG')) == Mailbox("mail/example.org/alice")
    assert await mailboxes.lookup(address("bob@example.org")) == NoMailbox()
    assert await mailboxes.lookup(address("alice@example.net")) == NoMailbox()


async def test_a_file_is_no_mailbox(disk: FakeDisk) -> None:
    assert await build(disk).lookup(address("file@example.org")) == NoMailbox()
    answer = await build(disk, mailboxes="any").lookup(address("file@example.org"))
    assert answer == MailboxUnknown("not a directory")


async def test_a_file_above_a_mailbox_is_no_mailbox() -> None:
    disk = FakeDisk()
    disk.put("mail/example.org")
    assert await build(disk).lookup(address("alice@example.org")) == NoMailbox()


async def test_any_means_that_it_may_be_made(disk: FakeDisk) -> None:
    mailboxes = build(disk, mailboxes="any")
    assert await mailboxes.lookup(address("new.one@example.org")) == Mailbox("mail/example.org/new.one", may_make=True)
    assert await mailboxes.lookup(address("alice@elsewhere.example")) == NoMailbox()


async def test_quotes_around_a_listed_address_make_no_mailbox_of_another_domain(disk: FakeDisk) -> None:
    local = LocalSettings(
        domains=("here.example", "too.example"), mailboxes=("bob@here.example",), maildir="m/{local_part}"
    )
    mailboxes = Mailboxes(settings=local, hostname="mx.here.example", clock=FakeClock(), disk=disk)
    assert isinstance(await mailboxes.lookup(parse_address("bob@here.example")), Mailbox)
    assert await mailboxes.lookup(parse_address('"bob@here.example"@too.example')) == NoMailbox()


async def test_a_list_names_local_parts_and_addresses(disk: FakeDisk) -> None:
    mailboxes = build(disk, mailboxes=("Bob", "carol@example.net", "erin@BÜCHER.example"))
    assert await mailboxes.lookup(address("bob@example.org")) == Mailbox("mail/example.org/bob", may_make=True)
    assert await mailboxes.lookup(address("bob@example.net")) == Mailbox("mail/example.net/bob", may_make=True)
    assert await mailboxes.lookup(address("carol@example.net")) == Mailbox("mail/example.net/carol", may_make=True)
    assert await mailboxes.lookup(address("carol@example.org")) == NoMailbox()
    assert await mailboxes.lookup(address("alice@example.org")) == NoMailbox()


@pytest.mark.parametrize("text", ["postmaster@example.org", "Postmaster@example.net", "POSTMASTER@mx.example.com"])
async def test_postmaster_is_always_there(disk: FakeDisk, text: str) -> None:
    answer = await build(disk).lookup(address(text))
    assert answer == Mailbox(f"mail/{address(text).domain_key}/postmaster", may_make=True)


async def test_the_postmaster_of_the_settings_is_always_there(disk: FakeDisk) -> None:
    mailboxes = build(disk, postmaster="root")
    assert await mailboxes.lookup(address("root@mx.example.com")) == Mailbox("mail/mx.example.com/root", may_make=True)
    assert await mailboxes.lookup(address("root@example.org")) == NoMailbox()
    mailboxes = build(disk, postmaster="boss@example.org")
    assert await mailboxes.lookup(address("boss@example.org")) == Mailbox("mail/example.org/boss", may_make=True)
    mailboxes = build(disk, postmaster="boss@far.example")
    assert await mailboxes.lookup(address("boss@far.example")) == NoMailbox()


async def test_a_postmaster_does_not_open_the_host_name_for_others(disk: FakeDisk) -> None:
    assert await build(disk, mailboxes="any").lookup(address("alice@mx.example.com")) == NoMailbox()


@pytest.mark.parametrize("local_part", ['"../alice"', '".."', '"a/b"', '".hidden"', '"."'])
async def test_what_would_leave_the_root_has_no_mailbox(disk: FakeDisk, local_part: str) -> None:
    mailboxes = build(disk, mailboxes="any")
    assert await mailboxes.lookup(address(f"{local_part}@example.org")) == NoMailbox()
    assert disk.calls == ()


async def test_a_name_too_long_for_the_pattern_has_no_mailbox(disk: FakeDisk) -> None:
    mailboxes = build(disk, mailboxes="any", maildir=f"mail/{'x' * 240}{{local_part}}")
    assert await mailboxes.lookup(address(f"{'a' * 20}@example.org")) == NoMailbox()
    assert isinstance(await mailboxes.lookup(address("alice@example.org")), Mailbox)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ELOOP, errno.ENFILE, 9999])
async def test_trouble_of_ours_is_unknown(disk: FakeDisk, number: int) -> None:
    disk.fail_at(1, number)
    answer = await build(disk).lookup(address("alice@example.org"))
    assert isinstance(answer, MailboxUnknown)
    assert answer.reason == {errno.ELOOP: "a symbolic link below the mail root", 9999: "an error of the disk"}.get(
        number, errno.errorcode.get(number)
    )


@pytest.mark.parametrize("mailboxes", ["existing", "any"])
async def test_no_symbolic_link_below_the_root_is_followed(tmp_path: Path, mailboxes: str) -> None:
    (tmp_path / "real/example.org/alice").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "real/example.org/eve").symlink_to(tmp_path / "outside")
    (tmp_path / "real/example.net").symlink_to(tmp_path / "outside")
    (tmp_path / "real/example.org/loop").symlink_to("loop")
    (tmp_path / "real/example.org/dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "mail").symlink_to("real")
    found = build(PosixDisk(), root=str(tmp_path / "mail"), mailboxes=mailboxes)
    assert isinstance(await found.lookup(address("alice@example.org")), Mailbox)
    for text in ("eve@example.org", "alice@example.net", "loop@example.org", "dangling@example.org"):
        assert isinstance(await found.lookup(address(text)), MailboxUnknown), text


async def test_answers_are_kept_for_a_few_seconds(disk: FakeDisk) -> None:
    clock = FakeClock()
    mailboxes = build(disk, clock)
    alice, bob = address("alice@example.org"), address("bob@example.org")
    assert mailboxes.cached(alice) is None
    assert await mailboxes.lookup(alice) == mailboxes.cached(alice) == Mailbox("mail/example.org/alice")
    assert await mailboxes.lookup(bob) == mailboxes.cached(bob) == NoMailbox()
    looks = disk.steps
    await mailboxes.lookup(alice)
    assert disk.steps == looks
    clock.advance(resolver.KEPT_MISSING)
    assert mailboxes.cached(bob) is None
    disk.put("mail/example.org/bob/new/x")
    assert await mailboxes.lookup(bob) == Mailbox("mail/example.org/bob")
    clock.advance(resolver.KEPT_FOUND)
    assert mailboxes.cached(alice) is None


async def test_what_needs_no_look_is_answered_at_once(disk: FakeDisk) -> None:
    assert build(disk).cached(address("alice@far.example")) == NoMailbox()
    assert build(disk, mailboxes=("bob",)).cached(address("alice@example.org")) == NoMailbox()


async def test_the_cache_is_bounded_and_forgets_what_was_not_asked_for_longest(
    disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "CACHED_ANSWERS", 2)
    mailboxes = build(disk, mailboxes="any")
    first, second, third = (address(f"{name}@example.org") for name in ("a", "b", "c"))
    await mailboxes.lookup(first)
    await mailboxes.lookup(second)
    mailboxes.cached(first)
    await mailboxes.lookup(third)
    assert mailboxes.cached(second) is None
    assert isinstance(mailboxes.cached(first), Mailbox)
    assert isinstance(mailboxes.cached(third), Mailbox)


async def test_one_look_at_a_time_for_a_name(disk: FakeDisk) -> None:
    mailboxes = build(disk)
    answers = await asyncio.gather(*(mailboxes.lookup(address("alice@example.org")) for _ in range(10)))
    assert set(answers) == {Mailbox("mail/example.org/alice")}
    assert disk.calls.count(("open", "mail/example.org/alice")) == 1


async def test_one_who_asks_and_leaves_takes_the_answer_from_nobody(disk: FakeDisk) -> None:
    mailboxes = build(disk)
    leaver = asyncio.ensure_future(mailboxes.lookup(address("alice@example.org")))
    other = asyncio.ensure_future(mailboxes.lookup(address("alice@example.org")))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await other == Mailbox("mail/example.org/alice")
    with pytest.raises(asyncio.CancelledError):
        await leaver


class HangingDisk(FakeDisk):
    """A disk that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def open(self, path: str, *, write: bool = False) -> int:
        self.go.wait(30)
        return super().open(path, write=write)


async def test_a_disk_that_does_not_answer_makes_it_unknown_in_time() -> None:
    clock, disk = FakeClock(), HangingDisk()
    disk.put("mail/example.org/alice/new/x")
    mailboxes = build(disk, clock)
    texts = ("alice@example.org", "bob@example.org", "carol@example.org")
    asked = [asyncio.ensure_future(mailboxes.lookup(address(text))) for text in texts]
    await clock.settle()
    clock.advance(resolver.LOOK_TIMEOUT)
    assert set(await asyncio.gather(*asked)) == {MailboxUnknown("the disk does not answer")}
    disk.go.set()
    clock.advance(resolver.KEPT_UNKNOWN)
    assert await mailboxes.lookup(address("alice@example.org")) == Mailbox("mail/example.org/alice")


@pytest.mark.parametrize(
    "settings",
    [
        {"maildir": "var/mail"},
        {"mailboxes": "all"},
        {"mailboxes": ("a b",)},
        {"mailboxes": ('"../x"',)},
        {"postmaster": ""},
        {"postmaster": '".."@example.org'},
        {"domains": ("exa mple",)},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        LocalSettings(**settings)


@pytest.mark.parametrize(
    ("local_part", "found"),
    [
        ("alice", Mailbox("mail/example.org/alice")),
        ("alice+Lists", Mailbox("mail/example.org/alice", detail="lists")),
        ("alice+a+b", Mailbox("mail/example.org/alice", detail="a+b")),
        ("ALICE+", Mailbox("mail/example.org/alice")),
        ("bob+lists", NoMailbox()),
        ("+alice", NoMailbox()),
        ("bob+own", Mailbox("mail/example.org/bob+own")),
        ('"alice+a b"', Mailbox("mail/example.org/alice", detail="a b")),
    ],
)
async def test_a_detail_behind_the_name(disk: FakeDisk, local_part: str, found: object) -> None:
    disk.put("mail/example.org/bob+own/new/x")
    mailboxes = build(disk, delimiters="+")
    for _ in range(2):  # the second time from memory
        assert await mailboxes.lookup(address(f"{local_part}@example.org")) == found


async def test_no_mailbox_is_made_for_a_detail(disk: FakeDisk) -> None:
    found = await build(disk, delimiters="+", mailboxes="any").lookup(address("carol+x@example.org"))
    assert found == Mailbox("mail/example.org/carol", may_make=True, detail="x")


async def test_without_delimiters_a_plus_is_a_letter(disk: FakeDisk) -> None:
    assert await build(disk).lookup(address("alice+x@example.org")) == NoMailbox()

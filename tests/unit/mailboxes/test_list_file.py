"""mailboxes/list_file and the resolver with somebody else to ask."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.list_file import FRESH, ListFile, parse_list
from asyncmta.mailboxes.resolver import LocalSettings, Mailbox, Mailboxes, MailboxUnknown, NoMailbox
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

ALICE, BOB = parse_address("Alice@example.org"), parse_address("bob@example.org")


def test_a_list_is_read() -> None:
    text = '# all of us\n\nAlice\n  bob@Example.ORG # with a word\n"carol"@example.net\r\n'
    assert parse_list(text) == {"alice", "bob@example.org", "carol@example.net"}


@pytest.mark.parametrize("line", ["@@", "a b", "alice@", '"../x"', ".hidden"])
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_list(f"alice\n{line}\n")


async def test_it_is_read_again_when_it_changes_and_not_oftener_than_it_must(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "list"
    path.write_text("alice\n")
    listed = ListFile(path=str(path), clock=clock)
    assert await asyncio.gather(listed.has(ALICE), listed.has(BOB)) == [True, False]
    path.write_text("bob@example.org\n")
    assert await listed.has(ALICE) is True  # it was looked at within this second
    clock.advance(FRESH)
    assert (await listed.has(ALICE), await listed.has(BOB)) == (False, True)
    clock.advance(FRESH)
    assert await listed.has(BOB) is True  # nothing has changed
    path.unlink()
    clock.advance(FRESH)
    assert await listed.has(BOB) is None
    path.write_text("bob\n")
    clock.advance(FRESH)
    assert await listed.has(BOB) is True


async def test_a_link_is_followed_and_what_is_no_text_cannot_be_told(tmp_path: Path) -> None:
    clock, path, link = FakeClock(), tmp_path / "list", tmp_path / "link"
    path.write_text("alice\n")
    os.symlink(path, link)
    assert await ListFile(path=str(link), clock=clock).has(ALICE) is True
    for octets in (b"\xff\xfe", b"alice\n@@\n"):
        path.write_bytes(octets)
        assert await ListFile(path=str(link), clock=clock).has(ALICE) is None
    assert await ListFile(path=str(tmp_path), clock=clock).has(ALICE) is None


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (True, Mailbox("mail/example.org/bob", may_make=True)),
        (False, NoMailbox()),
        (None, MailboxUnknown("who lives here cannot be told now")),
    ],
)
async def test_somebody_else_says_who_there_is(said: bool | None, answer: object) -> None:
    asked = []

    async def recipients(address: object) -> bool | None:
        asked.append(str(address))
        return said

    settings = LocalSettings(domains=("example.org",), maildir="mail/{domain}/{local_part}", mailboxes=("alice",))
    mailboxes = Mailboxes(
        settings=settings, hostname="mx.example.org", clock=FakeClock(), disk=FakeDisk(), recipients=recipients
    )
    assert await mailboxes.lookup(BOB) == answer
    assert mailboxes.cached(BOB) == answer
    postmaster = await mailboxes.lookup(parse_address("postmaster@example.org"))
    assert isinstance(postmaster, Mailbox)
    assert asked == ["bob@example.org"]
    assert await mailboxes.lookup(parse_address("x@elsewhere.example")) == NoMailbox()


def test_settings_name_the_file() -> None:
    settings = LocalSettings(mailboxes="file:/etc/list")
    assert settings.list_file == "/etc/list"
    assert LocalSettings(mailboxes=("alice",)).list_file == ""
    with pytest.raises(ValueError, match="file:PATH"):
        LocalSettings(mailboxes="file:")


async def test_what_is_wrong_with_it_is_said_once_and_when_it_is_over(tmp_path: Path) -> None:
    clock, path, told = FakeClock(), tmp_path / "list", []
    file = ListFile(path=str(path), clock=clock, on_faults=lambda path, faults: told.append((path, faults)))
    for text in (None, None, "alice\nb b\n", "bob\n", "bob\n"):
        if text is not None:
            path.write_text(text)
        clock.advance(FRESH)
        await file.has(BOB)
    assert [path for path, _ in told] == [str(path)] * 3
    assert told[0][1] == ("No such file or directory",)
    assert told[1][1][0].startswith("line 2: ")
    assert told[2][1] == ()


async def test_quotes_around_an_address_do_not_make_it_the_one_that_is_listed(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("bob@example.org\nalice\n")
    listed = ListFile(path=str(tmp_path / "list"), clock=FakeClock())
    for text, found in (
        ('"bob@example.org"@example.net', False),
        ('"alice"@example.net', True),
        ('"../x"@a.example', False),
    ):
        assert await listed.has(parse_address(text)) is found


async def test_a_list_of_another_systems_editor_and_one_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("\ufeffalice\r\nbob@example.org\r\n".encode())
    listed = ListFile(path=str(tmp_path / "list"), clock=FakeClock())
    assert (await listed.has(ALICE), await listed.has(BOB)) == (True, True)
    os.mkfifo(tmp_path / "pipe")
    assert await ListFile(path=str(tmp_path / "pipe"), clock=FakeClock()).has(ALICE) is None

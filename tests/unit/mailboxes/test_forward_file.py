"""Forward files: what is taken from them, which of them may be trusted, and what a doubtful one means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncmta.mailboxes.alias_text import Somebody
from asyncmta.mailboxes.expansion import Untold
from asyncmta.mailboxes.forward_file import CACHED, KEPT, KEPT_UNTOLD, LARGEST, ForwardFiles, read_forward
from asyncmta.testing.clock import FakeClock


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    file = folder / ".forward"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("", ()),
        ("# nobody\n\n", ()),
        ("bob\n", (Somebody("bob"),)),
        ("bob, carol@far.example\n\\alice\n", (
            Somebody("bob"), Somebody("carol", "far.example"), Somebody("alice", "", is_final=True)
        )),
        ("Bob <bob@far.example> # me\r\n", (Somebody("bob", "far.example"),)),
    ],
)  # fmt: skip
def test_addresses(tmp_path: Path, text: str, targets: object) -> None:
    written(tmp_path, text)
    assert read_forward(str(tmp_path), ".forward") == targets


@pytest.mark.parametrize(
    "text",
    [
        "|program",
        "/a/file",
        '"|/bin/sh -c x"',
        ":include:/etc/passwd",
        "not an address",
        b"\xff\xfe",
        "x" * (LARGEST + 1),
    ],
)
def test_what_cannot_be_taken_is_no_no(tmp_path: Path, text: str | bytes) -> None:
    written(tmp_path, text)
    assert isinstance(read_forward(str(tmp_path), ".forward"), Untold)


def test_where_there_is_none(tmp_path: Path) -> None:
    assert read_forward(str(tmp_path), ".forward") == ()
    assert read_forward(str(tmp_path / "nowhere"), ".forward") == ()
    (tmp_path / "file").touch()
    assert read_forward(str(tmp_path / "file"), ".forward") == ()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_one_that_others_may_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    written(tmp_path, "bob", mode)
    found = read_forward(str(tmp_path), ".forward")
    assert isinstance(found, Untold)
    assert "others may write it" in found.reason


def test_links_pipes_and_directories_are_not_trusted(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("bob")
    real.chmod(0o600)
    places = {kind: tmp_path / kind for kind in ("link", "hard", "pipe", "directory")}
    for place in places.values():
        place.mkdir()
    (places["link"] / ".forward").symlink_to(real)
    os.link(real, places["hard"] / ".forward")
    os.mkfifo(places["pipe"] / ".forward", 0o600)
    (places["directory"] / ".forward").mkdir()
    for place in places.values():
        assert isinstance(read_forward(str(place), ".forward"), Untold), place
    (tmp_path / "way").symlink_to(places["hard"])
    assert read_forward(str(tmp_path / "way"), ".forward") == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_directory_or_root(tmp_path: Path) -> None:
    file = written(tmp_path, "bob")
    os.chown(file, 12345, -1)
    assert isinstance(read_forward(str(tmp_path), ".forward"), Untold)
    os.chown(tmp_path, 12345, -1)
    assert read_forward(str(tmp_path), ".forward") == (Somebody("bob"),)
    os.chown(file, 0, -1)
    assert read_forward(str(tmp_path), ".forward") == (Somebody("bob"),)


async def test_what_was_found_holds_for_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    files = ForwardFiles(name=".forward", clock=clock)
    mailbox = str(tmp_path)
    assert files.known(mailbox) is None
    assert await files.of(mailbox) == ()
    written(tmp_path, "bob")
    assert files.known(mailbox) == ()
    clock.advance(KEPT + 1)
    assert files.known(mailbox) is None
    assert await files.of(mailbox) == (Somebody("bob"),)
    written(tmp_path, "|program")
    clock.advance(KEPT + 1)
    assert isinstance(await files.of(mailbox), Untold)
    assert isinstance(await files.of(mailbox), Untold)
    clock.advance(KEPT_UNTOLD + 0.1)
    assert files.known(mailbox) is None


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncmta.mailboxes.forward_file.CACHED", 2)
    files = ForwardFiles(name=".forward", clock=FakeClock())
    for name in ("a", "b", "c"):
        await files.of(str(tmp_path / name))
    assert files.known(str(tmp_path / "a")) is None
    assert files.known(str(tmp_path / "c")) == ()
    assert CACHED > 2

"""Sessions of a real client: what a user sees on the first day."""

from __future__ import annotations

import subprocess

import pytest
from peerkit.programs import TOP, program
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

LOCAL = """
[local]
domains = ["localhost"]
maildir = "mail/{domain}/{local_part}"
"""
STRICT = """
[relay]
networks = []
"""


def swaks(mta, to, *more):
    return subprocess.run(
        [program("swaks"), "--server", f"127.0.0.1:{mta.port}", "--from", "me@example.org", "--to", to, *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_local_mailbox_gets_its_message(serving, tmp_path):
    (tmp_path / "mail" / "localhost" / "alice").mkdir(parents=True)
    mta = serving(LOCAL).start()
    said = swaks(mta, "alice@localhost", "--body", "hello\n.\n..dots")
    assert said.returncode == 0, said.stdout
    assert "<-  220 mta.test" in said.stdout
    assert mta.stop() == 0  # drained: what was taken is in its mailbox
    (file,) = (tmp_path / "mail" / "localhost" / "alice" / "new").iterdir()
    content = file.read_bytes()
    assert b"hello" in content
    assert content.startswith(b"Return-Path: <me@example.org>")


def test_the_configuration_of_make_serve(serving, tmp_path, monkeypatch):
    """The config.toml of the repository, with folders and a port of the test's own."""
    mta = serving()
    mta.config = TOP / "config.toml"
    monkeypatch.setenv("ASYNCMTA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("ASYNCMTA_LISTENER__0__PORT", str(mta.port))
    monkeypatch.setenv("ASYNCMTA_LOCAL__MAILDIR", str(tmp_path / "mail" / "{domain}" / "{local_part}"))
    (tmp_path / "mail" / "localhost" / "alice").mkdir(parents=True)
    mta.start()
    assert swaks(mta, "alice@localhost").returncode == 0
    assert "<** 550 5.1.1" in swaks(mta, "nobody@localhost").stdout
    assert swaks(mta, "postmaster@localhost").returncode == 0
    assert mta.stop() == 0
    assert len(list((tmp_path / "mail" / "localhost" / "alice" / "new").iterdir())) == 1


def test_a_recipient_without_mailbox_is_refused_at_rcpt(serving):
    said = swaks(serving(LOCAL).start(), "nobody@localhost")
    assert "<** 550 5.1.1" in said.stdout
    assert said.returncode == 24


def test_a_foreign_recipient_from_a_foreign_client_is_refused(serving):
    said = swaks(serving(LOCAL + STRICT).start(), "you@elsewhere.example")
    assert "<** 550 5.7.1" in said.stdout
    assert said.returncode == 24


def test_a_foreign_recipient_from_our_own_network_is_taken(relaying, receiver):
    said = swaks(relaying.start(), "you@elsewhere.example")
    assert said.returncode == 0, said.stdout
    assert wait(lambda: receiver.taken, 20)
    assert receiver.taken[0].recipients == ["you@elsewhere.example"]

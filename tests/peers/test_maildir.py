"""Dovecot serves over IMAP what local delivery wrote: all of it, once, with its sizes, its folders and its quota."""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import smtplib
import threading
import time
from collections import Counter

import pytest
from peerkit.client import letter
from peerkit.dovecot_imap import NOBODY, DovecotImap
from peerkit.receiver import wait

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may give mailboxes away"),
]

USERS = tuple(f"u{number}" for number in range(10))
CONFIG = """
[local]
domains = ["example.org"]
maildir = "{mail}/{{domain}}/{{local_part}}"
mailboxes = {mailboxes}
delimiters = "+"
[maildir]
quota = "50MiB"
owner = "65534:65534"
subfolders = "detail"
"""
MAILBOXES = str([*USERS, "small"]).replace("'", '"')
NAME = re.compile(r".*,S=(\d+),W=(\d+)(?::2,[A-Z]*)?\Z")


@pytest.fixture
def dovecot():
    with DovecotImap() as dovecot:
        yield dovecot


@pytest.fixture
def mta(dovecot, serving):
    return serving(CONFIG.format(mail=dovecot.maildir, mailboxes=MAILBOXES))


def identity_of(content: bytes) -> str:
    return content.partition(b"X-Identity: ")[2].partition(b"\r\n")[0].decode()


def fetched(session, folder: str = "INBOX") -> list[tuple[int, bytes]]:
    """Size and content of each message of a folder."""
    said, (number, *_) = session.select(folder, readonly=True)
    assert said == "OK", number
    if number == b"0":
        return []
    _, parts = session.fetch("1:*", "(RFC822.SIZE BODY.PEEK[])")
    return [(int(re.search(rb"RFC822.SIZE (\d+)", part[0])[1]), part[1]) for part in parts if isinstance(part, tuple)]


def files_of(mailbox: pathlib.Path) -> list[pathlib.Path]:
    return [path for part in ("new", "cur") for path in mailbox.glob(f"**/{part}/*")]


def written_down(mailbox: pathlib.Path) -> tuple[int, int]:
    """Octets and messages, as maildirsize sums up."""
    _, *lines = (mailbox / "maildirsize").read_text().splitlines()
    return sum(int(line.split()[0]) for line in lines), sum(int(line.split()[1]) for line in lines)


def assert_sizes(mailbox: pathlib.Path) -> int:
    """Names say what is true, and so does maildirsize; the octets in the mailbox."""
    files = files_of(mailbox)
    for path in files:
        content = path.read_bytes()
        match = NAME.match(path.name)
        assert match is not None, path
        assert int(match[1]) == len(content)
        assert int(match[2]) == len(content) + content.count(b"\n")
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (NOBODY, NOBODY, 0o600)
    octets = sum(path.stat().st_size for path in files)
    # A message is seen before its directory is synced, and written down after that.
    assert wait(lambda: written_down(mailbox) == (octets, len(files)), 30), (mailbox / "maildirsize").read_text()
    return octets


def test_a_thousand_messages_of_ten_users(dovecot, mta):
    mta.start()
    sent = {}
    lists = dovecot.maildir / "example.org" / "u0" / ".Lists"
    lists.mkdir(parents=True)
    for path in (lists, *list(lists.parents)[:2]):
        os.chown(path, NOBODY, NOBODY)
    with smtplib.SMTP("127.0.0.1", mta.port) as client:
        for number in range(1000):
            user = USERS[number % 10] + ("+lists" if number % 100 == 0 else "")
            sent[f"m-{number}"] = letter(f"m-{number}", number)
            client.sendmail("sender@example.net", [f"{user}@example.org"], sent[f"m-{number}"])
    assert wait(lambda: len(files_of(dovecot.maildir)) == 1000, 60), mta.tail()
    for number, user in enumerate(USERS):
        session = dovecot.login(f"{user}@example.org")
        messages = fetched(session)
        folders = sorted(line.rpartition(b" ")[2] for line in session.list()[1])
        assert folders == ([b"INBOX", b"Lists"] if user == "u0" else [b"INBOX"])
        lists = fetched(session, "Lists") if user == "u0" else []
        assert len(lists) == (10 if user == "u0" else 0)
        assert len(messages) + len(lists) == 100
        for size, content in messages + lists:
            assert size == len(content)
            assert content.startswith(b"Return-Path: <sender@example.net>\r\nDelivered-To: " + user.encode())
            assert content.endswith(sent[identity_of(content)])
        assert {int(identity_of(content)[2:]) % 10 for _, content in messages + lists} == {number}
        octets = assert_sizes(dovecot.maildir / "example.org" / user)
        _, (_, [quota]) = session.getquotaroot("INBOX")
        used, limit = re.search(rb"STORAGE (\d+) (\d+)", quota).groups()
        assert (int(used), int(limit)) in {(octets // 1024, 50 * 1024), (-(-octets // 1024), 50 * 1024)}
        session.logout()
    assert "Error" not in dovecot.log(), dovecot.log()


def test_a_full_mailbox_until_its_reader_deletes(dovecot, mta):
    """452 at RCPT, and it waits at delivery; what the reader deletes makes room."""
    small = dovecot.maildir / "example.org" / "small"
    small.mkdir(parents=True)
    (small / "maildirsize").write_text("3C\n0 0\n")
    for path in (small.parent, small, small / "maildirsize"):
        os.chown(path, NOBODY, NOBODY)
    mta.start()
    with smtplib.SMTP("127.0.0.1", mta.port) as client:
        for number in range(3):
            client.sendmail("s@example.net", ["small@example.org"], letter(f"m-{number}", number))
    assert wait(lambda: len(files_of(small)) == 3, 30)

    def refused() -> bool:
        with smtplib.SMTP("127.0.0.1", mta.port) as client:
            client.ehlo()
            client.mail("s@example.net")
            code, text = client.rcpt("small@example.org")
            return (code, text[:5]) == (452, b"4.2.2")

    assert wait(refused, 30), mta.tail()
    session = dovecot.login("small@example.org")
    session.select("INBOX")
    session.store("1", "+FLAGS", "\\Deleted")
    session.expunge()
    session.logout()
    assert wait(lambda: not refused(), 30), (small / "maildirsize").read_text()
    with smtplib.SMTP("127.0.0.1", mta.port) as client:
        client.sendmail("s@example.net", ["small@example.org"], letter("m-9", 9))
    assert wait(lambda: len(files_of(small)) == 3, 30)
    assert_sizes(small)


def test_no_doubles_after_kills_in_the_middle(dovecot, mta, seed, long):
    """A reader is at it meanwhile, so that some are in cur/ when they are tried again."""
    chance = random.Random(seed)
    kills = 30 if long else 6
    taken: list[str] = []
    over = threading.Event()

    def send(lane: int) -> None:
        number = 0
        while not over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", mta.port, timeout=10) as client:
                    while not over.is_set():
                        number += 1
                        identity = f"m{lane}-{number}"
                        user = USERS[number % 10]
                        client.sendmail("s@example.net", [f"{user}@example.org"], letter(identity, number))
                        taken.append(identity)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.01)

    def read() -> None:
        while not over.is_set():
            for user in USERS:
                session = dovecot.login(f"{user}@example.org")
                session.select("INBOX")
                session.logout()

    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(6)] + [threading.Thread(target=read)]
    mta.start()
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            before = len(taken)
            assert wait(lambda before=before: len(taken) > before + 100, 60), mta.tail()
            time.sleep(chance.uniform(0, 0.1))
            mta.kill()
            mta.start()
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert wait(lambda: json.loads(mta.asyncmta("queue", "stats", "--json").stdout)["messages"] == 0, 60), mta.tail()
    arrived: Counter[str] = Counter()
    for user in USERS:
        session = dovecot.login(f"{user}@example.org")
        arrived.update(identity_of(content) for _, content in fetched(session))
        session.logout()
        assert_sizes(dovecot.maildir / "example.org" / user)
        assert not list((dovecot.maildir / "example.org" / user).glob("tmp/*"))
    assert not set(taken) - arrived.keys()
    assert [identity for identity, times in arrived.items() if times > 1] == []
    print(f"{len(taken)} taken, {sum(arrived.values())} arrived, {kills} kills")

"""A served MTA whose users are in SQLite, whose mailboxes are in Dovecot, and whose aliases change while it runs."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3

import pytest
from peerkit.dovecot_host import DovecotHost
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"
CONFIG = """
[local]
domains = ["{domain}"]
mailboxes = "sqlite:users.db"
query = "SELECT 1 FROM users WHERE name = :local_part"
store = "lmtp:unix:{socket}"
aliases = "aliases"
relocated = "relocated"
delimiters = "+"
"""


def codes(port: int, *recipients: str) -> list[int]:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("s1@stranger.test")
        return [client.rcpt(recipient)[0] for recipient in recipients]


def test_who_lives_here_is_in_a_database_and_the_mail_in_dovecot(serving, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "users.db")) as made:
        made.execute("CREATE TABLE users (name TEXT)")
        made.executemany("INSERT INTO users VALUES (?)", [("alice",), ("bob",)])
        made.commit()
    (tmp_path / "aliases").write_text("team: alice, bob\n")
    (tmp_path / "relocated").write_text("eve eve@new.test\n")
    with DovecotHost() as host:
        mta = serving(CONFIG.format(domain=host.domain, socket=host.socket)).start()
        names = ("alice", "Bob+lists", "team", "nobody", "eve")
        assert codes(mta.port, *[f"{name}@{host.domain}" for name in names]) == [250, 250, 250, 550, 551]
        with smtplib.SMTP("127.0.0.1", mta.port) as client:
            client.sendmail("s1@stranger.test", [f"team@{host.domain}"], CONTENT)
        assert wait(lambda: host.count() >= 2, 20), mta.tail()
        (tmp_path / "aliases").write_text("crew: bob\n")
        assert wait(lambda: codes(mta.port, f"crew@{host.domain}", f"team@{host.domain}") == [250, 550], 20)
        (tmp_path / "users.db").rename(tmp_path / "aside.db")
        assert wait(lambda: codes(mta.port, f"alice@{host.domain}") == [451], 20)
        told = mta.asyncmta("route", f"crew@{host.domain}").stdout.decode()
        assert mta.stop() == 0
        assert "stands for bob" in told
        assert "kept by unix:" in told
        assert sorted(path.name for path in host.maildirs()) == ["b", "e"]
        assert host.count() == 2

"""OpenSMTPD as the last stop: smtpd, and mail.maildir for each message."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from peerkit.hosts import Host, in_private
from peerkit.programs import TOP

OPENSMTPD = pathlib.Path(os.environ.get("OPENSMTPD_TOOLS") or TOP / ".tools" / "opensmtpd")
USERS = (
    "opensmtpd:x:64011:64011::{home}/empty:/bin/false\n"
    "opensmtpq:x:64012:64012::{home}/empty:/bin/false\n"
    "lastuser:x:65534:65534::{home}/mail:/bin/false\n"
)
GROUPS = "opensmtpd:x:64011:\nopensmtpq:x:64012:\n"
CONFIG = """
table boxes {{ "@{domain}" = "lastuser" }}
smtp limit max-mails 1000000
smtp max-message-size 100M
listen on {address} port {port} hostname opensmtpd.test
action "box" maildir "{home}/mail" virtual <boxes>
match from any for domain "{domain}" action "box"
"""


class OpensmtpdHost(Host):
    """At 127.0.0.1 it would take every client for its own user, and add Date and Message-ID; so it is at another."""

    name = "opensmtpd"
    address = "127.0.0.2"
    longest_line = 65_000  # it says 500 to a longer one
    adds = frozenset({b"return-path", b"delivered-to", b"received"})

    def command(self) -> list[str]:
        daemon = OPENSMTPD.resolve() / "usr" / "sbin" / "smtpd"
        if not daemon.exists():
            pytest.skip(f"{daemon} is not there: run make test-tools")
        spool = self.home / "spool"
        for name in ("empty", "spool", "run"):
            (self.home / name).mkdir()
        (spool).chmod(0o711)
        for name, user, group, mode in (
            ("queue", 64012, 0, 0o700),
            ("corrupt", 64012, 0, 0o700),
            ("incoming", 64012, 0, 0o700),
            ("purge", 64012, 0, 0o700),
            ("temporary", 64012, 0, 0o700),
            ("offline", 0, 64012, 0o770),
        ):
            (spool / name).mkdir()
            os.chown(spool / name, user, group)
            (spool / name).chmod(mode)
        shutil.chown(self.maildir, "nobody", "nogroup")
        mounts = [
            (spool, "/var/spool/smtpd"),
            (OPENSMTPD.resolve() / "usr" / "libexec" / "opensmtpd", "/usr/libexec/opensmtpd"),
            (self.home / "empty", "/var/lib/opensmtpd/empty"),
            (self.home / "run", "/run"),
        ]
        private = in_private(self.home, mounts, USERS.format(home=self.home), GROUPS)
        config = self.home / "smtpd.conf"
        config.write_text(CONFIG.format(home=self.home, address=self.address, port=self.port, domain=self.domain))
        return [*private, str(daemon), "-d", "-f", str(config)]

    def log(self) -> str:
        return ""  # it goes to its standard output

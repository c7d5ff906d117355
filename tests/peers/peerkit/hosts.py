"""Mail servers of others as the last stop of a message: each listens on one port and keeps what it takes in a Maildir.

A `Host` is one of them in a folder of its own. It is told to leave content alone as far as it can be told; what it
cannot be told otherwise stands beside its class. `arrived` gives back each message for each of its recipients, without
the fields that were put in front on the way. Those are checked, not skipped: any field that is not in `adds`, and any
second Received of ours, is a failure.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

import pytest

from peerkit.programs import program
from peerkit.serving import free_port

OURS = re.compile(rb"\sby mta\.test\s")
FIELD = re.compile(rb"([!-9;-~]+):[^\n]*(?:\n[ \t][^\n]*)*\n")
ADDRESS = re.compile(rb"<?([^<>\s]+@[^<>\s]+?)>?;?\n")


class Host(ABC):
    """One server, from `with` on. `domain` is what it takes mail for."""

    name = ""
    adds: frozenset[bytes] = frozenset()  # fields in front of ours
    names_recipient = b"delivered-to"  # the one that says for whom this copy is
    longest_line = 1 << 30  # of text, as it takes it
    takes_smtputf8 = False
    address = "127.0.0.1"
    greeting = b"220"

    def __init__(self) -> None:
        self.domain = f"{self.name}.test"
        self.port = free_port()
        # Not below pytest's folder, which is closed to the users that these servers become.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"asyncmta-{self.name}-"))
        self.home.chmod(0o755)
        self.maildir = self.home / "mail"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration; what to run in the foreground."""

    @abstractmethod
    def log(self) -> str:
        """What it says."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        for folder in ("", "new", "cur", "tmp"):
            (self.maildir / folder).mkdir(exist_ok=True)
            shutil.chown(self.maildir / folder, "nobody")
        command = self.command()
        with open(self.home / "stdout", "wb") as out:
            self.process = subprocess.Popen(
                command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_greeting()

    def _await_greeting(self, timeout: float = 30.0) -> None:
        assert self.process is not None
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 5) as sock:
                sock.settimeout(10)
                if sock.recv(3) == self.greeting:
                    sock.sendall(b"QUIT\r\n")
                    return
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said()}"
            time.sleep(0.05)
        raise AssertionError(f"{self.name} greets nobody:\n{self.said()}")

    def said(self) -> str:
        return (self.home / "stdout").read_text(errors="replace")[-3000:] + self.log()[-3000:]

    def stop(self) -> None:
        """With the first process of its own, all others end; `unshare` is its parent, and waits for it."""
        if self.process is not None:
            first = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            with contextlib.suppress(OSError):
                for child in first.read_text().split():
                    os.kill(int(child), signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def __enter__(self) -> Host:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- what has come -----------------------------------------------------------------------------------------------

    def maildirs(self) -> list[pathlib.Path]:
        return [self.maildir]

    def recipient(self, maildir: pathlib.Path, fields: dict[bytes, bytes]) -> str:
        """For whom a copy is, by the fields in front."""
        address = ADDRESS.search(fields[self.names_recipient])
        assert address is not None, fields
        return address[1].decode()

    def count(self) -> int:
        """How many have come."""
        return sum(len(os.listdir(maildir / folder)) for maildir in self.maildirs() for folder in ("new", "cur"))

    def arrived(self) -> list[tuple[str, bytes]]:
        """Recipient and content of each, with CRLF lines."""
        found = []
        for maildir in self.maildirs():
            for path in (*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()):
                fields, content = self._unwrap(path.read_bytes())
                found.append((self.recipient(maildir, fields), content))
        return found

    def _unwrap(self, stored: bytes) -> tuple[dict[bytes, bytes], bytes]:
        """The fields in front taken off, up to and with the one Received of ours; and the rest."""
        at, is_ours = 0, False
        fields: dict[bytes, bytes] = {}
        while not is_ours:
            field = FIELD.match(stored, at)
            assert field is not None, f"what is this on top? {stored[at : at + 300]!r}"
            name = field[1].lower()
            assert name in self.adds, f"{self.name} put {field[0]!r} on top"
            is_ours = name == b"received" and OURS.search(field[0]) is not None
            fields[name] = field[0]
            at = field.end()
        content = stored[at:]
        assert b"\r" not in content
        return fields, content.replace(b"\n", b"\r\n")


def in_private(
    folder: pathlib.Path, mounts: Iterable[tuple[pathlib.Path, str]] = (), users: str = "", groups: str = ""
) -> list[str]:
    """The words in front of a command that becomes a server. It and all its children end with the first process of
    them. For programs with compiled-in places and users: for it alone `mounts` (ours, theirs) lie over those places,
    and those users exist."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a server its own places")
    script = ["set -e"]
    for name, more in (("passwd", users), ("group", groups)):
        private = folder / name
        private.write_text(more + pathlib.Path("/etc", name).read_text())  # of two with a name, the first counts
        script.append(f"mount --bind {private} /etc/{name}")
    for ours, theirs in mounts:
        script.append(f"mkdir -p {theirs}; mount --bind {ours} {theirs}")
    (folder / "private.sh").write_text("\n".join([*script, 'exec "$@"', ""]))
    return [
        program("unshare"),
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        str(folder / "private.sh"),
    ]

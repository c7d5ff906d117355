"""Kind d: `kill -9` of the whole server, `asyncmta serve` as anybody runs it, under load, and the ledger closes. J01.

One spool lives through all kills. smtp-source sends to a next hop, which takes most, refuses some for good and some for
now; clients of ours send beside it, also into Maildirs and also what is large. Some servers die again while they read
their journal. At the end, by id: acknowledged = delivered + bounced + queued.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.spool.store import read_only
from asyncmta.system.disk import PosixDisk
from tests.crash.lab import letters, oracle
from tests.crash.lab.client import Crowd
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.oracle import Account, Arrived, Copy
from tests.crash.lab.report import Row
from tests.crash.lab.script import LARGE
from tests.crash.lab.sink import Sink
from tests.crash.lab.source import Source
from tests.crash.lab.wire import Wire
from tests.crash.lab.yard import dying_with_us

WHY = "at the next hop at the kill, and not yet recorded"

CONFIG = """
hostname = "mta.test"
spool = "{folder}/spool"
[[listener]]
address = "127.0.0.1"
port = {port}
[local]
domains = ["local.test"]
maildir = "{folder}/mail/{{domain}}/{{local_part}}"
mailboxes = "any"
[[route]]
recipient = "*"
via = "smarthost"
hosts = ["127.0.0.1:{sink}"]
tls = "none"
[log]
format = "json"
"""

BY_SOURCE = (
    ("remote@next.test", 1500),
    ("bounce@next.test", 1500),
    ("remote@next.test", 20_000),
    ("keep@next.test", 900),
)
"""What smtp-source sends, another one at each of its starts."""
QUIET = 3.0


def addressed(number: int) -> tuple[str, ...]:
    if number % 2:
        return (f"u{number % 14}@local.test",)
    kind = {4: "bounce", 14: "keep"}.get(number % 20, "remote")
    return (f"{kind}-{number}@next.test",)


class Server:
    """One `asyncmta serve` at a time, over one folder."""

    def __init__(self, folder: pathlib.Path, sink: Sink) -> None:
        self.folder = folder
        self._sink = sink
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "config.toml"
        self._config.write_text(CONFIG.format(folder=folder, port=self.port, sink=sink.port), encoding="utf-8")

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCMTA_")}
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                dying_with_us([sys.executable, "-m", "asyncmta", "serve", "-c", str(self._config)]),
                cwd=TOP,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def await_greeting(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._process is not None
            if (code := self._process.poll()) is not None:
                raise RuntimeError(f"the server ended with {code}:\n{self.tail()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.settimeout(5)
                if sock.recv(3) == b"220":
                    sock.sendall(b"QUIT\r\n")
                    return
            time.sleep(0.02)
        raise RuntimeError(f"no greeting:\n{self.tail()}")

    def tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def queue(self) -> list[dict[str, Any]]:
        """What waits in the journal of a server that does not run, as `settle` wants it."""
        rows = []
        if not (self.folder / "spool" / "journal").exists():
            return []
        spool = read_only(PosixDisk(), str(self.folder / "spool"))
        for entry in spool.entries():
            recipients = [str(entry.envelope.recipients[at].address).lower() for at in entry.pending()]
            rows.append({"recipients": recipients, "queue_id": entry.queue_id})
        return rows

    def queue_with_content(self) -> list[dict[str, Any]]:
        spool = read_only(PosixDisk(), str(self.folder / "spool"))
        rows = []
        for row in self.queue():
            content = b""
            with contextlib.suppress(ContentUnavailable):
                content = letters.unstuffed(b"".join(spool.content(row["queue_id"])))
            if row["recipients"]:
                rows.append(row | letters.described(content))
        return rows

    def may_repeat(self) -> list[Copy]:
        """What the next hop has and the journal does not know it has."""
        pending = {recipient for row in self.queue() for recipient in row["recipients"]}
        return [
            (oracle.identity_of(taken.content), each)
            for taken in tuple(self._sink.taken)
            for each in taken.recipients
            if each in pending
        ]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def row(folder: pathlib.Path, *, kills: int, seed: int) -> Row:
    """So many kills of one spool; at the end the ledger."""
    said = Row("kill -9 of the server, under smtp-source", why_duplicates=WHY)
    sink = Sink()
    with Server(folder, sink) as server:
        server.start()
        server.await_greeting()
        wire = Wire(server.port)
        crowd = Crowd(
            server.port, addressed, prefix="k", sessions=3, size=lambda n: LARGE if n % 50 == 7 else 1500
        ).start()
        try:
            with Source(wire, BY_SOURCE, sessions=10, prefix="s"):
                may_repeat = _kill_over_and_over(server, crowd, wire, kills=kills, chance=random.Random(seed))
        finally:
            crowd.stop()
        account = _in_the_end(server, crowd, wire, sink, may_repeat)
    wire.stop()
    sink.stop()
    said.add(account, f"seed {seed}")
    said.runs = kills
    senders = f"{wire.acknowledged:,} letters of smtp-source and {crowd.acknowledged:,} of clients of ours"
    places = f"{account.delivered:,} delivered + {account.bounced:,} bounced + {account.queued:,} queued"
    said.remarks.append(f"{senders} acknowledged; their {account.copies:,} copies = {places}")
    return said


def _kill_over_and_over(server: Server, crowd: Crowd, wire: Wire, *, kills: int, chance: random.Random) -> list[Copy]:
    """The copies that may arrive once more."""
    may_repeat: list[Copy] = []
    for _ in range(kills):
        by_source = wire.acknowledged
        if not crowd.wait(crowd.acknowledged + 20):
            raise RuntimeError(f"the server takes nothing:\n{server.tail()}")
        for _ in range(3000):
            if wire.acknowledged > by_source:
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.6))
        server.kill()
        may_repeat += server.may_repeat()
        server.start()
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0.2, 1.0))
            server.kill()
            may_repeat += server.may_repeat()
            server.start()
        server.await_greeting()
    return may_repeat


def _in_the_end(server: Server, crowd: Crowd, wire: Wire, sink: Sink, may_repeat: list[Copy]) -> Account:
    """When nothing arrives any more; then the server is stopped, and its journal says what is queued."""
    end = time.monotonic() + 90
    seen, since = -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < QUIET:
        if len(sink.taken) != seen:
            seen, since = len(sink.taken), time.monotonic()
        time.sleep(0.1)
    code = server.stop()
    queue = server.queue_with_content()
    arrived = Arrived(wire.digests)
    arrived.note_sink(tuple(sink.taken))
    arrived.note_mailboxes(oracle.mailboxes(server.folder / "mail"))
    sent = [*crowd.sent, *wire.sent]
    account = oracle.settle(sent, arrived, queue, may_repeat=may_repeat)
    if code:
        account.faults.append(f"ended with {code}")
    # Whom the next hop does not want now may wait; nobody else has a reason to.
    idle = [each for row in queue for each in row["recipients"] if not each.lstrip("0123456789").startswith("keep")]
    if idle:
        account.faults.append(f"still queued: {idle[:5]}")
    if '"level":"critical"' in (server.folder / "log").read_text(errors="replace"):
        account.faults.append("the log has a critical line")
    refusals = [(each.identity, text) for each in sent for text in each.refusals]
    refusals += [("a greeting", text) for text in wire.greetings]
    account.faults += [f"{who} was refused with {text}" for who, text in refusals if not text.startswith("4")]
    return account

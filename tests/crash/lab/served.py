"""Kind d: `kill -9` of the whole server, `asyncmta serve` as anybody runs it, under load, and the ledger closes. J01.

One spool lives through all kills. Half of the mail goes to a next hop, which refuses some for good; half into Maildirs.
Some servers die again while they read their journal.
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

from asyncmta.spool.store import read_only
from asyncmta.system.disk import PosixDisk
from tests.crash.lab import oracle
from tests.crash.lab.client import Crowd
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.letters import examine
from tests.crash.lab.oracle import Account, Arrived, Copy
from tests.crash.lab.report import Row
from tests.crash.lab.script import LARGE
from tests.crash.lab.sink import Sink

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


def addressed(number: int) -> tuple[str, ...]:
    if number % 2:
        return (f"u{number % 14}@local.test",)
    return (f"{'bounce' if number % 20 == 4 else 'remote'}-{number}@next.test",)


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
                [sys.executable, "-m", "asyncmta", "serve", "-c", str(self._config)],
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

    def pending(self) -> list[str]:
        """Who waits in the journal of a server that does not run."""
        return [
            str(entry.envelope.recipients[ordinal].address).lower()
            for entry in read_only(PosixDisk(), str(self.folder / "spool")).entries()
            for ordinal in entry.pending()
        ]

    def may_repeat(self) -> list[Copy]:
        """What the next hop has and the journal does not know it has."""
        if not (self.folder / "spool" / "journal").exists():
            return []
        pending = set(self.pending())
        return [
            (examine(taken.content)[0], each)
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
    chance = random.Random(seed)
    said = Row("kill -9 of the server", why_duplicates=WHY)
    sink = Sink()
    may_repeat: list[Copy] = []
    with Server(folder, sink) as server:
        server.start()
        server.await_greeting()
        crowd = Crowd(server.port, addressed, prefix="k", size=lambda n: LARGE if n % 50 == 7 else 1500).start()
        try:
            for _ in range(kills):
                seen = crowd.acknowledged
                crowd.wait(seen + 20)
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
        finally:
            crowd.stop()
        account = _in_the_end(server, crowd, sink, may_repeat)
    sink.stop()
    said.add(account, f"seed {seed}")
    said.runs = kills
    return said


def _in_the_end(server: Server, crowd: Crowd, sink: Sink, may_repeat: list[Copy]) -> Account:
    """When all of it has arrived, or a minute is over."""
    rows: list[dict[str, Any]] = []
    end = time.monotonic() + 60
    while True:
        arrived = Arrived()
        arrived.note_sink(tuple(sink.taken))
        arrived.note_mailboxes(oracle.mailboxes(server.folder / "mail"))
        account = oracle.settle(crowd.sent, arrived, rows, may_repeat=may_repeat)
        if not account.lost or time.monotonic() > end:
            break
        time.sleep(0.2)
    code = server.stop()
    if code:
        account.faults.append(f"ended with {code}")
    left = server.pending()
    if left:
        account.faults.append(f"still queued: {left[:5]}")
    if '"level":"critical"' in (server.folder / "log").read_text(errors="replace"):
        account.faults.append("the log has a critical line")
    account.faults += [
        f"{sent.identity} was refused with {text}"
        for sent in crowd.sent
        for text in sent.refusals
        if not text.startswith("4")
    ]
    return account

"""`make bench-backlog`: at rest, with 20,000 queued, after a restart, and how fast that drains; the MTAs in turn.

Start: from the process to its first 220. At rest: RSS five seconds later. Then messages of one recipient come, while
the next hop refuses connections: RSS and octets on the disk for each of them. Then SIGKILL, the next hop is there, and
the MTA starts on that spool: until its first 220, until the first message arrives, and how many arrive in each second
after that; nothing twice. An MTA that waits for its retry time is told to try now, as an operator would (`kicked`).
`backlog.py` is the same for a million, of asyncmta alone.

    .venv/bin/python benchmarks/queued.py [--mta asyncmta] [--messages 20000] [--dry]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import loads, processes, table, tools, turns
from benchmarks.servers import Server
from benchmarks.table import Column, Run

CAP = 110.0
DRAINED = 0.9  # so much of it is what a drain is timed over
AT_REST = 5.0
SETTLED = 60.0
BUSY = 0.1  # CPU seconds in a second
OWN_TIME = {"Haraka": "cannot be told to try now; its first retry takes minutes"}
COLUMNS = (
    Column("start", "start to 220, s", "{:.2f}", "starts later"),
    Column("rest", "RSS at rest, MiB", "{:.0f}", "more at rest"),
    Column("each", "RSS for each queued", "{:,.0f}"),
    Column("disk", "on disk for each", "{:,.0f}"),
    Column("again", "start on it, s", "{:.2f}"),
    Column("first", "to the first delivery, s", "{:.2f}", "first delivery later"),
    Column("drain", "drain, messages/s"),
)


def octets(folder: pathlib.Path) -> int:
    """What the files below it take on the disk."""
    found = 0
    for where, _, files in os.walk(folder):
        for name in files:
            try:
                found += os.lstat(os.path.join(where, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return found


@contextlib.contextmanager
def kicked(server: Server) -> Iterator[None]:
    """The whole queue is tried now; nobody waits for the command, which may be what does it."""
    command = server.kick()
    if not command:
        yield
        return
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=tools.environment(), stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def settle(server: Server, patience: float) -> None:
    """Until it has nothing more to do, or has had its time."""
    end, used = time.monotonic() + patience, -1.0
    while time.monotonic() < end and (now := processes.cpu(server.process.pid)) - used > BUSY:
        used = now
        time.sleep(1.0)


def once(kind: type[Server], asked: argparse.Namespace) -> Run:
    if asked.smoke and kind.name in OWN_TIME:
        return {"note": OWN_TIME[kind.name]}
    root, port = asked.spools / kind.name.lower(), tools.free_port()  # nobody is there yet
    begin = time.monotonic()
    with kind(root, "relay", port) as server:
        start = time.monotonic() - begin
        time.sleep(0.5 if asked.smoke else AT_REST)
        rest, _ = processes.memory(server.process.pid)
        empty = octets(root / "spool")
        loads.send(server.port, CAP, messages=asked.messages, sessions=10, size=asked.size)
        settle(server, 5.0 if asked.smoke else SETTLED)
        full, _ = processes.memory(server.process.pid)
        disk = octets(root / "spool") - empty
        print(f"{kind.name}: {asked.messages:,} queued, restart", flush=True)
        server.stop()
        with loads.counting(asked.spools / "sink", port=port) as sink:
            begin = time.monotonic()
            server.start()
            again = time.monotonic() - begin
            with kicked(server):
                sink.wait(1, CAP)
                first = time.monotonic() - begin
                goal = asked.messages if asked.smoke else int(asked.messages * DRAINED)
                try:
                    sink.wait(goal, CAP)
                except RuntimeError as error:
                    if asked.smoke:
                        raise
                    print(f"{kind.name}: {error}", flush=True)
                rate = (sink.messages - 1) / max(0.001, time.monotonic() - begin - first)
            server.stop()
    if asked.smoke:
        loads.check(sink.report, asked.messages)
    return {
        "start": round(start, 3),
        "rest": round(rest / 2**20, 1),
        "each": round((full - rest) / asked.messages),
        "disk": round(disk / asked.messages),
        "again": round(again, 3),
        "first": round(first, 3),
        "drain": round(rate, 1),
        "twice": sink.report["twice"],
    }


def main() -> None:
    parser = table.parser(__doc__, runs=1)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=1024)
    asked = parser.parse_args()
    if reason := tools.missing():
        sys.exit(f"bench: {reason}")
    if asked.smoke:
        asked.messages = 40
    with turns.room(asked):
        told = (
            "{0[start]} s to 220, {0[rest]} MiB, {0[each]} octets each, again {0[again]} s, first {0[first]} s".format
        )
        runs = turns.take(once, asked, told)
        settings = (
            f"{asked.messages:,} messages of {asked.size} octets; a drain counts until {DRAINED:.0%} are there, or for "
            f"{CAP:.0f} s; medians of {asked.runs}; a ratio is that of a peer to ours. ¹ does not sync before its 250."
        )
        table.show("queued", asked, runs, table.rows(runs, COLUMNS), settings)


if __name__ == "__main__":
    main()

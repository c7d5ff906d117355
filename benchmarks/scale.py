"""`make bench-scale`: what a message costs, against the length of the queue, and against the number of destinations.

    .venv/bin/python benchmarks/scale.py queue [--points 1000,10000,100000,1000000] [--dry]
    .venv/bin/python benchmarks/scale.py destinations [--points 1,10,100,1000,10000,100000] [--dry]

queue: a spool is filled with messages that were deferred and are due in an hour, asyncmta starts on it, and messages go
through it by a smarthost: CPU seconds of asyncmta for each 1,000. Nothing of the queue is due meanwhile. destinations:
that many domains, each with an exchanger and an address of its own (`wild_names.py`), get one message each, or 5,000
together where they are fewer; so each point has its own share of look-ups and connections, which the table tells. The
pictures are docs/scale-queue.png and docs/scale-destinations.png; they need matplotlib (requirements-bench.txt).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.outcome import Cause, Deferred
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest
from asyncmta.spool.records import Accepted, Attempted
from asyncmta.spool.store import SpoolSettings, Store
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import PosixDisk
from benchmarks import loads, machine, names, picture, probe, processes, report, scrape, table, tools, turns, wild_names
from benchmarks.held import Watched
from benchmarks.table import Run

POINTS = {"queue": "1000,10000,100000,1000000", "destinations": "1,10,100,1000,10000,100000"}
CONTENT = b"Subject: backlog\r\n\r\n" + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\r\n" * 16
AT_ONCE = 500
AGE = 3 * 3600.0  # of the queue: by its schedule, what failed now is due in over an hour
FEWEST = 5000
CAP = 300.0
SLOWEST = 100.0  # messages in a second that are still worth a wait
DEAD = '[[route]]\nrecipient = ".dead.test"\nvia = "smarthost"\nhosts = ["127.0.0.1:9"]\ntls = "none"\n'
DNS = '[dns]\nservers = ["{address}:{port}"]\n'


async def fill(spool: pathlib.Path, messages: int) -> None:
    """With messages that were deferred: two records each, as an attempt leaves them."""
    store = Store(
        disk=PosixDisk(), directory=str(spool), clock=SystemClock(), settings=SpoolSettings(),
        on_poisoned=lambda failure: sys.exit(str(failure)), on_event=lambda *_: None,
    )  # fmt: skip
    await store.open()
    content = Content(len(CONTENT), digest([CONTENT], False), False, len(CONTENT))
    sender, now = parse_address("sender@bench.test"), time.time()
    late = Deferred(Cause.CONNECT, reply(451, "4.4.1", "nobody is there"))
    for at in range(0, messages, AT_ONCE):
        batch: list[Accepted | Attempted] = []
        for each in range(at, min(at + AT_ONCE, messages)):
            envelope = Envelope(sender, (Recipient(parse_address(f"u{each}@d{each % 1000}.dead.test")),))
            queue_id = store.next_queue_id()
            batch.append(Accepted(queue_id, now - AGE, envelope, content, "192.0.2.1", None, parts=(CONTENT,)))
            batch.append(Attempted(queue_id, now, {0: late}))
        await store.commit(*batch)
        for record in batch[::2]:
            store.park(record.queue_id)
        if not at % 100_000 and at:
            print(f"  {at:,} of {messages:,} are in the queue", flush=True)
    await store.close()


class Laden(Watched):
    """With so many messages in its queue."""

    messages = 0
    patience = CAP

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        config = self.root / "conf" / "config.toml"
        config.write_text(config.read_text().replace("[[route]]", f"{DEAD}[[route]]", 1))
        asyncio.run(fill(self.root / "spool", self.messages))
        return command

    def queued(self) -> float:
        return scrape.total(scrape.page(self.admin), "queue_messages")


def through(server: Watched, sink: tools.Sink, messages: int, domains: int, first: int) -> Run:
    """So many messages: the cost."""
    wanted, patience = sink.messages + messages, max(CAP, messages / SLOWEST)
    with processes.Watch(server.process.pid) as watch:
        begin = time.monotonic()
        loads.send(server.port, patience, messages=messages, sessions=20, domains=domains, first=first)
        sink.wait(wanted, patience)
        seconds = time.monotonic() - begin
    return {
        "cpu_per_1000": round(watch.cpu * 1000 / messages, 4),
        "rate": round(messages / seconds, 1),
        "rss": watch.resident,
        "foreign": round(watch.foreign, 3),
    }


def middle(parts: list[Run]) -> Run:
    return {key: median(part[key] for part in parts) for key in parts[0]}


def with_queue(length: int, asked: argparse.Namespace) -> Run:
    kind = type("Laden", (Laden,), {"messages": length, "name": "asyncmta"})
    print(f"{length:,} are put into the queue", flush=True)
    messages = asked.messages or FEWEST
    with (
        loads.counting(asked.spools / "sink") as sink,
        kind(asked.spools / "asyncmta", "relay", sink.port) as server,
    ):
        end = time.monotonic() + CAP
        while server.queued() < length:
            if time.monotonic() > end:
                raise RuntimeError(f"{server.queued():,.0f} of {length:,} are in the queue after a restart")
            time.sleep(0.5)
        time.sleep(asked.quiet)
        print("  all are laid out; messages go through", flush=True)
        through(server, sink, min(1000, messages), 1, 0)
        parts = [through(server, sink, messages, 1, (turn + 1) * 10_000_000) for turn in range(asked.runs)]
        left = server.queued()
        damaged = scrape.total(scrape.page(server.admin), "spool_damaged_records_total")
    loads.check(sink.report, min(1000, messages) + asked.runs * messages)
    if damaged:
        raise RuntimeError(f"{damaged:,.0f} records of the queue could not be read")
    if left < length:
        raise RuntimeError(f"{length - left:,.0f} of the queue were tried meanwhile")
    return {"queue": length, **middle(parts)}


@contextlib.contextmanager
def name_server() -> Iterator[None]:
    command = [sys.executable, str(pathlib.Path(wild_names.__file__)), names.ADDRESS, str(names.PORT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def with_destinations(number: int, asked: argparse.Namespace) -> Run:
    messages = asked.messages or max(FEWEST, number)
    print(f"{number:,} destinations, {messages:,} messages", flush=True)
    spools = asked.spools
    with (
        name_server(),
        loads.counting(spools / "sink", 0, ("0.0.0.0",), names.SMTP) as sink,
        Watched(spools / "asyncmta", "mx", sink.port) as server,
    ):
        before = scrape.page(server.admin)
        found = through(server, sink, messages, number, 0)
        after = scrape.page(server.admin)
    loads.check(sink.report, messages)
    looked = scrape.grown(before, after, "dns_lookups_total")
    return {
        "destinations": number, "messages": messages, **found,
        "lookups": looked, "connections": sink.report["connections"] - 1, "sites": scrape.total(after, "sites"),
    }  # fmt: skip


def rows(what: str, runs: list[Run]) -> list[str]:
    first = runs[0]["cpu_per_1000"]
    more = ["lookups", "connections", "sites"] if what == "destinations" else []
    heads = [what, f"cost against {runs[0][what]:,}", "CPU s per 1,000", "messages/s", "RSS", *more]
    lines = [f"| {' | '.join(heads)} |", f"|{'---:|' * len(heads)}"]
    for run in runs:
        cells = [f"{run[what]:,}", f"{run['cpu_per_1000'] / first:.2f} x", f"{run['cpu_per_1000']:.3f}"]
        cells += [f"{run['rate']:,.0f}", f"{run['rss'] / 2**20:.0f} MiB", *(f"{run[key]:,.0f}" for key in more)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = table.parser(__doc__)
    parser.add_argument("what", choices=list(POINTS))
    parser.add_argument("--points", help="how many, with commas between")
    parser.add_argument("--messages", type=int, help="for each point (5,000, or one for each destination)")
    parser.add_argument("--quiet", type=float, default=3.0, help="seconds of rest before it (3)")
    asked = parser.parse_args()
    if reason := tools.missing() or (names.missing() if asked.what == "destinations" else ""):
        sys.exit(f"bench: {reason}")
    points = asked.points or ("10,200" if asked.smoke else POINTS[asked.what])
    if asked.smoke:
        asked.messages, asked.quiet = 200, 0.0
    probe.allow_many_files()
    one = with_queue if asked.what == "queue" else with_destinations
    runs = []
    with turns.room(asked), machine.alone():
        for point in points.split(","):
            runs.append({"mta": report.OURS, **one(int(point), asked)})
            print(f"  {json.dumps(runs[-1])}", flush=True)
            shutil.rmtree(asked.spools / "asyncmta", ignore_errors=True)
        settings = f"4096 octets, 20 sessions; medians of {asked.runs if asked.what == 'queue' else 1}."
        table.show(f"scale-{asked.what}", asked, runs, rows(asked.what, runs), settings)
    if not asked.dry and not asked.smoke:
        picture.draw(tools.TOP / "docs" / f"scale-{asked.what}.png", asked.what, runs)


if __name__ == "__main__":
    main()

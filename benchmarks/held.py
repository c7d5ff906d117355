"""`make bench-held`: the seeds' figures for a minute: 463 messages and 1,157 deliveries in each second, with syncs on.

Half of the messages have two recipients and half have three, each in another domain; `--mode mx` finds 100 domains by
MX, behind 5 hosts. They come by a timetable. Held is a rate that came out as it went in: all arrived, each once, and
what waited at the end was what a second brings. The lag of the loop is the one that it measures itself, once a second
(from /metrics; a percentile is the bound of a bucket); and, from outside, the time of a NOOP every 20 ms, which has the
load generator's share of the two CPUs in it.

    .venv/bin/python benchmarks/held.py [--mode mx] [--seconds 60] [--dry]
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import loads, machine, names, processes, report, scrape, source, table, tools, turns
from benchmarks.servers import Asyncmta
from benchmarks.table import Run
from benchmarks.workloads import HOSTS, exchangers

ADMIN = '[admin]\nlisten = "127.0.0.1:{port}"\n'
DOMAINS = 100
APART = 10_000_000  # numbers of the second half
EVERY = 0.02


class Watched(Asyncmta):
    """With /metrics at a port of ours, and room for the load's sessions."""

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        self.admin = tools.free_port()
        with open(self.root / "conf" / "config.toml", "a", encoding="utf-8") as config:
            config.write(ADMIN.format(port=self.admin))
        return command

    def start(self) -> None:
        """HTTP is there some moments after the listener."""
        super().start()
        scrape.wait(self.admin, self.patience)


class Noops:
    """A session that says NOOP every 20 ms; `times` in seconds."""

    def __init__(self, port: int) -> None:
        self.times: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(port,), daemon=True)

    def _ask(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.recv(1000)
            while not self._over.wait(EVERY):
                begin = time.monotonic()
                sock.sendall(b"NOOP\r\n")
                if not sock.recv(1000):
                    return
                self.times.append(time.monotonic() - begin)

    def __enter__(self) -> Noops:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(40)


def timed(server: Watched, sink: tools.Sink, asked: argparse.Namespace) -> Run:
    messages = int(asked.rate * asked.seconds / 2)
    words = {"messages": messages, "rate": asked.rate / 2, "size": asked.size, "sessions": asked.sessions // 2}
    before, begin = scrape.page(server.admin), time.monotonic()
    with Noops(server.port) as noops, processes.Watch(server.process.pid) as watch:
        halves = [
            loads.start(server.port, **words, recipients=2, domains=DOMAINS),
            loads.start(server.port, **words, recipients=3, domains=DOMAINS, first=APART),
        ]
        time.sleep(asked.seconds / 2)
        half = sink.messages / (time.monotonic() - begin)
        print(f"half of the time: {half:,.0f} deliveries/s", flush=True)
        found = [loads.ended(each, asked.seconds + 60) for each in halves]
        seconds = time.monotonic() - begin
        left = messages * 5 - sink.messages
        sink.wait(messages * 5, 60)
    after = scrape.page(server.admin)
    return {
        "messages": 2 * messages,
        "seconds": round(seconds, 2),
        "taken_per_s": round(2 * messages / max(each["seconds"] for each in found), 1),
        "delivered_per_s": round((messages * 5 - left) / seconds, 1),
        "left_at_the_end": left,
        "reply_ms": found[0]["ms"],
        "noop_ms": source.percentiles(noops.times),
        "lag_p99": scrape.percentile(before, after, "loop_lag_seconds", 0.99) * 1000,
        "lag_max": scrape.percentile(before, after, "loop_lag_seconds", 1.0) * 1000,
        "lags": scrape.grown(before, after, "loop_lag_seconds_count"),
        "syncs": scrape.grown(before, after, "sync_seconds_count"),
        "sync_p99": scrape.percentile(before, after, "sync_seconds", 0.99) * 1000,
        "cpu_share": round(watch.cpu / seconds, 3),
        "rss": watch.resident,
        "foreign": round(watch.foreign, 3),
    }


def once(asked: argparse.Namespace) -> Run:
    with contextlib.ExitStack() as stack:
        resolv, addresses, port = None, ("127.0.0.1",), 0
        if asked.mode == "mx":
            resolv = stack.enter_context(names.zone(asked.spools / "names", exchangers(DOMAINS), HOSTS))
            addresses, port = tuple(HOSTS.values()), names.SMTP
        with loads.counting(asked.spools / "sink", 0, addresses, port) as sink:
            server = Watched(asked.spools / "asyncmta", asked.mode, sink.port, resolv)
            with server:
                run = timed(server, sink, asked)
        loads.check(sink.report, run["messages"] // 2 * 5)
    arrival = sink.report["ms"]
    return {**run, "arrival_ms": arrival, "transactions": sink.report["transactions"]}


def rows(run: Run, asked: argparse.Namespace) -> list[str]:
    def three(ms: dict[str, float]) -> str:
        return f"{ms['p50']:.1f}, {ms['p99']:.1f}, {ms['p999']:.1f} ms"

    shown = [
        ("messages/s asked for, taken", f"{asked.rate:g}, {run['taken_per_s']:,.0f}"),
        ("deliveries/s asked for, made", f"{asked.rate * 2.5:,.0f}, {run['delivered_per_s']:,.0f}"),
        ("deliveries that were open when the last 250 came", f"{run['left_at_the_end']:,}"),
        ("loop lag by its own measure: p99 and most, at most", f"{run['lag_p99']:g}, {run['lag_max']:g} ms"),
        ("a NOOP beside it: p50, p99, p999", three(run["noop_ms"])),
        ("until the 250: p50, p99, p999", three(run["reply_ms"])),
        ("until a delivery: p50, p99, p999", three(run["arrival_ms"])),
        ("transactions, syncs of the journal", f"{run['transactions']:,}, {run['syncs']:,.0f}"),
        ("a sync: p99 at most", f"{run['sync_p99']:g} ms"),
        ("CPU of asyncmta, RSS at most", f"{run['cpu_share']:.0%} of one, {run['rss'] / 2**20:.0f} MiB"),
    ]
    return ["| measured | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in shown)]


def main() -> None:
    parser = table.parser(__doc__, runs=1)
    parser.add_argument("--mode", choices=("relay", "mx"), default="relay")
    parser.add_argument("--rate", type=float, default=463.0, help="messages/s (463); 2.5 recipients each")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=20)
    asked = parser.parse_args()
    if reason := tools.missing() or (names.missing() if asked.mode == "mx" else ""):
        sys.exit(f"bench: {reason}")
    if asked.smoke:
        asked.rate, asked.seconds, asked.sessions = 20.0, 3.0, 4
    with turns.room(asked), machine.alone():
        run = {"mta": report.OURS, "mode": asked.mode, **once(asked)}
        settings = (
            f"{asked.size} octets, {asked.sessions} kept connections, {asked.seconds:g} s, "
            f"{'100 domains by MX, 5 hosts' if asked.mode == 'mx' else 'one smarthost'}; others took "
            f"{run['foreign']:.0%} of the CPUs."
        )
        table.show(f"held-{asked.mode}", asked, [run], rows(run, asked), settings)


if __name__ == "__main__":
    main()

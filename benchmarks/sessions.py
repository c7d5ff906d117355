"""`make bench-sessions`: 10,000 sessions in, each of which sends mail, and 2,000 sessions out at the same time.

In: all are open and have said EHLO; then each sends one message, 200 at a time, while the others stay. Out: 100 domains
with an exchanger each, 20 sessions to each (the default limit), and replies that come two seconds late, so that they
are needed: `most_open` is what the sink saw at once. All mail arrives, once.

    .venv/bin/python benchmarks/sessions.py [--scale 0.1] [--dry]
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import loads, machine, names, probe, processes, report, scale, source, table, tools, turns
from benchmarks.held import Watched
from benchmarks.idle import TOGETHER, enter, say
from benchmarks.table import Run

INSIDE, OUTSIDE, SITES = 10_000, 2_000, 100
AT_ONCE = 200
LATE = 2000.0  # milliseconds
MESSAGE = b"Subject: one of many\r\n\r\n" + b"0123456789abcdef\r\n" * 50 + b".\r\n"
CAP = 240.0


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """One message on a session; seconds from MAIL to the 250 behind the dot."""
    began = time.monotonic()
    for line in (b"MAIL FROM:<a@bench.test>\r\n", b"RCPT TO:<b@d0.test>\r\n", b"DATA\r\n", MESSAGE):
        reply = await say(reader, writer, line)
        if reply[:1] not in (b"2", b"3"):
            raise RuntimeError(f"{line[:10]!r}: {reply!r}")
    return time.monotonic() - began


async def inside(served: probe.Served, sessions: int) -> Run:
    """All of them open, and then a message from each."""
    before, began = served.rss(), time.monotonic()
    open_ones: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for at in range(0, sessions, TOGETHER):
        numbers = range(at, min(at + TOGETHER, sessions))
        open_ones += [pair for pair in await asyncio.gather(*(both(served.port, number) for number in numbers)) if pair]
    greeted, there = time.monotonic() - began, served.rss()
    print(f"{len(open_ones):,} sessions are open after {greeted:.1f} s", flush=True)
    cpu, began, times = served.cpu(), time.monotonic(), []
    for at in range(0, len(open_ones), AT_ONCE):
        times += await asyncio.gather(*(send(*pair) for pair in open_ones[at : at + AT_ONCE]))
    seconds = time.monotonic() - began
    found = {
        "sessions": sessions, "greeted": len(open_ones), "greeted_in": greeted, "taken": len(times),
        "rate": len(times) / seconds, "cpu_per_1000": (served.cpu() - cpu) * 1000 / max(1, len(times)),
        "ms": source.percentiles(times), "before": before, "there": there, "after": served.rss(),
    }  # fmt: skip
    for _, writer in open_ones:
        writer.transport.abort()
    return found


async def both(port: int, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Reader and writer of a session that has said EHLO."""
    writer = await enter(port, number, None)
    if writer is None:
        return None
    protocol = writer.transport.get_protocol()
    assert isinstance(protocol, asyncio.StreamReaderProtocol)
    return protocol._stream_reader, writer  # type: ignore[attr-defined]


def outside(asked: argparse.Namespace, sites: int, messages: int) -> Run:
    """Mail for so many sites that are far away."""
    with (
        scale.name_server(),
        loads.counting(asked.spools / "sink", 50.0 if asked.smoke else LATE, ("0.0.0.0",), names.SMTP) as sink,
        Watched(asked.spools / "asyncmta", "mx", sink.port) as server,
        processes.Watch(server.process.pid) as watch,
    ):
        began = time.monotonic()
        loads.send(server.port, CAP, messages=messages, sessions=20, size=1024, domains=sites)
        print(f"{messages:,} are taken after {time.monotonic() - began:.1f} s", flush=True)
        sink.wait(messages, CAP)
        seconds = time.monotonic() - began
    loads.check(sink.report, messages)
    return {
        "sites": sites, "messages": messages, "most_open": sink.report["most_open"], "rate": messages / seconds,
        "connections": sink.report["connections"] - 1, "rss": watch.resident,
        "cpu_per_1000": watch.cpu * 1000 / messages,
    }  # fmt: skip


def rows(inbound: Run, outbound: Run) -> list[str]:
    mib, ms = probe.MIB, inbound["ms"]
    shown = [
        ("sessions in: open at once", f"{inbound['greeted']:,}, in {inbound['greeted_in']:.1f} s"),
        ("RSS before, with them, after a message from each",
         f"{inbound['before'] / mib:.0f}, {inbound['there'] / mib:.0f}, {inbound['after'] / mib:.0f} MiB"),
        (f"a message from each, {AT_ONCE} at a time", f"{inbound['taken']:,} taken, {inbound['rate']:,.0f}/s"),
        ("CPU s per 1,000 of them", f"{inbound['cpu_per_1000']:.3f}"),
        ("MAIL to 250: p50, p99, p999", f"{ms['p50']:.0f}, {ms['p99']:.0f}, {ms['p999']:.0f} ms"),
        (f"sessions out: open at once, to {outbound['sites']} sites", f"{outbound['most_open']:,}"),
        (f"messages over them, replies {LATE:g} ms late", f"{outbound['messages']:,}, {outbound['rate']:,.0f}/s"),
        ("CPU s per 1,000 of them", f"{outbound['cpu_per_1000']:.3f}"),
        ("RSS at most", f"{outbound['rss'] / mib:.0f} MiB"),
    ]  # fmt: skip
    return ["| measured | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in shown)]


def main() -> None:
    parser = table.parser(__doc__, runs=1)
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    if reason := tools.missing() or names.missing():
        sys.exit(f"bench: {reason}")
    if asked.smoke:
        asked.scale = 0.005
    probe.allow_many_files()
    with turns.room(asked), machine.alone():
        with probe.Served(asked.spools / "asyncmta") as served:
            inbound = asyncio.run(inside(served, max(1, int(INSIDE * asked.scale))))
        sites = max(1, int(SITES * asked.scale))
        outbound = outside(asked, sites, max(100, int(10 * OUTSIDE * asked.scale)))
        runs = [{"mta": report.OURS, "in": inbound, "out": outbound}]
        table.show(
            "sessions", asked, runs, rows(inbound, outbound), "One run; the clients and the sink share the CPUs."
        )
    if inbound["taken"] != inbound["sessions"]:
        sys.exit(f"bench: {inbound['taken']} of {inbound['sessions']} were taken")


if __name__ == "__main__":
    main()

"""`make bench-latency`: how long a client waits for its 250, and how old mail is when it arrives, at half load.

A run as fast as it goes, by kept connections into a sink, says what can be had. Then messages come by a timetable at
half of that (`--share`), whether or not the MTA keeps up, and each time is from its place in the timetable: a server
that stands still for a second is seen in all the messages that were due meanwhile. `--rate` gives all MTAs the same.

    .venv/bin/python benchmarks/latency.py [--mta asyncmta] [--rate 200] [--dry]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import loads, table, tools, turns
from benchmarks.servers import Server
from benchmarks.table import Column, Run

CAP = 110.0
COLUMNS = (
    Column("reply_p50", "250: p50 ms", "{:.2f}"),
    Column("reply_p99", "p99", "{:.2f}", "250 is later (p99)"),
    Column("reply_p999", "p999", "{:.2f}"),
    Column("arrival_p50", "arrival: p50 ms", "{:.2f}"),
    Column("arrival_p99", "p99", "{:.2f}", "arrival is later (p99)"),
    Column("arrival_p999", "p999", "{:.2f}"),
    Column("rate", "at messages/s"),
)


def once(kind: type[Server], asked: argparse.Namespace) -> Run:
    words = {"size": asked.size, "sessions": asked.sessions}
    spools = asked.spools
    with (
        loads.counting(spools / "pilot") as pilot,
        kind(spools / kind.name.lower(), "relay", pilot.port) as server,
    ):
        loads.send(server.port, CAP, messages=2 * asked.sessions, **words)
        begin = time.monotonic()
        loads.send(server.port, CAP, messages=asked.pilot, first=100_000, **words)
        pilot.wait(asked.pilot + 2 * asked.sessions, CAP)
        best = asked.pilot / (time.monotonic() - begin)
    rate = asked.rate or best * asked.share
    messages = max(20, int(rate * asked.seconds))
    with loads.counting(spools / "sink") as sink, kind(spools / kind.name.lower(), "relay", sink.port) as server:
        loads.send(server.port, CAP, messages=2 * asked.sessions, first=1_000_000, **words)
        sink.wait(2 * asked.sessions, CAP)
        found = loads.send(server.port, CAP, messages=messages, rate=rate, **words)
        sink.wait(messages + 2 * asked.sessions, CAP)
    loads.check(sink.report, messages + 2 * asked.sessions)
    reply, arrival = found["ms"], sink.report["ms"]
    return {
        "rate": round(rate, 1),
        "best": round(best, 1),
        "messages": messages,
        **{f"reply_{name}": value for name, value in reply.items()},
        **{f"arrival_{name}": value for name, value in arrival.items()},
    }


def main() -> None:
    parser = table.parser(__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a timed run (8)")
    parser.add_argument("--share", type=float, default=0.5, help="of what can be had (0.5)")
    parser.add_argument("--rate", type=float, default=0.0, help="messages/s for all; instead of a share")
    parser.add_argument("--pilot", type=int, default=1000, help="messages that say what can be had (1,000)")
    asked = parser.parse_args()
    if reason := tools.missing():
        sys.exit(f"bench: {reason}")
    if asked.smoke:
        asked.rate, asked.seconds, asked.pilot, asked.sessions = 20.0, 2.0, 20, 4
    with turns.room(asked):
        told = "250 after {0[reply_p50]}/{0[reply_p99]} ms, there after {0[arrival_p50]}/{0[arrival_p99]} ms".format
        runs = turns.take(once, asked, told)
        how = f"{asked.rate:g} messages/s" if asked.rate else f"{asked.share:.0%} of what each can do"
        settings = (
            f"{asked.size} octets, {asked.sessions} kept connections, {how}, {asked.seconds:g} s, by a timetable; the "
            f"warm-up counts for arrival; medians of {asked.runs}; a ratio is that of a peer to ours (median, lowest "
            "to highest). ¹ does not sync before its 250."
        )
        table.show("latency", asked, runs, table.rows(runs, COLUMNS), settings)


if __name__ == "__main__":
    main()

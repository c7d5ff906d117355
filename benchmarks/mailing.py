"""`make bench-list`: one message to 1,000 recipients in 100 domains, which share 5 hosts: transactions, and the time.

The time is from the first octet of the message until the last recipient has it. Fewer transactions are better: each is
the content once more. The sink (`counting_sink.py`) also sees whether anybody got it twice.

    .venv/bin/python benchmarks/mailing.py [--mta asyncmta] [--delay 50] [--dry]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import loads, names, processes, table, tools, turns
from benchmarks.servers import Server
from benchmarks.table import Column, Run
from benchmarks.workloads import HOSTS, exchangers

CAP = 110.0
COLUMNS = (
    Column("seconds", "s until the last has it", "{:.2f}", "takes longer"),
    Column("transactions", "transactions", "{:,.0f}", "more transactions"),
    Column("connections", "connections"),
    Column("cpu", "CPU s", "{:.2f}", "more CPU"),
)


def once(kind: type[Server], asked: argparse.Namespace) -> Run:
    with (
        names.zone(asked.spools / "names", exchangers(asked.domains), HOSTS) as resolv,
        loads.counting(asked.spools / "sink", asked.delay, tuple(HOSTS.values()), names.SMTP) as sink,
        kind(asked.spools / kind.name.lower(), "mx", sink.port, resolv) as server,
    ):
        time.sleep(0.5)
        with processes.Watch(server.process.pid) as watch:
            begin = time.monotonic()
            loads.send(server.port, CAP, recipients=asked.recipients, domains=asked.domains, size=asked.size)
            sink.wait(asked.recipients, CAP)
            seconds = time.monotonic() - begin
    loads.check(sink.report, asked.recipients)
    return {
        "seconds": round(seconds, 3),
        "transactions": sink.report["transactions"],
        "connections": sink.report["connections"] - 1,  # one was ours, to see whether it listens
        "cpu": round(watch.cpu, 2),
    }


def main() -> None:
    parser = table.parser(__doc__)
    parser.add_argument("--recipients", type=int, default=1000)
    parser.add_argument("--domains", type=int, default=100)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--delay", type=float, default=0.0, help="of the next hops, in milliseconds (0)")
    asked = parser.parse_args()
    if reason := tools.missing() or names.missing():
        sys.exit(f"bench: {reason}")
    if asked.smoke:
        asked.recipients, asked.domains = 60, 10
    with turns.room(asked):
        told = "{0[seconds]} s, {0[transactions]} transactions, {0[connections]} connections".format
        runs = turns.take(once, asked, told)
        settings = (
            f"One message of {asked.size} octets to {asked.recipients:,} recipients in {asked.domains} domains behind "
            f"{len(HOSTS)} hosts, {asked.delay:g} ms away; medians of {asked.runs}; a ratio is that of a peer to ours "
            "(median, lowest to highest). ¹ does not sync before its 250."
        )
        table.show("list", asked, runs, table.rows(runs, COLUMNS), settings)


if __name__ == "__main__":
    main()

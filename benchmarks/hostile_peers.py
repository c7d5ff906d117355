"""`make bench-hostile-peers`: the attackers of `hostile.py` at once, beside an honest client, against each MTA in turn.

What counts is whether the honest client is served: a message of 1 KiB every 50 ms, and no answer within ten seconds
counts as refused. Each MTA has its own limits: 5,000 slow connections are more than most will have at a time.

    .venv/bin/python benchmarks/hostile_peers.py [--mta postfix] [--scale 1] [--seconds 20] [--dry]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import hostile, probe, processes, table, turns
from benchmarks.servers import Asyncmta, Server
from benchmarks.table import Column, Run

ROOM = "max_sessions = 15000\n"
COLUMNS = (
    Column("taken", "honest messages taken"),
    Column("refused", "refused"),
    Column("p50", "250: p50 ms", "{:,.1f}"),
    Column("p99", "p99", "{:,.1f}", "250 is later (p99)"),
    Column("slowest", "slowest", "{:,.0f}"),
    Column("rss", "RSS at most, MiB"),
    Column("cpu", "CPU s", "{:.1f}"),
)


async def attack(port: int, asked: argparse.Namespace) -> tuple[list[float], list[str], dict[str, object]]:
    over = asyncio.Event()
    honest = asyncio.ensure_future(hostile.be_honest(port, over))
    attackers = await asyncio.create_subprocess_exec(
        sys.executable, str(probe.PAGE.with_name("attackers.py")),
        str(port), str(asked.scale), str(asked.seconds), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await attackers.communicate()
    over.set()
    times, refused = await honest
    return times, refused, json.loads(said)


def once(kind: type[Server], asked: argparse.Namespace) -> Run:
    with kind(asked.spools / kind.name.lower(), "accept", 0) as server, processes.Watch(server.process.pid) as watch:
        times, refused, said = asyncio.run(attack(server.port, asked))
    if asked.smoke and (refused or not times) and kind is Roomy:
        raise RuntimeError(f"{len(times)} were taken, and {refused} refused")
    return {
        "taken": len(times),
        "refused": len(refused),
        **{name: round(hostile.part(tuple(times), share) * 1000, 2) for name, share in SHARES.items()},
        "rss": round(watch.resident / 2**20),
        "cpu": round(watch.cpu, 1),
        "attackers": said,
    }


SHARES = {"p50": 0.5, "p99": 0.99, "slowest": 1.0}


class Roomy(Asyncmta):
    """With room for them, as in `hostile.py`."""

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        config = self.root / "conf" / "config.toml"
        config.write_text(config.read_text().replace("[[listener]]\n", f"[[listener]]\n{ROOM}", 1))
        return command


def main() -> None:
    parser = table.parser(__doc__, runs=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    if asked.smoke:
        asked.scale, asked.seconds = 0.003, 3.0
    probe.allow_many_files()
    told = "{0[taken]} taken, {0[refused]} refused, 250 after {0[p50]}/{0[p99]} ms, {0[rss]} MiB".format
    with turns.room(asked):
        runs = turns.take(once, asked, told, {"asyncmta": Roomy})
        settings = (
            f"{asked.scale:g} times the attack of `hostile.py` for {asked.seconds:g} s; each MTA with its own limits; "
            "a ratio is that of a peer to ours. ¹ does not sync before its 250."
        )
        table.show("hostile-peers", asked, runs, table.rows(runs, COLUMNS), settings)


if __name__ == "__main__":
    main()

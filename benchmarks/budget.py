"""`make bench-profile`: the budget of docs/performance.md: microseconds of the loop's thread for a message, by stage.

asyncmta runs with `sampled.py` inside, under the workloads of `run.py`: a pilot, then a load of `--seconds`, all of
which is sampled. A stage's share of the samples times the thread's CPU time, divided by the messages, is its budget.
The rest of the wall time is told beside it: the other threads, waiting for a CPU, and sleep (waiting for clients, for
the journal's sync, and for next hops). The full list of functions is in benchmarks/results/profile.json.
(Not `profile.py`, which cProfile of the standard library would import instead of its own.)

    .venv/bin/python benchmarks/budget.py [accept relay local ...] [--dry]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import machine, report, scrape, table, tools, turns
from benchmarks.held import Watched
from benchmarks.table import Run
from benchmarks.workloads import Plan, push, standing

PAGE = tools.TOP / "docs" / "performance.md"
CELLS = {
    "accept": ("accept", "kept"),
    "accept-one": ("accept", "one"),
    "relay": ("relay", "kept"),
    "relay-one": ("relay", "one"),
    "mx": ("mx", "kept"),
    "mx-one": ("mx", "one"),
    "local": ("local", "kept"),
}
LOOP = "the loop itself: epoll, recv, timers"
STAGES = {
    "session: commands and replies": ("inbound/", "auth/", "policy/", "mta_front", "mta_policy"),
    "send: replies to clients": ("inbound/entrance.py:_write",),
    "content: reading, checks, our header fields": (
        *("inbound/content.py", "inbound/data.py", "inbound/chunk", "inbound/lines.py", "inbound/inspection.py"),
        *("inbound/taking.py", "mail/wire.py", "mail/headers.py", "inbound/submitting.py", "mail/mime.py"),
    ),
    "journal: encoding": ("spool/codec.py", "spool/framing.py"),
    "journal: batches, ledger, answers": ("spool/",),
    "schedule": (
        *(
            "scheduling/",
            "handing_off.py",
            "routing.py",
            "delivery/exit_door.py",
            "delivery/dispatch.py",
            "forwarding/",
        ),
        *("delivery/grouping.py", "delivery/gathering.py", "mta", "pausing.py"),
    ),
    "connect: DNS, TCP, greeting, sites": (
        *(
            "delivery/resolver.py",
            "delivery/look_ups.py",
            "delivery/exchange.py",
            "delivery/dial",
            "delivery/connecting",
        ),
        *("delivery/session.py", "delivery/introductions.py", "delivery/dns_", "delivery/client_tls.py"),
        *(
            "delivery/sites.py",
            "delivery/busy_sites.py",
            "delivery/backlog.py",
            "delivery/way.py",
            "delivery/leading.py",
        ),
    ),
    "transfer: the dialogue with the next hop": ("delivery/", "bounce/"),
    "send: to next hops": (
        *("delivery/transfer.py:_send", "delivery/transfer.py:_write", "delivery/transfer.py:_push"),
    ),
    "local: Maildir": ("delivery/maildir", "mailboxes/", "forwarding/local.py", "forwarding/stores.py"),
    "log": ("log_json.py", "log_rendering.py", "maillog.py", "logline.py", "counted_log.py", "reasons.py"),
    "metrics": ("metrics.py", "tally.py", "mta_metrics.py", "system/meter.py", "spool/meter.py", "delivery/traffic.py"),
    "HTTP, webhooks": ("admin/", "webhooks/"),
}
TRANSPARENT = ("mail/", "system/")  # counted for whoever called them
OTHER = "other"


def stage(place: str) -> str:
    """Of a place such as `spool/codec.py:encode < spool/journal.py:submit`; the longest name that fits counts."""
    if place == "loop":
        return LOOP
    for name in place.split(" < "):
        fitting = [
            (len(start), found) for found, starts in STAGES.items() for start in starts if name.startswith(start)
        ]
        if fitting:
            return max(fitting)[1]
        if not name.startswith(TRANSPARENT):
            return OTHER
    return OTHER


class Sampled(Watched):
    """asyncmta with the sampler inside, and /metrics."""

    def _prepare(self) -> list[str]:
        python, *rest = super()._prepare()
        self.sampled = self.root / "data" / "samples.json"
        return [python, str(pathlib.Path(__file__).with_name("sampled.py")), str(self.sampled), *rest[2:]]

    def toggle(self) -> None:
        os.kill(self.process.pid, signal.SIGUSR2)

    def read(self) -> Run:
        end = time.monotonic() + 20
        while not self.sampled.exists():
            if time.monotonic() > end:
                raise RuntimeError("the sampler says nothing")
            time.sleep(0.05)
        found: Run = json.loads(self.sampled.read_text())
        return found


def once(name: str, plan: Plan) -> Run:
    workload, conn = CELLS[name]
    cell = {"workload": workload, "conn": conn}
    with machine.alone(), standing(Sampled, workload, plan) as (server, sink):
        assert isinstance(server, Sampled)
        counting = None if workload == "accept" else sink
        pilot = plan.messages or 1000
        push(server, counting, pilot, plan, cell)
        took = push(server, counting, pilot, plan, cell)
        messages = plan.messages or int(pilot / took * plan.seconds)
        before = scrape.page(server.admin)
        server.toggle()
        seconds = push(server, counting, messages, plan, cell)
        server.toggle()
        found, after = server.read(), scrape.page(server.admin)
    if not found["counts"]:
        raise RuntimeError("no samples")
    return {
        "mta": report.OURS,
        "name": name,
        "messages": messages,
        "rate": round(messages / seconds, 1),
        "wall": seconds,
        "sync_seconds": scrape.grown(before, after, "sync_seconds_sum"),
        "batches": scrape.grown(before, after, "sync_seconds_count"),
        **found,
    }


def per_message(run: Run) -> dict[str, float]:
    """Microseconds of the loop's thread, by stage."""
    user, kernel, _ = run["threads"]["MainThread"]
    each = (user + kernel) / sum(run["counts"].values()) / run["messages"] * 1e6
    stages: dict[str, float] = {}
    for place, count in run["counts"].items():
        found = stage(place)
        stages[found] = stages.get(found, 0.0) + count * each
    return stages


def rest(run: Run) -> dict[str, float]:
    """What else there is of the wall time of a message, in microseconds; the first four make the whole."""
    wall, number = run["wall"] / run["messages"] * 1e6, run["messages"] / 1e6
    user, kernel, waited = run["threads"]["MainThread"]
    loop, waiting = (user + kernel) / number, waited / number
    others = {name: (values[0] + values[1]) / number for name, values in run["threads"].items() if name != "MainThread"}
    pools = sum(cost for name, cost in others.items() if name not in ("journal", "maillog"))
    return {
        "wall time of a message (1 / rate)": wall,
        "the loop's thread on a CPU": loop,
        "- of it in the kernel": kernel / number,
        "the loop's thread ready, and no CPU free": waiting,
        "the loop's thread asleep: clients, syncs, next hops, the lock": max(0.0, wall - loop - waiting),
        "beside it: the journal's thread on a CPU": others.get("journal", 0.0),
        "beside it: the journal's syncs": run["sync_seconds"] / number,
        "beside it: the log's thread on a CPU": others.get("maillog", 0.0),
        "beside it: pools of threads on a CPU": pools,
    }


def rows(runs: list[Run]) -> list[str]:
    names = [run["name"] for run in runs]
    stages, rests = [per_message(run) for run in runs], [rest(run) for run in runs]
    order = [LOOP, *STAGES, OTHER]
    lines = [f"| µs for each message | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for name in order:
        if any(found.get(name) for found in stages):
            lines.append(f"| {name} | {' | '.join(f'{found.get(name, 0.0):.1f}' for found in stages)} |")
    lines.append(f"| **all stages: the loop's thread** | {' | '.join(f'**{sum(s.values()):.0f}**' for s in stages)} |")
    lines += ["", f"| of the wall time, µs | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines += [f"| {name} | {' | '.join(f'{found[name]:.0f}' for found in rests)} |" for name in rests[0]]
    return lines


def main() -> None:
    parser = table.parser(__doc__, runs=1)
    parser.add_argument("cells", nargs="*", choices=[*CELLS, []], help="which; all without a word")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a sampled load (15)")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=20)
    asked = parser.parse_args()
    if reason := tools.missing():
        sys.exit(f"bench: {reason}")
    with turns.room(asked):
        words = {"messages": 100 if asked.smoke else None, "delay": 0.0, "spools": asked.spools}
        plan = Plan(argparse.Namespace(**words, size=asked.size, sessions=asked.sessions, seconds=asked.seconds))
        runs = []
        for name in asked.cells or list(CELLS):
            runs.append(once(name, plan))
            samples, loop = sum(runs[-1]["counts"].values()), sum(per_message(runs[-1]).values())
            print(f"{name}: {runs[-1]['rate']:,.0f}/s, {samples:,} samples, {loop:.0f} µs of the loop each", flush=True)
        settings = (
            f"{asked.size} octets, {asked.sessions} sessions, the load on the same CPUs; messages/s: "
            + ", ".join(f"{run['name']} {run['rate']:,.0f}" for run in runs)
            + "; one sample for each tick of the loop's CPU time."
        )
        table.show("profile", asked, runs, rows(runs), settings, PAGE)


if __name__ == "__main__":
    main()

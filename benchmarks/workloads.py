"""What is timed: one MTA with an empty spool, its next hop, and a load, for each of the workloads of `run.py`.

accept: from the start of the load until its last 250, everything held. relay: until smtp-sink has got all of it. mx:
the same for 100 domains by MX, whose five hosts they share. late, late-mx: until `late_sink` has, whose replies come
50 ms after what they answer; late-mx has 20 domains. local: until all of it is in the Maildirs of ten users.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import loads, machine, names, processes, tools
from benchmarks.servers import USERS, Server

WORKLOADS = ("accept", "relay", "mx", "late", "late-mx", "local")
DOMAINS = {"mx": 100, "late-mx": 20, "local": USERS}
HOSTS = {f"mx{number}.test": f"127.0.0.{11 + number}" for number in range(5)}
CAP = 110.0  # seconds that one timed part may take
MOST = 20_000
PILOT = 500
MUCH = 0.15  # of the CPUs for others disturbs a run
TRIES = 3

Run = dict[str, Any]
Sink = tools.Sink | tools.Sinks | tools.Mailroom


class Plan:
    """How it is run. `is_timed`: figures are wanted, so that it waits for a calm moment."""

    def __init__(self, options: argparse.Namespace, *, is_timed: bool = True) -> None:
        self.size: int = options.size
        self.sessions: int = options.sessions
        self.seconds: float = options.seconds
        self.messages: int | None = options.messages
        self.spools: pathlib.Path = options.spools
        self.delay: float = options.delay
        self.calm = machine.Calm() if is_timed else machine.Calm(1)


def exchangers(domains: int) -> dict[str, str]:
    return {f"d{number}.test": f"mx{number % len(HOSTS)}.test" for number in range(domains)}


def push(server: Server, sink: Sink | None, messages: int, plan: Plan, cell: Run) -> float:
    """Send them; the seconds until the last 250, or until the last has arrived at the sink."""
    begin = time.monotonic()
    wanted = sink.messages + messages if sink is not None else 0
    domains, is_kept = DOMAINS.get(cell["workload"], 1), cell["conn"] == "kept"
    if cell["workload"] == "mx":
        words = {"size": plan.size, "sessions": plan.sessions, "domains": domains, "once": not is_kept}
        loads.send(server.port, CAP, messages=messages, **words)
    else:
        tools.send(
            server.port, messages, size=plan.size, sessions=plan.sessions, timeout=CAP, domains=domains, is_kept=is_kept
        )
    if sink is not None:
        sink.wait(wanted, CAP)
    return time.monotonic() - begin


@contextlib.contextmanager
def standing(kind: type[Server], workload: str, plan: Plan) -> Iterator[tuple[Server, Sink]]:
    """One MTA with an empty spool, and its next hop."""
    root = plan.spools / kind.name.lower()
    if workload in ("mx", "late-mx"):
        is_late, addresses = workload == "late-mx", tuple(HOSTS.values())
        with (
            names.zone(plan.spools / "names", exchangers(DOMAINS[workload]), HOSTS) as resolv,
            tools.late_sink(plan.delay, addresses, names.SMTP)
            if is_late
            else tools.sinks(addresses, names.SMTP) as sink,
            kind(root, "mx", sink.port, resolv) as server,
        ):
            yield server, sink
        return
    if workload == "local":
        with kind(root, "local", 0) as server:
            yield server, tools.Mailroom(root / "mail", USERS)
        return
    with (
        tools.late_sink(plan.delay) if workload == "late" else tools.sink() as sink,
        kind(root, "accept" if workload == "accept" else "relay", sink.port) as server,
    ):
        yield server, sink


def one_run(kind: type[Server], workload: str, plan: Plan, conn: str = "kept") -> Run:
    """One MTA from an empty spool, once. `conn`: kept connections, or "one" for each message."""
    cell: Run = {"workload": workload, "conn": conn, "mta": kind.name, "syncs": kind.syncs}
    with machine.alone(), standing(kind, workload, plan) as (server, sink):
        counting = None if workload == "accept" else sink
        push(server, counting, 2 * plan.sessions, plan, cell)
        pilot = min(PILOT, plan.messages or PILOT)
        took = push(server, counting, pilot, plan, cell)
        messages = plan.messages or min(MOST, max(pilot, int(pilot / took * plan.seconds) // 100 * 100))
        time.sleep(0.5)
        probed = plan.calm.wait()
        with processes.Watch(server.process.pid) as watch:
            seconds = push(server, counting, messages, plan, cell)
        if counting is not None and counting.messages != 2 * plan.sessions + pilot + messages:
            raise RuntimeError(f"{counting.messages} arrived, and {2 * plan.sessions + pilot + messages} were sent")
    return cell | {
        "messages": messages,
        "seconds": round(seconds, 3),
        "rate": round(messages / seconds, 1),
        "cpu_per_1000": round(watch.cpu * 1000 / messages, 4),
        "rss": watch.resident,
        "pss": watch.proportional,
        "probe_ms": probed,
        "foreign": round(watch.foreign, 3),
    }


def undisturbed_run(kind: type[Server], workload: str, plan: Plan, conn: str) -> Run:
    """The same, again where others took much of the machine meanwhile; then the least disturbed try counts."""
    tries = []
    for _ in range(TRIES):
        tries.append(one_run(kind, workload, plan, conn))
        if tries[-1]["foreign"] <= MUCH:
            break
    return min(tries, key=lambda run: float(run["foreign"]))

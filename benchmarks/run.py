"""`make bench`: accept, relay and late, asyncmta and Postfix in turn, medians of interleaved repetitions.

accept: from the start of smtp-source until its last 250, everything held. relay: until smtp-sink has got all of it.
late: until `late_sink` has, whose replies come 50 ms after what they answer. late-mx: the same for 20 domains, by MX,
whose five hosts they share. local: until all of it is in the Maildirs of ten users (Postfix: virtual(8)).
4 KiB, 20 sessions, kept connections. Each run starts an MTA with an empty spool, warms it up with a pilot that also
says how many messages make a run of the wanted length, and then times. Needs root for Postfix, not for asyncmta.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import machine, names, processes, report, tools
from benchmarks.servers import USERS, Asyncmta, Postfix, Server

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = ("accept", "relay", "late", "late-mx", "local")
DOMAINS = 20
HOSTS = {f"mx{number}.test": f"127.0.0.{11 + number}" for number in range(5)}
CAP = 110.0  # seconds that one timed part may take
MOST = 20_000
MUCH = 0.15  # of the CPUs for others disturbs a run
TRIES = 3


class Plan:
    """What is run, and how."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.size: int = options.size
        self.sessions: int = options.sessions
        self.seconds: float = options.seconds
        self.messages: int | None = options.messages
        self.spools: pathlib.Path = options.spools
        self.delay: float = options.delay
        self.calm = machine.Calm()


def push(
    server: Server, sink: tools.Sink | tools.Mailroom | None, messages: int, plan: Plan, domains: int = 1
) -> float:
    """Send them; the seconds until the last 250, or until the last has arrived at the sink."""
    begin = time.monotonic()
    wanted = sink.messages + messages if sink is not None else 0
    tools.send(server.port, messages, size=plan.size, sessions=plan.sessions, timeout=CAP, domains=domains)
    if sink is not None:
        sink.wait(wanted, CAP)
    return time.monotonic() - begin


@contextlib.contextmanager
def standing(kind: type[Server], workload: str, plan: Plan) -> Iterator[tuple[Server, tools.Sink | tools.Mailroom]]:
    """One MTA with an empty spool, and its next hop."""
    root = plan.spools / kind.name.lower()
    if workload == "late-mx":
        exchangers = {f"d{number}.test": f"mx{number % len(HOSTS)}.test" for number in range(DOMAINS)}
        with (
            names.zone(plan.spools / "names", exchangers, HOSTS) as resolv,
            tools.late_sink(plan.delay, tuple(HOSTS.values())) as sink,
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


def one_run(kind: type[Server], workload: str, plan: Plan) -> dict[str, Any]:
    """One MTA from an empty spool, once."""
    domains = {"late-mx": DOMAINS, "local": USERS}.get(workload, 1)
    with machine.alone(), standing(kind, workload, plan) as (server, sink):
        counting = None if workload == "accept" else sink
        push(server, counting, 2 * plan.sessions, plan, domains)
        pilot = 500
        took = push(server, counting, pilot, plan, domains)
        messages = plan.messages or min(MOST, max(1000, int(pilot / took * plan.seconds) // 100 * 100))
        time.sleep(0.5)
        probed = plan.calm.wait()
        with processes.Watch(server.process.pid) as watch:
            seconds = push(server, counting, messages, plan, domains)
    return {
        "workload": workload,
        "mta": kind.name,
        "messages": messages,
        "seconds": round(seconds, 3),
        "rate": round(messages / seconds, 1),
        "cpu_per_1000": round(watch.cpu * 1000 / messages, 4),
        "rss": watch.resident,
        "pss": watch.proportional,
        "probe_ms": probed,
        "foreign": round(watch.foreign, 3),
    }


def undisturbed_run(kind: type[Server], workload: str, plan: Plan) -> dict[str, Any]:
    """The same, again where others took much of the machine meanwhile; then the least disturbed try counts."""
    tries = []
    for _ in range(TRIES):
        tries.append(one_run(kind, workload, plan))
        if tries[-1]["foreign"] <= MUCH:
            break
    return min(tries, key=lambda run: float(run["foreign"]))


def all_runs(plan: Plan, workloads: list[str], repetitions: int) -> list[dict[str, Any]]:
    """Each repetition runs all MTAs one after the other, so that a drift of the machine meets all of them."""
    runs = []
    reason = Postfix.missing()
    if reason:
        print(f"without Postfix: {reason}", flush=True)
    kinds: list[type[Server]] = [Asyncmta] if reason else [Asyncmta, Postfix]
    for workload in workloads:
        for repetition in range(repetitions):
            for kind in kinds if repetition % 2 == 0 else kinds[::-1]:
                try:
                    run = undisturbed_run(kind, workload, plan)
                except RuntimeError as error:
                    run = {"workload": workload, "mta": kind.name, "note": str(error)}
                run["repetition"] = repetition
                shown = (
                    f"{run['rate']:,.0f}/s, {run['cpu_per_1000']} CPU s/1000, {run['foreign']:.0%} foreign"
                    if "rate" in run
                    else run["note"]
                )
                print(f"{workload} {repetition + 1} {kind.name}: {shown}", flush=True)
                runs.append(run)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], help="which; all without a word")
    parser.add_argument("--runs", type=int, default=5, help="repetitions (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="wanted length of a timed run (4)")
    parser.add_argument("--messages", type=int, help="so many, however long they take")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--delay", type=float, default=50.0, help="of the late next hop, in milliseconds (50)")
    parser.add_argument("--spools", type=pathlib.Path, default=tools.TOP / "var" / "bench", help="on a real disk")
    parser.add_argument("--dry", action="store_true", help="print only; leave README.md and results.json alone")
    options = parser.parse_args()
    if reason := tools.missing():
        sys.exit(f"bench: {reason}")
    options.spools.mkdir(parents=True, exist_ok=True)
    facts = machine.facts(options.spools)
    workloads = options.workloads or list(WORKLOADS)
    if "late-mx" in workloads and (reason := names.missing()):
        print(f"without late-mx: {reason}", flush=True)
        workloads.remove("late-mx")
    runs = all_runs(Plan(options), workloads, options.runs)
    foreign = max((run["foreign"] for run in runs if "foreign" in run), default=0.0)
    settings = (
        f"{options.size} octets, {options.sessions} sessions, kept connections; late: {options.delay:g} ms; "
        f"medians of {options.runs} interleaved repetitions; the ratio is the median of those within each repetition "
        f"(lowest to highest); other processes took at most {foreign:.0%} of the CPUs in any run."
    )
    table = report.text(facts, settings, runs)
    print(f"\n{table}")
    if not options.dry:
        report.write(HERE / "README.md", HERE / "results.json", table, {"facts": facts, "runs": runs})


if __name__ == "__main__":
    main()

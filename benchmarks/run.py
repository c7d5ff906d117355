"""`make bench`, `make bench-accept`, ...: each workload through asyncmta and its peers in turn, ratios first.

The workloads are told in `workloads.py`, the MTAs in `servers.py` and `peers.py`. 4 KiB, 20 sessions. Each run starts
an MTA with an empty spool, warms it up with a pilot that also says how many messages make a run of the wanted length,
and then times. Medians of interleaved repetitions. Needs root for the peers, not for asyncmta.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import machine, names, peers, report, tools
from benchmarks.servers import Server
from benchmarks.workloads import WORKLOADS, Plan, Run, one_run, undisturbed_run

HERE = pathlib.Path(__file__).resolve().parent
CONNS = {"kept": ("kept",), "one": ("one",), "both": ("kept", "one")}


def shown(run: Run) -> str:
    if "rate" not in run:
        return str(run["note"])
    return f"{run['rate']:,.0f}/s, {run['cpu_per_1000']} CPU s/1000, {run['foreign']:.0%} foreign"


def all_runs(
    plan: Plan, workloads: list[str], conns: tuple[str, ...], kinds: list[type[Server]], times: int
) -> list[Run]:
    """Each repetition runs all MTAs one after the other, so that a drift of the machine meets all of them."""
    runs = []
    for workload in workloads:
        for conn in conns:
            for repetition in range(times):
                for kind in kinds if repetition % 2 == 0 else kinds[::-1]:
                    run: Run = {"workload": workload, "conn": conn, "mta": kind.name, "syncs": kind.syncs}
                    try:
                        if note := peers.CANNOT.get((kind.name, workload)):
                            run["note"] = note
                        else:
                            run = undisturbed_run(kind, workload, plan, conn)
                    except RuntimeError as error:
                        run["note"] = str(error)
                    run["repetition"] = repetition
                    print(f"{workload} {conn} {repetition + 1} {kind.name}: {shown(run)}", flush=True)
                    runs.append(run)
    return runs


def smoke(workloads: list[str], kinds: list[type[Server]]) -> None:
    """A few messages through each: that all arrive, once. No times, and no files written."""
    with tempfile.TemporaryDirectory(prefix="asyncmta-bench-") as folder:
        # Not below a folder of ours alone: the peers' processes become users that may not look into it.
        pathlib.Path(folder).chmod(0o755)
        given = {"size": 1024, "sessions": 4, "seconds": 1.0, "messages": 60, "delay": 5.0}
        plan = Plan(argparse.Namespace(spools=pathlib.Path(folder), **given), is_timed=False)
        for workload in workloads:
            for kind in kinds:
                if (kind.name, workload) in peers.CANNOT:
                    continue
                for conn in ("kept", "one"):
                    run = one_run(kind, workload, plan, conn)
                    print(f"{workload} {conn} {kind.name}: {run['messages']} arrived, each once", flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], help="which; all without a word")
    parser.add_argument("--mta", action="append", choices=list(peers.KINDS), help="which; all that are there")
    parser.add_argument("--conn", choices=list(CONNS), default="both", help="connections (both)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions (3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="wanted length of a timed run (4)")
    parser.add_argument("--messages", type=int, help="so many, however long they take")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--delay", type=float, default=50.0, help="of the late next hop, in milliseconds (50)")
    parser.add_argument("--spools", type=pathlib.Path, default=tools.TOP / "var" / "bench", help="on a real disk")
    parser.add_argument("--dry", action="store_true", help="print only; leave README.md and results/ alone")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, too")
    parser.add_argument("--smoke", action="store_true", help="a few messages: that all arrive, once; nothing is timed")
    return parser.parse_args()


def main() -> None:
    asked = options()
    if reason := tools.missing():
        sys.exit(f"bench: {reason}")
    workloads = asked.workloads or list(WORKLOADS)
    if {"mx", "late-mx"} & set(workloads) and (reason := names.missing()):
        print(f"without mx: {reason}", flush=True)
        workloads = [workload for workload in workloads if "mx" not in workload]
    kinds = peers.chosen(asked.mta)
    if asked.smoke:
        return smoke(workloads, kinds)
    asked.spools.mkdir(parents=True, exist_ok=True)
    facts = machine.facts(asked.spools)
    runs = all_runs(Plan(asked), workloads, CONNS[asked.conn], kinds, asked.runs)
    foreign = max((run["foreign"] for run in runs if "foreign" in run), default=0.0)
    settings = (
        f"{asked.size} octets, {asked.sessions} sessions; late: {asked.delay:g} ms; medians of {asked.runs} "
        f"interleaved repetitions; a ratio is the median of those within each repetition (lowest to highest); other "
        f"processes took at most {foreign:.0%} of the CPUs in any run. ¹ does not sync before its 250."
    )
    for workload in workloads:
        mine = [run for run in runs if run["workload"] == workload]
        everything = {"facts": facts, "settings": settings, "runs": mine}
        print(f"\n{report.text(facts, settings, mine)}")
        if asked.json:
            print(json.dumps(everything))
        if not asked.dry:
            report.write(HERE / "README.md", workload, everything)
    return None


if __name__ == "__main__":
    main()

"""How much 500 dead destinations cost those that live: messages/s to a healthy one by MX, without and with them.

Half of the dead refuse connections, a quarter lets them hang, a quarter takes them and never greets. Each has mail
queued two seconds before the timed part begins, and while it lasts one of them gets a message every 50 ms. Without and
with take turns, asyncmta and Postfix too; what counts is the ratio within each repetition.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import smtplib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import machine, names, probe, processes, tools
from benchmarks.servers import Asyncmta, Postfix, Server

HERE = pathlib.Path(__file__).resolve().parent
SHARES = (("refuse", 2), ("hang", 4), ("silent", 4))  # one in so many
WAITING = 4  # messages for each
TOGETHER = 100  # recipients of one message
EVERY = 0.05
AHEAD = 2.0
CAP = 60.0
SIZE = 4096

Run = dict[str, Any]


class DeadEnds:
    """`domains` -> an address each, at which nobody is well. None of it takes a thread or accepts anything."""

    def __init__(self, port: int, number: int) -> None:
        self._sockets: list[socket.socket] = []
        self.domains: dict[str, str] = {}
        for kind, (name, share) in enumerate(SHARES):
            for at in range(number // share):
                address = f"127.{kind + 1}.{at // 250}.{at % 250 + 1}"
                self.domains[f"{name}{at}.test"] = address
                if name != "refuse":
                    self._listen(address, port, hangs=name == "hang")

    def _listen(self, address: str, port: int, *, hangs: bool) -> None:
        """Nobody accepts: the kernel shakes hands for as many as may wait, and is deaf to the rest."""
        listener = socket.socket()
        self._sockets.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0 if hangs else 1000)
        for _ in range(2 if hangs else 0):
            waiting = socket.socket()
            self._sockets.append(waiting)
            waiting.setblocking(False)
            waiting.connect_ex((address, port))

    def __enter__(self) -> DeadEnds:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()


def hand_in(port: int, domains: list[str], rounds: int) -> None:
    """Mail for each of them, many recipients at once."""
    content = b"Subject: for the dead\r\n\r\n" + b"x" * 70 + b"\r\n"
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        for number in range(rounds):
            for at in range(0, len(domains), TOGETHER):
                whom = [f"r{number}@{domain}" for domain in domains[at : at + TOGETHER]]
                refused = client.sendmail("sender@bench.test", whom, content)
                assert not refused, refused


@contextlib.contextmanager
def trickling(port: int, domains: list[str]) -> Iterator[None]:
    """One more for one of them every 50 ms."""
    over = threading.Event()

    def trickle() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            number = 0
            while not over.wait(EVERY):
                whom = f"later{number}@{domains[number % len(domains)]}"
                client.sendmail("sender@bench.test", [whom], b"Subject: more\r\n\r\n")
                number += 1

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def push(server: Server, sink: tools.Sink, messages: int, sessions: int, cap: float = CAP) -> tuple[int, float]:
    """How many of the healthy arrived, and in which time; not all of them, where it takes longer than `cap`."""
    begin, had = time.monotonic(), sink.messages
    tools.send(server.port, messages, size=SIZE, sessions=sessions, timeout=cap)
    with contextlib.suppress(RuntimeError):
        sink.wait(had + messages, max(1.0, begin + cap - time.monotonic()))
    return sink.messages - had, time.monotonic() - begin


def one_run(kind: type[Server], spools: pathlib.Path, dead: int, options: argparse.Namespace) -> Run:
    """One MTA from an empty spool. `dead` 0: the same, without them."""
    with machine.alone(), tools.sink() as sink, DeadEnds(sink.port, dead) as ends:
        hosts = {"d0.test": "127.0.0.1"} | ends.domains
        zone = names.zone(spools / "names", {domain: f"mx.{domain}" for domain in hosts}, _named(hosts))
        with zone as resolv, kind(spools / kind.name.lower(), "mx", sink.port, resolv) as server:
            push(server, sink, 40, options.sessions)
            count, took = push(server, sink, 500, options.sessions)
            messages = options.messages or max(500, int(count / took * options.seconds) // 100 * 100)
            gone = list(ends.domains)
            if gone:
                hand_in(server.port, gone, WAITING)
            time.sleep(AHEAD)
            more = trickling(server.port, gone) if gone else contextlib.nullcontext()
            with more, processes.Watch(server.process.pid) as watch:
                count, took = push(server, sink, messages, options.sessions)
    return {
        "mta": kind.name,
        "dead": dead,
        "messages": messages,
        "arrived": count,
        "seconds": round(took, 3),
        "rate": round(count / took, 1),
        "cpu": round(watch.cpu, 3),
        "foreign": round(watch.foreign, 3),
    }


def _named(hosts: dict[str, str]) -> dict[str, str]:
    return {f"mx.{domain}": address for domain, address in hosts.items()}


def all_runs(options: argparse.Namespace) -> list[Run]:
    """Without and with, of each MTA, in changing order."""
    reason = Postfix.missing()
    if reason:
        print(f"without Postfix: {reason}", flush=True)
    kinds: list[type[Server]] = [Asyncmta] if reason else [Asyncmta, Postfix]
    runs = []
    for repetition in range(options.runs):
        for kind in kinds:
            for dead in (0, options.dead)[:: -1 if repetition % 2 else 1]:
                run = one_run(kind, options.spools, dead, options) | {"repetition": repetition}
                said = f"{run['rate']:,.0f}/s, {run['arrived']} arrived, {run['foreign']:.0%} foreign"
                print(f"{run['mta']}, {dead} dead: {said}", flush=True)
                runs.append(run)
    return runs


def rows(runs: list[Run]) -> list[tuple[str, str]]:
    """What is shown of it."""
    found = []
    for name in dict.fromkeys(run["mta"] for run in runs):
        mine = [run for run in runs if run["mta"] == name]
        alone = {run["repetition"]: run for run in mine if not run["dead"]}
        beside = {run["repetition"]: run for run in mine if run["dead"]}
        kept = [beside[at]["rate"] / alone[at]["rate"] for at in beside if at in alone]
        found.append((f"{name}: healthy messages/s alone", f"{median(run['rate'] for run in alone.values()):,.0f}"))
        with_them = f"{median(run['rate'] for run in beside.values()):,.0f}"
        late = sum(run["messages"] - run["arrived"] for run in beside.values())
        if late:
            with_them += f" (in {CAP:.0f} s; {late:,} did not arrive by then)"
        number = max(run["dead"] for run in beside.values())
        found.append((f"{name}: healthy messages/s beside {number} dead destinations", with_them))
        found.append((f"{name}: share of its speed", f"{median(kept):.0%} ({min(kept):.0%} to {max(kept):.0%})"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="repetitions (3)")
    parser.add_argument("--dead", type=int, default=500, help="dead destinations (500)")
    parser.add_argument("--seconds", type=float, default=5.0, help="wanted length of a timed part (5)")
    parser.add_argument("--messages", type=int, help="so many, however long they take")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--spools", type=pathlib.Path, default=tools.TOP / "var" / "bench", help="on a real disk")
    parser.add_argument("--dry", action="store_true", help="print only; leave README.md and dead.json alone")
    options = parser.parse_args()
    if reason := tools.missing() or names.missing():
        sys.exit(f"bench: {reason}")
    options.spools.mkdir(parents=True, exist_ok=True)
    probe.allow_many_files()
    load = f"{os.getloadavg()[0]:.1f}"
    runs = all_runs(options)
    foreign = max(run["foreign"] for run in runs)
    shown = [*rows(runs), ("CPUs that other processes took, at most", f"{foreign:.0%}")]
    text = probe.page(shown, options.spools, load)
    print(text)
    if not options.dry:
        (HERE / "dead.json").write_text(json.dumps(runs, indent=1) + "\n")
        probe.write("dead", text)


if __name__ == "__main__":
    main()

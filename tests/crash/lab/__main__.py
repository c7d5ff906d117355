"""The long form: `make crash`, or `python -m tests.crash.lab [KIND ...] [--scale 0.1] [--seed N] [--write]`.

Prints one table and the seed; with --write the table goes into docs/reliability.md. In pieces: each call with
`--collect DIR` leaves its kinds there, and `--write --from DIR` makes the page of what was collected, and runs nothing.
`again` repeats one run by the name that a failure gives it: `python -m tests.crash.lab again fail 101 ENOSPC once`.
Exits with 1 when a promise is broken. However it ends, nothing stays mounted, running or lying about.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import signal
import sys
import time

from tests.crash.lab import calls, model
from tests.crash.lab.bench import Bench
from tests.crash.lab.collect import SABOTAGE, Place, Result, page_part, read, write_page
from tests.crash.lab.kinds import KINDS, Kinds
from tests.crash.lab.yard import Yard


def again(name: str, seed: int) -> int:
    """One run by its name, with the log of its children."""
    word, *rest = name.split()
    with Bench() as bench:
        if word == "cut":
            step, chance = int(rest[0]), None if rest[1] == "None" else int(rest[1])
            account = model.cut_once(bench, model.Cut(step, chance))
        else:
            traced = calls.trace(bench)
            blows = [*calls.kills(traced), *calls.fails(traced, runs=None, seed=seed)]
            account, played = calls.strike_once(bench, next(blow for blow in blows if blow.name == name))
            print(bench.hatchery.block.struck, played.ended)
        print(bench.hatchery.tail())
        print(account)
        return int(not account.is_clean)


def run(kind: str, *, scale: float, seed: int, place: Place) -> Result:
    kinds = Kinds(scale, seed)
    began = time.monotonic()
    rows = getattr(kinds, kind)()
    for row in rows:
        print(" | ".join(row.cells()), *row.notes(), sep="\n  ", flush=True)
        if kind != SABOTAGE and row.failures:
            print("\n".join(row.failures[:20]), flush=True)
    print(f"{kind}: {time.monotonic() - began:.0f} s", flush=True)
    return Result(kind, seed, scale, place, rows, kinds.left_out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.lab")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all of them")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole length")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--collect", type=pathlib.Path, metavar="DIR", help="leave the results there")
    parser.add_argument("--from", type=pathlib.Path, metavar="DIR", dest="source", help="take them from there")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    said = parser.parse_args()
    unknown = [] if said.kinds[:1] == ["again"] else [kind for kind in said.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"no kind {unknown[0]}; there are {', '.join(KINDS)}")
    return said


def main() -> int:
    said = arguments()
    if said.source is not None:
        results = read(said.source, KINDS)
        if not results:
            print(f"nothing was collected in {said.source}", file=sys.stderr)
            return 1
    else:
        for end in (signal.SIGTERM, signal.SIGINT):  # the second is ignored where a shell has put us in the background
            signal.signal(end, lambda *_: sys.exit(1))
        with Yard():
            if said.kinds[:1] == ["again"]:
                return again(" ".join(said.kinds[1:]), said.seed)
            place = Place.here()
            print(f"seed {said.seed}, commit {place.commit}, {place.machine}", flush=True)
            results = []
            for kind in said.kinds or KINDS:
                results.append(run(kind, scale=said.scale, seed=said.seed, place=place))
                if said.collect is not None:
                    results[-1].write(said.collect)
    print(f"\n{page_part(results, KINDS)}\n")
    if said.write:
        write_page(results, KINDS)
    return int(not all(result.is_good for result in results))


if __name__ == "__main__":
    sys.exit(main())

"""MTAs that take turns within each repetition, in changing order, so that a drift of the machine meets all of them."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping

from benchmarks import machine, peers
from benchmarks.servers import Server
from benchmarks.table import Run

Once = Callable[[type[Server], argparse.Namespace], Run]


@contextlib.contextmanager
def room(asked: argparse.Namespace) -> Iterator[None]:
    """A folder for the spools that the peers' users may look into; of its own for a smoke run."""
    if not asked.smoke:
        asked.spools.mkdir(parents=True, exist_ok=True)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="asyncmta-bench-") as folder:
        asked.spools = pathlib.Path(folder)
        asked.spools.chmod(0o755)
        asked.runs = 1
        yield


def take(
    once: Once, asked: argparse.Namespace, told: Callable[[Run], str], instead: Mapping[str, type[Server]] | None = None
) -> list[Run]:
    """`once` for each MTA and repetition. What fails is a note in a measurement, and an error in a smoke run.
    `instead`: kinds by name, of which one is another here."""
    kinds = [(instead or {}).get(kind.name, kind) for kind in peers.chosen(asked.mta)]
    runs = []
    for repetition in range(asked.runs):
        for kind in kinds if repetition % 2 == 0 else kinds[::-1]:
            run: Run = {"mta": kind.name, "syncs": kind.syncs, "repetition": repetition}
            try:
                with machine.alone():
                    run |= once(kind, asked)
            except RuntimeError as error:
                if asked.smoke:
                    raise
                run["note"] = str(error)[-300:]
            print(f"{repetition + 1} {kind.name}: {run.get('note') or told(run)}", flush=True)
            runs.append(run)
    return runs

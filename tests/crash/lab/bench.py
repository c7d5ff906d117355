"""A place to work: a folder of its own, a next hop, a hatchery. All of it is gone when its `with` block is left."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tests.crash.lab.hatchery import Hatchery
from tests.crash.lab.shim import Strike
from tests.crash.lab.sink import Sink

Job = TypeVar("Job")


class Bench:
    def __init__(self, folder: pathlib.Path | None = None, *, shimmed: bool = True) -> None:
        self._is_ours = folder is None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="asyncmta-lab-")) if folder is None else folder
        self.sink = Sink()
        self.hatchery = Hatchery(self.folder / "hatchery", shimmed=shimmed)
        self._runs = 0

    def root(self) -> pathlib.Path:
        """An empty directory for one run; the one before it is gone."""
        shutil.rmtree(self.folder / f"run-{self._runs}", ignore_errors=True)
        self._runs += 1
        root = self.folder / f"run-{self._runs}"
        root.mkdir()
        self.sink.fresh()
        return root

    def spec(self, root: pathlib.Path, **more: Any) -> dict[str, Any]:
        return {"root": str(root), "sink": self.sink.port, "spool_settings": {"segment_size": SEGMENT}, **more}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.hatchery.__exit__()
        self.sink.stop()
        if self._is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)


SEGMENT = 8192
"""So that the script needs several segments."""

UNSTRUCK = Strike()


def shares(jobs: Sequence[Job], workers: int) -> list[list[Job]]:
    return [list(jobs[at::workers]) for at in range(workers)]


def in_processes(work: Any, jobs: Sequence[Job], *, workers: int = 2) -> list[Any]:
    """`work(share)` in as many processes, each with a bench of its own making; what they returned."""
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(work, shares(jobs, workers)))

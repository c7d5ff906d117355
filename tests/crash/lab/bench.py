"""A place to work: a folder of its own, a next hop, a hatchery. All of it is gone when its `with` block is left."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

from tests.crash.lab.hatchery import Hatchery
from tests.crash.lab.shim import Strike
from tests.crash.lab.sink import Sink
from tests.crash.lab.yard import Stake


class Bench:
    def __init__(self, *, shimmed: bool = True) -> None:
        self._stake = Stake()
        self.folder = self._stake.folder
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
        self._stake.pull()


SEGMENT = 8192
"""So that the script needs several segments."""

UNSTRUCK = Strike()

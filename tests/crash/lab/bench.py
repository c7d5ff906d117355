"""A place to work: a folder of its own, a next hop, a hatchery. All of it is gone when its `with` block is left."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

from tests.crash.lab import mounts
from tests.crash.lab.hatchery import Hatchery
from tests.crash.lab.shim import Strike
from tests.crash.lab.sink import Sink
from tests.crash.lab.yard import Stake


class Bench:
    """`shimmed`: calls can be counted and struck. Then a run lies on an ext4 in memory, if this machine can do that:
    what a process leaves behind when it dies is in the page cache in any case."""

    def __init__(self, *, shimmed: bool = True) -> None:
        self._stake = Stake()
        self.folder = self._stake.folder
        self._ground = None
        if shimmed and not mounts.missing("ext4") and mounts.MEMORY.is_dir():
            self._ground = mounts.in_memory(self.folder / "ground")
        self.sink = Sink()
        self.hatchery = Hatchery(self.folder / "hatchery", shimmed=shimmed)
        self._runs = 0

    def root(self) -> pathlib.Path:
        """An empty directory for one run; the one before it is gone."""
        ground = self.folder if self._ground is None else self._ground.path
        shutil.rmtree(ground / f"run-{self._runs}", ignore_errors=True)
        self._runs += 1
        root = ground / f"run-{self._runs}"
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
        if self._ground is not None:
            self._ground.unmount()
        self._stake.pull()


SEGMENT = 8192
"""So that the script needs several segments."""

UNSTRUCK = Strike()

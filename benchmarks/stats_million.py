"""How long `asyncmta stats` takes over the log of a million deliveries; prints seconds and memory, as JSON.

    .venv/bin/python -m benchmarks.stats_million [DELIVERIES [FOLDER]]

That its figures are right is held by tests/unit/stats/test_recount.py (PEERS_LONG=1 for a million).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "stats"))

from logmaker import write  # noqa: E402 - it is beside the tests


def timed(*arguments: str) -> dict[str, object]:
    """One run of the command: its seconds, its largest memory, and what it read."""
    begun = time.monotonic()
    reading, writing = os.pipe()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "asyncmta", "stats", "--json", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)],
    )
    os.close(writing)
    with open(reading, "rb") as stream:
        said = json.load(stream)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, status
    seconds = round(time.monotonic() - begun, 1)
    return {
        "seconds": seconds,
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "MiB": usage.ru_maxrss >> 10,
        **said["read"],
    }


def main(deliveries: int, folder: Path) -> None:
    log, database = folder / "log", folder / "stats.sqlite"
    begun = time.monotonic()
    with open(log, "wb") as stream:
        write(stream, deliveries)
    print(json.dumps({"made": deliveries, "octets": log.stat().st_size, "seconds": round(time.monotonic() - begun, 1)}))
    print(json.dumps({"run": "temporary database", **timed(str(log))}), flush=True)
    print(json.dumps({"run": "kept database", **timed(str(log), "--database", str(database))}), flush=True)
    print(json.dumps({"run": "the same again", **timed(str(log), "--database", str(database))}), flush=True)
    print(json.dumps({"database octets": database.stat().st_size}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000, Path(sys.argv[2] if sys.argv[2:] else made))

"""Runs one fuzz target under Atheris: `python -m tests.fuzz.run session --seconds 60`. `make fuzz` runs them all.

The corpus in the repository is where it begins; what it finds goes to .fuzz/TARGET, which is kept between runs and is
not in the repository; an input that breaks a target goes to .fuzz/TARGET-crash-*. Whoever has understood such an input
puts it into tests/fuzz/corpus, where every `make test` plays it.
"""

from __future__ import annotations

import argparse
import importlib
import pathlib
import sys

import atheris

HERE = pathlib.Path(__file__).parent
FOUND = HERE.parent.parent / ".fuzz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=("session", "address", "journal"))
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with atheris.instrument_imports(include=["asyncmta", "tests.fuzz"], enable_loader_override=False):
        target = importlib.import_module(f"tests.fuzz.{given.target}_target")
    found = FOUND / given.target
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={given.seconds}", "-max_len=2048", "-timeout=5", "-rss_limit_mb=1024"]
    options += [f"-artifact_prefix={FOUND}/{given.target}-", "-print_final_stats=1"]
    words = HERE / f"{given.target}.dict"
    options += [f"-dict={words}"] if words.exists() else []
    atheris.Setup([sys.argv[0], *options, str(found), str(HERE / "corpus" / given.target)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

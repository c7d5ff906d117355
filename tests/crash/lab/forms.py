"""Short or long, and which seed: what the environment says to the tests of the laboratory.

CRASH_LONG=1 asks for the long form, CRASH_SEED for a seed; it is printed. In .ci/run (PEERS=required) what this machine
cannot do is a failure and not a skip, for there a skip would hide a missing tool.
"""

from __future__ import annotations

import json
import os
import random
import shutil

import pytest

from tests.crash.lab.report import Row

LONG = os.environ.get("CRASH_LONG") == "1"
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1 << 32))
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def pick(short: int, long: int) -> int:
    return long if LONG else short


def demand(reason: str) -> None:
    """Skip for this reason, if there is one."""
    if reason and os.environ.get("PEERS") == "required":
        pytest.fail(f"PEERS=required, and this machine cannot: {reason}")
    if reason:
        pytest.skip(reason)


def demand_shim() -> None:
    demand("" if shutil.which("gcc") else "gcc is not installed: run make test-tools")


def check(row: Row) -> None:
    """Print what it came to, and fail with how to see it again."""
    print(f"{row.kind}: {row.runs} runs, {row.account}, seed {SEED}")
    tell(row)
    assert row.is_clean, "\n".join([f"{row.kind}, seed {SEED}", *row.failures[:20]])


def tell(row: Row) -> None:
    """For the table of `make crash`: a line of JSON in the file that CRASH_REPORT names. Any crash test may do this."""
    if path := os.environ.get("CRASH_REPORT"):
        account = row.account
        facts = {
            "kind": row.kind,
            "runs": row.runs,
            "acknowledged": account.acknowledged,
            "lost": len(account.lost),
            "altered": len(account.altered),
            "duplicates": account.duplicates,
            "explanation": row.why_duplicates,
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

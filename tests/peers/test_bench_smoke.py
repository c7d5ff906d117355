"""Each benchmark in small: that its commands work, and that all of the mail arrives, once. No timing.

The peers stand beside us in those that compare, where they are there; what is not is said by the benchmark, which
leaves it out. Haraka comes by `make bench-peers`, and is no part of this.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks import names, peers, tools

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("network")]

OURS = ("--mta", "asyncmta")
PEERS = (*OURS, "--mta", "postfix", "--mta", "exim", "--mta", "opensmtpd")
QUICK = (*OURS, "--mta", "postfix")  # Exim and OpenSMTPD relay a few dozen messages a second
SMALL = [
    ("run.py", "accept", *OURS),
    ("run.py", "relay", *QUICK),
    ("run.py", "mx", *OURS),
    ("run.py", "late", *OURS),
    ("run.py", "late-mx", *OURS),
    ("run.py", "local", *OURS),
    ("mailing.py", *PEERS),
    ("latency.py", *OURS),
    ("queued.py", *OURS),
    ("held.py",),
    ("held.py", "--mode", "mx"),
    ("sessions.py",),
    ("hostile_peers.py", *OURS),
    ("scale.py", "queue"),
    ("scale.py", "destinations"),
    ("budget.py", "accept", "relay"),
]


def run(*words: str, folder: pathlib.Path) -> str:
    """What it says; it is an error that it fails. Nothing is timed, so no other benchmark is waited for."""
    command = [sys.executable, str(tools.TOP / "benchmarks" / words[0]), *words[1:]]
    env = os.environ | {"BENCH_LOCK": str(folder / "lock")}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.parametrize("words", SMALL, ids=" ".join)
def test_all_of_it_arrives_once(words, tmp_path):
    lacking = (peers.KINDS[word].missing() for word in words if word in peers.KINDS)
    if reason := tools.missing() or names.missing() or next(filter(None, lacking), ""):
        pytest.skip(reason)
    said = run(*words, "--smoke", folder=tmp_path)
    assert "Machine:" in said or "each once" in said
    assert "without" not in said, said

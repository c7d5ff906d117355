"""The order of system calls: the sync of the journal comes before the 250."""

from __future__ import annotations

import re
import smtplib
import subprocess

import pytest
from peerkit.programs import program

pytestmark = pytest.mark.peers

CALLS = "trace=fdatasync,fsync,sendto,sendmsg,write,writev,pwrite64,pwritev,pwritev2"
HOLD = """
[[route]]
recipient = "*"
via = "hold"
"""
SYNCED = re.compile(r"(?:fdatasync|fsync)\(\d+\)\s*= 0|<\.\.\. (?:fdatasync|fsync) resumed>\)\s*= 0")
JOURNALED = re.compile(r"\b(?:pwritev2?|pwrite64|writev|write)\(\d+, .*")


def test_the_sync_comes_before_the_250(serving, tmp_path):
    trace = tmp_path / "trace"
    strace = program("strace")
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    mta = serving(HOLD, prefix=(strace, "-f", "-qq", "-s", "200", "-e", "signal=none", "-e", CALLS, "-o", str(trace)))
    mta.start()
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
        client.sendmail("me@example.org", ["you@example.net"], "Subject: traced\r\n\r\nneedle in the journal\r\n")
    mta.kill()
    lines = trace.read_text(errors="replace").splitlines()
    go_on = next(at for at, line in enumerate(lines) if '"354 ' in line)
    taken = next(at for at, line in enumerate(lines) if at > go_on and '"250 2.0.0 ' in line)
    between = lines[go_on + 1 : taken]
    synced = [at for at, line in enumerate(between) if SYNCED.search(line)]
    written = [at for at, line in enumerate(between) if JOURNALED.search(line)]
    assert written, between
    assert synced, between
    assert written[0] < synced[-1]

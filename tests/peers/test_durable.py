"""The sync of the journal comes before the 250, and one that fails is the end."""

from __future__ import annotations

import pathlib
import re
import smtplib
import subprocess

import pytest
from peerkit.programs import program
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

CALLS = "trace=fdatasync,fsync,sendto,sendmsg,write,writev,pwrite64,pwritev,pwritev2"
HOLD = """
[[route]]
recipient = "*"
via = "hold"
"""
SYNCED = re.compile(r"(?:fdatasync|fsync)\(\d+\)\s*= 0|<\.\.\. (?:fdatasync|fsync) resumed>\)\s*= 0")
JOURNALED = re.compile(r"\b(?:pwritev2?|pwrite64|writev|write)\(\d+, .*")


def tracer() -> str:
    """strace, where it may trace."""
    strace = program("strace")
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    return strace


def test_the_sync_comes_before_the_250(serving, tmp_path):
    trace = tmp_path / "trace"
    strace = tracer()
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


def test_a_disk_that_fails_to_sync_ends_it_with_74_and_nobody_is_told_250(serving):
    """EIO from every sync from now on: the client gets 451, the process ends, the next start goes on."""
    strace = tracer()
    mta = serving(HOLD).start()
    command = [strace, "-f", "-qq", "-e", "signal=none", "-e", "trace=fdatasync,fsync"]
    command += ["-e", "inject=fdatasync,fsync:error=EIO", "-o", "/dev/null", "-p", str(mta.process.pid)]
    with subprocess.Popen(command) as tracing:
        status = f"/proc/{mta.process.pid}/status"
        assert wait(lambda: "TracerPid:\t0\n" not in pathlib.Path(status).read_text(), 10)
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client, pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("me@example.org", ["you@example.net"], "Subject: lost\r\n\r\nx\r\n")
        assert caught.value.smtp_code == 451
        assert mta.end(30) == 74
        tracing.wait(10)
    assert '"level":"critical"' in mta.log.read_text()
    mta.start()
    assert mta.stop() == 0

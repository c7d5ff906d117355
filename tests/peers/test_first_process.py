"""`asyncmta serve` as PID 1, as it is in a container: signals, exit codes, and no zombie of anybody."""

from __future__ import annotations

import json
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from peerkit.receiver import wait

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=False).returncode != 0,
        reason="no PID namespace can be made here",
    ),
]

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PIPE = """
[pipe]
enabled = true
[[route]]
recipient = "*@p.test"
via = "pipe"
command = ["/bin/sh", "-c", "cat > /dev/null; (sleep 0.2; touch {folder}/left-$$) > /dev/null 2>&1 &"]
"""


def below(pid):
    """All that it has started, and what they have: by process id the state and the parent."""
    found, new = {}, {pid}
    stats = {}
    for each in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = each.read_text()
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        stats[int(each.parent.name)] = (state, int(parent))
    while new:
        new = {each for each, (_, parent) in stats.items() if parent in new}
        found |= {each: stats[each] for each in new}
    return found


def first_of(mta):
    """The process id here of what is PID 1 there."""
    (found,) = [each for each, (_, parent) in below(mta.process.pid).items() if parent == mta.process.pid]
    return found


def signalled(mta, number):
    assert wait(lambda: '"ready"' in mta.log.read_text(), 30)
    subprocess.run(["kill", f"-{number}", str(first_of(mta))], check=True)


@pytest.fixture
def mta(serving, tmp_path):
    return serving(PIPE.format(folder=tmp_path), prefix=UNSHARE).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_0(mta, number):
    signalled(mta, int(number))
    assert mta.end() == 0
    assert '"draining"' in mta.log.read_text()


def test_a_reload(mta):
    signalled(mta, int(signal.SIGHUP))
    assert wait(lambda: '"reloaded"' in mta.log.read_text(), 20)
    signalled(mta, int(signal.SIGTERM))
    assert mta.end() == 0


def test_a_second_signal_ends_it_at_once(mta):
    with socket.create_connection(("127.0.0.1", mta.port), 10) as sock, sock.makefile("rb") as lines:
        lines.readline()
        sock.sendall(b"HELO x.test\r\nMAIL FROM:<a@x.test>\r\n")
        lines.readline(), lines.readline()
        signalled(mta, int(signal.SIGTERM))
        assert wait(lambda: '"draining"' in mta.log.read_text(), 20)
        signalled(mta, int(signal.SIGTERM))
        assert mta.end(10) == 128 + signal.SIGTERM


def test_a_bad_configuration_is_78(serving):
    mta = serving("[queue]\nlifetime = 5\n", prefix=UNSHARE).start(wait=False)
    assert mta.end() == 78


def test_whom_a_command_leaves_behind_is_no_zombie(mta, tmp_path):
    for number in range(5):
        said = mta.asyncmta("send", "-f", "a@x.test", f"u{number}@p.test", stdin=b"Subject: x\n\nx\n")
        assert said.returncode == 0, said.stderr
    assert wait(lambda: len(list(tmp_path.glob("left-*"))) == 5, 30)
    first = first_of(mta)
    assert wait(lambda: not [each for each, (state, _) in below(first).items() if state == "Z"], 10)
    delivered = [line for line in mta.log.read_text().splitlines() if '"delivered"' in line]
    assert len(delivered) == 5
    assert all(json.loads(line)["recipient"].endswith("@p.test") for line in delivered)
    signalled(mta, int(signal.SIGTERM))
    assert mta.end() == 0


def test_under_a_shell_that_becomes_it(serving):
    """As an entry point that first does something else: with `exec`, signals arrive."""
    shell = (*UNSHARE, "sh", "-c", 'cd / && exec "$@"', "entrypoint")
    mta = serving(prefix=shell).start()
    signalled(mta, int(signal.SIGTERM))
    assert mta.end() == 0

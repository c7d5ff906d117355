"""The benchmarks that have a next hop of their own, in small: all of it arrives, once. No timing."""

from __future__ import annotations

import argparse
import errno
import os
import pathlib
import re
import socket
import tempfile

import pytest
from peerkit.receiver import wait
from peerkit.serving import free_port

from benchmarks import dead, machine, names, probe, run, tools
from benchmarks.servers import Asyncmta, Postfix

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.usefixtures("network")]


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "LOCK", str(tmp_path / "lock"))  # nothing is timed, so nobody need wait
    if reason := tools.missing() or names.missing():
        pytest.skip(reason)
    given = {"size": 4096, "sessions": 20, "seconds": 1.0, "messages": 200, "delay": 5.0}
    # Not below pytest's folder: Postfix's processes become users that may not look into it.
    with tempfile.TemporaryDirectory(prefix="asyncmta-bench-") as folder:
        spools = pathlib.Path(folder)
        spools.chmod(0o755)
        yield argparse.Namespace(spools=spools, **given)


@pytest.mark.parametrize("workload", ["late", "late-mx"])
def test_a_next_hop_far_away(workload, options):
    found = run.one_run(Asyncmta, workload, run.Plan(options, is_timed=False))
    assert found["messages"] == 200
    assert found["rate"] > 0


def test_postfix_finds_our_names(options):
    if reason := Postfix.missing():
        pytest.skip(reason)
    assert run.one_run(Postfix, "late-mx", run.Plan(options, is_timed=False))["messages"] == 200
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and options.spools.name in command_of(pid)]


@pytest.mark.parametrize("kind", [Asyncmta, Postfix])
def test_into_maildirs(kind, options):
    if kind is Postfix and (reason := Postfix.missing()):
        pytest.skip(reason)
    assert run.one_run(kind, "local", run.Plan(options, is_timed=False))["messages"] == 200


def test_what_came_twice_into_a_maildir_is_told(tmp_path):
    room = tools.Mailroom(tmp_path, 2)
    (tmp_path / "d1.test" / "u" / "new").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "d1.test" / "u" / "new" / name).touch()
    room.wait(2, 1)
    with pytest.raises(RuntimeError, match="2 arrived, and 1 were sent"):
        room.wait(1, 1)
    with pytest.raises(RuntimeError, match="only 2 of 3"):
        room.wait(3, 0.01)


def command_of(pid: str) -> str:
    try:
        return pathlib.Path("/proc", pid, "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def test_dead_destinations_beside_a_healthy_one(options):
    probe.allow_many_files()
    found = dead.one_run(Asyncmta, options.spools, 40, options)
    assert found["dead"] == 40
    assert found["arrived"] == found["messages"] == 200


def test_the_dead_are_dead():
    port = free_port()
    said = {}
    with dead.DeadEnds(port, 8) as ends:
        for domain, address in ends.domains.items():
            with socket.socket() as sock:
                sock.settimeout(0.3)  # of those that hang
                said[domain] = sock.connect_ex((address, port))
    kinds = {"refuse": errno.ECONNREFUSED, "hang": errno.EAGAIN, "silent": 0}
    assert len(said) == 8
    assert all(said[domain] == kinds[re.sub(r"\d+\.test$", "", domain)] for domain in said), said


def test_the_far_sink_takes_data_and_chunks():
    with tools.late_sink(1) as sink, socket.create_connection(("127.0.0.1", sink.port), 10) as sock:
        sock.settimeout(10)
        with sock.makefile("rb") as lines:
            sock.sendall(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n")
            assert read(lines, 5) == [b"220", b"250", b"250", b"250", b"354"]
            sock.sendall(b"x\r\n..\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3\r\n.\r\nBDAT 2 LAST\r\n\r\nDATA\r\n")
            assert read(lines, 6) == [b"250", b"250", b"250", b"250", b"250", b"503"]
            assert wait(lambda: sink.messages == 2, 10)


def read(lines, number: int) -> list[bytes]:
    """The codes of so many replies."""
    codes: list[bytes] = []
    while len(codes) < number:
        line = lines.readline()
        if line[3:4] == b" ":
            codes.append(line[:3])
    return codes

"""How `asyncmta serve` ends: the exit codes of contract.md section 2, and the signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat

import pytest
from peerkit.client import Client
from peerkit.receiver import Receiver, wait

pytestmark = pytest.mark.peers


def test_a_taken_port_is_69(serving):
    mta = serving()
    with socket.create_server(("127.0.0.1", mta.port)):
        mta.start(wait=False)
        assert mta.end() == 69
    assert str(mta.port) in mta.tail()


def test_a_locked_spool_is_73_and_names_the_holder(serving, tmp_path):
    first = serving().start()
    second = tmp_path / "second"
    second.mkdir()
    other = serving(folder=second)
    other.config.write_text(other.config.read_text().replace(f"{second}/spool", f"{tmp_path}/spool"))
    other.start(wait=False)
    assert other.end() == 73
    assert str(first.process.pid) in other.tail()
    assert first.asyncmta("health").returncode == 0


def test_a_spool_that_cannot_be_made_is_73(serving, tmp_path):
    mta = serving()
    (tmp_path / "spool").write_text("in the way")
    mta.start(wait=False)
    assert mta.end() == 73
    assert "spool" in mta.tail()


def test_a_bad_configuration_is_78_with_every_fault_on_a_line(serving):
    mta = serving("[remote]\nprot = 25\n[queue]\nlifetime = 5\n")
    mta.start(wait=False)
    assert mta.end() == 78
    assert "remote.prot" in mta.tail()
    assert "queue.lifetime" in mta.tail()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(relaying, number):
    relaying.start()
    relaying.process.send_signal(number)
    assert relaying.end() == 0


def test_a_signal_while_it_starts_ends_it_too(relaying):
    relaying.start(wait=False)
    relaying.process.send_signal(signal.SIGTERM)
    assert relaying.end() in (0, -signal.SIGTERM)  # before Python has put its handlers in place the kernel decides


def test_sighup_ends_nothing(relaying):
    relaying.start()
    relaying.process.send_signal(signal.SIGHUP)
    relaying.await_greeting()
    assert relaying.stop() == 0


def test_a_second_sigterm_ends_at_once(serving, smarthost):
    """A next hop that never answers the dot would hold up the drain."""
    with Receiver(stalls=True) as receiver:
        mta = serving(smarthost.format(port=receiver.port)).start()
        client = Client(mta.port, 1, sessions=1).start()
        assert wait(lambda: receiver.taken, 20)
        client.stop()
        mta.process.send_signal(signal.SIGTERM)
        assert wait(lambda: "draining" in mta.log.read_text(), 20)
        mta.process.send_signal(signal.SIGTERM)
        assert mta.end(10) not in (0, None)
    with Receiver(port=receiver.port) as again:
        mta.start()
        assert wait(lambda: again.taken, 60)
        assert mta.stop() == 0


def test_the_start_shows_the_settings_without_secrets_and_then_one_ready_line(serving):
    mta = serving('[admin]\ntoken = "0123456789abcdef-secret"\n').start()
    assert mta.stop() == 0
    log = mta.log.read_text()
    assert "0123456789abcdef-secret" not in log
    assert log.count('"ready"') == 1
    assert '"settings"' in log
    assert all(json.loads(line)["event"] for line in log.splitlines())


def test_the_control_socket_is_for_its_owner_only_and_goes_with_it(serving, tmp_path):
    mta = serving().start()
    path = tmp_path / "spool" / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert mta.asyncmta("health", "--ready").returncode == 0
    assert mta.stop() == 0
    assert not path.exists()
    assert mta.asyncmta("health").returncode == 69


def test_a_log_that_nobody_reads_stops_nothing(relaying, receiver):
    reading, writing = os.pipe()
    os.close(reading)
    relaying.start(out=writing)
    os.close(writing)
    Client(relaying.port, 5, sessions=1).start().wait(5, 30)
    assert wait(lambda: len(receiver.taken) >= 5, 30)
    assert relaying.stop() == 0
    assert relaying.tail() == ""

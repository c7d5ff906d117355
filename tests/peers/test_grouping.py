"""One message to 1,000 recipients in 100 domains that share 5 mail exchangers, each of them Postfix's smtp-sink: five
connections and ten transactions. Rows Q-13, Q-21, Q-22, Q-25.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import smtplib
import subprocess
import tempfile
from collections import Counter

import pytest
from peerkit.dns import Dns
from peerkit.programs import postfix_environment, postfix_program
from peerkit.receiver import wait
from peerkit.serving import free_port

pytestmark = pytest.mark.peers

HOSTS = {f"mx{number}.test": f"127.0.0.{31 + number}" for number in range(5)}
RECIPIENTS = [f"r{number}@d{number % 100}.test" for number in range(1000)]
CONFIG = """
[remote]
port = {port}
allow_private_exchangers = true
[dns]
servers = ["127.0.0.1:{dns}"]
"""


class Sink:
    """An smtp-sink that keeps what it takes, in a folder that its user may write to."""

    def __init__(self, address: str, port: int, folder: pathlib.Path) -> None:
        self.folder = folder / address
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self._counters = folder / f"{address}.counters"
        command = [postfix_program("smtp-sink"), "-4", "-c", "-d", f"{self.folder}/", f"{address}:{port}", "128"]
        command[1:1] = ["-u", pwd.getpwnam("nobody").pw_name] if os.geteuid() == 0 else []
        with self._counters.open("wb") as out:
            self._process = subprocess.Popen(command, env=postfix_environment(), stdout=out)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def transactions(self) -> list[list[str]]:
        """The recipients of each message that it took, by the dump that smtp-sink writes."""
        dumps = [path.read_text() for path in self.folder.iterdir()]
        return [re.findall(r"^X-Rcpt-Args: <([^>]+)>", dump, re.MULTILINE) for dump in dumps]

    @property
    def sessions(self) -> int:
        return self._count(b"sess")

    @property
    def messages(self) -> int:
        return self._count(b"mesg")

    def _count(self, name: bytes) -> int:
        return int((re.findall(name + rb"=(\d+)", self._counters.read_bytes()[-200:]) or [b"0"])[-1])


@pytest.fixture
def sinks():
    """One for each host, at one port."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="asyncmta-sinks-"))
    folder.chmod(0o755)
    port = free_port()
    started: list[Sink] = []
    try:
        started += [Sink(address, port, folder) for address in HOSTS.values()]
        yield port, started
    finally:
        for sink in started:
            sink.stop()
        shutil.rmtree(folder)


@pytest.fixture
def dns():
    domains = {f"d{number}.test": [(10, f"mx{number % 5}.test")] for number in range(100)}
    with Dns(domains, {host: [address] for host, address in HOSTS.items()}) as dns:
        yield dns


def send(mta, recipients):
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=30) as client:
        assert client.sendmail("list@example.org", recipients, "Subject: one for all\r\n\r\nx\r\n") == {}


def test_five_connections_and_ten_transactions(serving, dns, sinks):
    port, sinks = sinks
    mta = serving(CONFIG.format(port=port, dns=dns.port)).start()
    send(mta, RECIPIENTS)
    assert wait(lambda: sum(sink.messages for sink in sinks) >= 10, 60)
    assert mta.stop() == 0
    assert wait(lambda: all(sink.sessions for sink in sinks), 10)
    transactions = [sorted(taken) for sink in sinks for taken in sink.transactions]
    assert Counter(each for taken in transactions for each in taken) == Counter(RECIPIENTS)
    assert [len(taken) for taken in transactions] == [100] * 10
    assert [sink.sessions for sink in sinks] == [1] * 5
    with contextlib.suppress(FileNotFoundError):
        assert mta.asyncmta("queue", "list").stdout == b""

"""Postfix's programs, unpacked and not installed: where they are, and smtp-source and smtp-sink; and a sink far away.

`make test-tools` unpacks Debian's package under .tools/postfix; $POSTFIX_TOOLS names another place.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent
POSTFIX = pathlib.Path(os.environ.get("POSTFIX_TOOLS") or TOP / ".tools" / "postfix")
LIBRARIES = POSTFIX / "usr" / "lib" / "postfix"
PROGRAMS = POSTFIX / "usr" / "sbin"


def missing() -> str:
    """Why the tools cannot be used; "" when they can."""
    for name in ("smtp-source", "smtp-sink"):
        if not (PROGRAMS / name).exists():
            return f"{PROGRAMS / name} is not there: run make test-tools"
    return ""


def environment() -> dict[str, str]:
    return os.environ | {"LD_LIBRARY_PATH": str(LIBRARIES)}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def send(
    port: int, messages: int, *, size: int, sessions: int, timeout: float, domains: int = 1, is_kept: bool = True
) -> float:
    """smtp-source with kept connections or one for each message, a process for each domain (d0.test ...), all at once;
    the seconds it took. Raises RuntimeError when one message was not taken."""
    begin = time.monotonic()
    sources = [
        _source(
            port,
            messages // domains + (number < messages % domains),
            size,
            max(1, sessions // domains),
            number,
            is_kept,
        )
        for number in range(min(domains, messages))
    ]
    try:
        for source in sources:
            _, errors = source.communicate(timeout=timeout)
            if source.returncode:
                raise RuntimeError(f"smtp-source: {errors.decode(errors='replace').strip()[-300:]}")
    finally:
        for source in sources:
            source.kill()
            source.communicate()
    return time.monotonic() - begin


def _source(port: int, messages: int, size: int, sessions: int, number: int, is_kept: bool) -> subprocess.Popen[bytes]:
    command = [str(PROGRAMS / "smtp-source"), "-4", "-C", "10", *(["-d"] if is_kept else [])]
    command += ["-s", str(min(sessions, messages)), "-m", str(messages), "-l", str(size)]
    command += ["-f", "sender@bench.test", "-t", f"u@d{number}.test", f"inet:127.0.0.1:{port}"]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Sink:
    """A running smtp-sink, or `late_sink`: counts messages and keeps nothing."""

    COUNTERS = re.compile(rb"mesg=(\d+)")

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self.messages = 0
        self.report: dict[str, Any] = {}
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        tail = b""
        while block := os.read(self._process.stdout.fileno(), 65536):
            tail = (tail + block)[-200:]
            found = self.COUNTERS.findall(tail.rpartition(b"\r")[0] or tail)
            if found:
                self.messages = max(self.messages, int(found[-1]))
            time.sleep(0.005)  # a wake-up for every message would cost too much

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait(self: Sink | Sinks, messages: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while self.messages < messages:
            if time.monotonic() > end:
                raise RuntimeError(f"only {self.messages} of {messages} arrived in {timeout} s")
            time.sleep(0.004)


class Mailroom:
    """The Maildirs below a directory, each in a folder of its domain: counts what came into them."""

    MOST = 0.1  # of a CPU for looking

    def __init__(self, root: pathlib.Path, domains: int) -> None:
        self._new = [root / f"d{number}.test" / "u" / "new" for number in range(domains)]

    @property
    def messages(self) -> int:
        return sum(len(os.listdir(folder)) for folder in self._new if folder.exists())

    def wait(self, messages: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while True:
            begin = time.monotonic()
            found = self.messages
            if found >= messages:
                break
            if begin > end:
                raise RuntimeError(f"only {found} of {messages} arrived in {timeout} s")
            time.sleep(max(0.004, (time.monotonic() - begin) / self.MOST))
        if found > messages:
            raise RuntimeError(f"{found} arrived, and {messages} were sent")


@contextlib.contextmanager
def sink(address: str = "127.0.0.1", port: int = 0) -> Iterator[Sink]:
    """smtp-sink, which answers at once."""
    port = port or free_port()
    command = [str(PROGRAMS / "smtp-sink"), "-4", "-c", "-m", "1000"]
    if os.geteuid() == 0:
        command += ["-u", pwd.getpwnam("nobody").pw_name]
    with running([*command, f"{address}:{port}", "1024"], port, address) as running_sink:
        yield running_sink


class Sinks:
    """Several as one."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self.port = sinks[0].port

    @property
    def messages(self) -> int:
        return sum(sink.messages for sink in self._sinks)

    wait = Sink.wait


@contextlib.contextmanager
def sinks(addresses: Sequence[str], port: int) -> Iterator[Sinks]:
    """smtp-sink at each of these."""
    with contextlib.ExitStack() as stack:
        yield Sinks([stack.enter_context(sink(address, port)) for address in addresses])


@contextlib.contextmanager
def late_sink(milliseconds: float, addresses: tuple[str, ...] = ("127.0.0.1",), port: int = 0) -> Iterator[Sink]:
    """A next hop whose replies come so late."""
    port = port or free_port()
    script = pathlib.Path(__file__).with_name("late_sink.py")
    with running([sys.executable, str(script), str(port), str(milliseconds), *addresses], port, addresses[0]) as late:
        yield late


@contextlib.contextmanager
def running(command: list[str], port: int, address: str = "127.0.0.1") -> Iterator[Sink]:
    """A sink that tells as smtp-sink -c does."""
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)
    found = Sink(process, port)
    try:
        await_port(port, process, timeout=10, address=address)
        yield found
    finally:
        found.end()


def await_port(port: int, process: subprocess.Popen[bytes], *, timeout: float, address: str = "127.0.0.1") -> None:
    """Until a greeting comes from there."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1) as sock:
            sock.settimeout(timeout)
            if sock.recv(3) == b"220":
                sock.sendall(b"QUIT\r\n")
                sock.recv(100)
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.01)
    raise RuntimeError(f"nobody greets on port {port}")

"""`asyncmta serve` as a process of its own, with a configuration, a spool and a log in one folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from peerkit.programs import TOP

SMARTHOST = """
[[route]]
recipient = "*"
via = "smarthost"
hosts = ["127.0.0.1:{port}"]
tls = "none"
"""
ADMIN = re.compile(r'\[admin\]\nlisten = "127\.0\.0\.1:(\d+)"')


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Serving:
    """One MTA that can be started, killed and started again over the same spool."""

    def __init__(self, folder: pathlib.Path, more: str = "", *, head: str = "", prefix: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "config.toml"
        self.log = folder / "log"
        self._prefix = prefix
        self.process: subprocess.Popen[bytes] | None = None
        self.config.write_text(
            f'hostname = "mta.test"\nspool = "{folder}/spool"\n{head}\n'
            f'[[listener]]\naddress = "127.0.0.1"\nport = {self.port}\n[log]\nformat = "json"\n{more}\n'
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "asyncmta", *arguments, "-c", str(self.config)]

    def asyncmta(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Another command, to its end."""
        return subprocess.run(
            self.command(*arguments), cwd=TOP, input=stdin, capture_output=True, timeout=60, check=False
        )

    def start(self, *, wait: bool = True, out: int | None = None) -> Serving:
        """`out`: a descriptor for standard output instead of the log."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, *self.command("serve")],
                cwd=TOP,
                stdin=subprocess.DEVNULL,
                stdout=log if out is None else out,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.await_greeting()
            self._await_door()
            for port in ADMIN.findall(self.config.read_text()):
                self._await_http(int(port))
        return self

    def _await_http(self, port: int, timeout: float = 30) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(f"nobody listens for HTTP:\n{self.tail()}")

    def _await_door(self, timeout: float = 10) -> None:
        """Listeners come before the control socket; commands need that. Where it is elsewhere, nobody waits long."""
        door, end = self.folder / "spool" / "control.sock", time.monotonic() + timeout
        while not door.exists() and time.monotonic() < end and self.process is not None and self.process.poll() is None:
            time.sleep(0.01)

    def await_greeting(self, timeout: float = 30) -> None:
        assert self.process is not None
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.settimeout(5)
                if sock.recv(3) == b"220":
                    sock.sendall(b"QUIT\r\n")
                    return
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.tail()}"
            time.sleep(0.02)
        raise AssertionError(f"no greeting:\n{self.tail()}")

    def await_control(self, timeout: float = 30) -> Serving:
        """Until the control socket answers, which it does a little after the greeting."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(f"{self.folder}/spool/control.sock")
                return self
            time.sleep(0.02)
        raise AssertionError(f"no control socket:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """kill -9, now."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def end(self, timeout: float = 60) -> int:
        """Wait for it to end by itself; the exit code."""
        assert self.process is not None
        return self.process.wait(timeout)

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

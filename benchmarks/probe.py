"""What the benchmarks of hostile and of idle clients share: one `asyncmta serve`, what it uses, and its page.

The server is a process of its own over an empty spool that holds everything; what it uses is read from /proc.
"""

from __future__ import annotations

import pathlib
import re
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

from benchmarks import processes, tools
from benchmarks.machine import facts

MIB = 1 << 20
PAGE = tools.TOP / "benchmarks" / "README.md"
CONFIG = """\
hostname = "mta.bench.test"
spool = "{root}/spool"

[[listener]]
address = "127.0.0.1"
port = {port}
max_sessions = 15000
tls = "{tls}"

[log]
format = "json"
level = "warning"

[[route]]
recipient = "*"
via = "hold"
{more}
"""


def allow_many_files() -> int:
    """As many descriptors as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def source(number: int, each: int = 40) -> tuple[str, int]:
    """A loopback address for the connection with this number: so many of one address, below `sessions_per_client`."""
    at = number // each
    return f"127.{1 + at // 62500}.{at // 250 % 250}.{at % 250 + 1}", 0


class Served:
    """One `asyncmta serve`."""

    def __init__(self, root: pathlib.Path, more: str = "", *, tls: str = "none") -> None:
        self.root = root
        self.port = tools.free_port()
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self.config = root / "config.toml"
        self.config.write_text(CONFIG.format(root=root, port=self.port, more=more, tls=tls))

    def __enter__(self) -> Served:
        with open(self.root / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "asyncmta", "serve", "-c", str(self.config)],
                cwd=tools.TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        tools.await_port(self.port, self.process, timeout=30)
        self._await_control()
        return self

    def _await_control(self, patience: float = 30.0) -> None:
        """The listener is open before the control socket is; what is counted from now on has that."""
        end, had = time.monotonic() + patience, -1
        while time.monotonic() < end:
            has = self.descriptors()
            if has == had and (self.root / "spool" / "control.sock").exists():
                return
            had = has
            time.sleep(0.5)
        raise RuntimeError("the control socket is not there")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def said(self) -> str:
        return (self.root / "log").read_text(errors="replace")

    def rss(self) -> int:
        return self._status("VmRSS") << 10

    def cpu(self) -> float:
        return processes.cpu(self.process.pid)

    def descriptors(self) -> int:
        return sum(1 for _ in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir())

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1])


class Peak:
    """The highest RSS between enter and leave, looked at every 50 ms."""

    def __init__(self, served: Served) -> None:
        self.rss = served.rss()
        self._served = served
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self.rss = max(self.rss, self._served.rss())

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def certificate(root: pathlib.Path) -> tuple[str, str]:
    """A certificate that only this run knows, by the openssl of the system."""
    root.mkdir(parents=True, exist_ok=True)
    paths = str(root / "cert.pem"), str(root / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=mta.bench.test", "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return paths


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def page(rows: list[tuple[str, str]], root: pathlib.Path, load: str) -> str:
    about = "; ".join(f"{name} {fact}" for name, fact in facts(root).items())
    lines = ["| measured | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, "", f"Machine: {about}; load at the start {load}.", ""])


def write(name: str, text: str) -> None:
    """Put it into benchmarks/README.md between the marks of this name."""
    marks = re.compile(rf"(?<=<!-- {name}:begin -->\n).*(?=<!-- {name}:end -->)", re.DOTALL)
    PAGE.write_text(marks.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")

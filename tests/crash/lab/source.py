"""smtp-source of Postfix as the load: it runs until it is stopped, and is started again when it has given up.

It gives up when its connection breaks, as when the server is killed. Each start has a host name of its own, so that the
Message-Ids are never the same twice, and numbers its recipients. The wire (wire.py) says what became of each letter.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Sequence

from tests.crash.lab.hatchery import TOP
from tests.crash.lab.wire import Wire
from tests.crash.lab.yard import dying_with_us

PROGRAM = TOP / ".tools/postfix/usr/sbin/smtp-source"
LIBRARIES = TOP / ".tools/postfix/usr/lib/postfix"
PAUSE = 0.05


def missing() -> str:
    return "" if PROGRAM.exists() else "smtp-source is not there: run make test-tools"


class Source:
    """`kinds` are (recipient, size of the body), taken in turn at each start; `sessions` at a time."""

    def __init__(self, wire: Wire, kinds: Sequence[tuple[str, int]], *, sessions: int, prefix: str) -> None:
        self.wire = wire
        self._kinds = itertools.cycle(kinds)
        self._sessions, self._prefix = sessions, prefix
        self.starts = 0
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Source:
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._over.is_set():
            with self._lock:
                if self._over.is_set():
                    return
                self._process = self._another()
            self._process.wait()
            self._over.wait(PAUSE)

    def _another(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        to, size = next(self._kinds)
        local, _, domain = to.partition("@")
        tag = f"{self._prefix}-{self.starts}"
        command = [str(PROGRAM), "-A", "-d", "-N", "-m", "1000000", "-s", str(self._sessions), "-l", str(size)]
        command += ["-M", f"{tag}.source.test", "-f", "sender@local.test", "-t", f"{local}-{tag}@{domain}"]
        return subprocess.Popen(
            dying_with_us([*command, f"127.0.0.1:{self.wire.port}"]),
            env=os.environ | {"LD_LIBRARY_PATH": str(LIBRARIES)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self, acknowledged: int, timeout: float = 30.0) -> bool:
        end = time.monotonic() + timeout
        while self.wire.acknowledged < acknowledged:
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def stop(self) -> None:
        """And wait until everything that it said has its answer."""
        self._over.set()
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                self._process.kill()
        self._thread.join(10)
        end = time.monotonic() + 30
        while not self.wire.is_idle() and time.monotonic() < end:
            time.sleep(0.005)

    def __enter__(self) -> Source:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

"""The laboratory's end of the hatchery: children are hatched here, told what to do, and buried.

Everything that is started is ended when its `with` block is left, however it is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from tests.crash.lab import shim
from tests.crash.lab.shim import Block, Strike

TOP = pathlib.Path(__file__).resolve().parents[3]
PATIENCE = 60.0
"""Seconds after which a child that has not answered counts as hanging."""


class Died(Exception):
    """The child is gone: killed by the shim, or by us."""


class Hung(Exception):
    """The child did not answer in time."""


class Hatchery:
    """One warm interpreter. `folder` is for its logs, its block and its socket, outside of what is watched."""

    def __init__(self, folder: pathlib.Path, *, shimmed: bool = True) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "children.log"
        self.block = Block(folder / "block")
        self._shimmed = shimmed and shutil.which("gcc") is not None
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCMTA_")}
        # Each MTA reads the certificates of this machine, which takes longer than all the rest of a short run.
        environment |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": str(folder / "no-certificates")}
        if self._shimmed:
            environment |= {"LD_PRELOAD": str(shim.build(folder)), "LAB_BLOCK": str(self.block.path)}
        self._listening = socket.socket(socket.AF_UNIX)
        # A name without a file: the path of one may be too long for a socket.
        self._control = f"\0asyncmta-lab-{secrets.token_hex(8)}"
        self._listening.bind(self._control)
        self._listening.listen(1)
        self._listening.settimeout(PATIENCE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.lab.hatch"],
            cwd=TOP,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the hatchery did not start"

    def hatch(self, spec: dict[str, Any], strike: Strike | None = None) -> Child:
        """A child; with `strike`, it is armed."""
        if strike is not None:
            assert self._shimmed, "no shim without gcc"
            self.block.reset(strike)
        whole = {**spec, "control": self._control, "log": str(self.log), "armed": strike is not None}
        pid = int(self._ask(whole))
        connection, _ = self._listening.accept()
        return Child(self, pid, connection)

    def reap(self, pid: int) -> int:
        return int(self._ask({"reap": pid}))

    def _ask(self, request: dict[str, Any]) -> str:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    def __enter__(self) -> Hatchery:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._process.kill()  # its children die with it
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def tail(self) -> str:
        """The last lines that children have written."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


class Child:
    """One process, and the line to it."""

    def __init__(self, hatchery: Hatchery, pid: int, connection: socket.socket) -> None:
        self._hatchery = hatchery
        self.pid = pid
        self._connection = connection
        connection.settimeout(PATIENCE)
        self._lines = connection.makefile("rb")
        self._is_buried = False

    def tell(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Its answer; raises Died or Hung."""
        try:
            self._connection.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            line = self._lines.readline()
        except TimeoutError:
            raise Hung(do) from None
        except OSError:
            line = b""
        if not line:
            raise Died(do)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the child cannot {do}:\n{answer['error']}")
        return answer

    def freeze(self) -> None:
        """SIGSTOP, and wait until no thread of it is outside of a system call any more."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        while any(_state(task / "stat") not in ("T", "D") for task in tasks.iterdir()):
            time.sleep(0.0005)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._is_buried:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.bury()

    def quit(self) -> int:
        """End it in peace; how it ended, as waitpid has it."""
        with contextlib.suppress(Died):
            self.tell("quit")
        return self.bury()

    def bury(self) -> int:
        """Wait for its end."""
        if self._is_buried:
            return 0
        self._is_buried = True
        status = self._hatchery.reap(self.pid)
        self._lines.close()
        self._connection.close()
        return status

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _state(stat: pathlib.Path) -> str:
    """Of a thread: T is stopped, D is in a system call that cannot be interrupted."""
    with contextlib.suppress(FileNotFoundError):
        return stat.read_text(encoding="latin-1").rpartition(")")[2].split()[0]
    return "T"

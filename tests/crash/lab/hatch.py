"""A warm interpreter that forks an MTA for each run: everything is imported once, so that a run costs a fork.

Run as `python -m tests.crash.lab.hatch` by hatchery.py. Requests come as lines of JSON on standard input; the child
connects to the laboratory's socket and does there what it is told (life.py). It dies with its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import traceback

from tests.crash.lab import shim
from tests.crash.lab.life import Life


def hatch(spec: dict[str, object]) -> None:
    """The child, to its end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    log = os.open(str(spec["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(spec["control"]))
        if spec.get("armed"):
            shim.arm(str(spec["root"]))
        asyncio.run(Life(spec, control).run())


def main() -> None:
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "reap" in request:
            print(os.waitpid(request["reap"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                hatch(request)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()

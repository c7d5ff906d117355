"""The first process of a container (PID 1), when that is us: it starts the MTA as its child, and waits.

Whose parent has ended becomes a child of PID 1, and stays a zombie until that waits for it: what a command of a pipe
leaves behind, or a health check that was cut off. An MTA that waited for children which it does not know could take
the end of a command that it does know. Promises: signals go to the MTA, once each; its exit code is ours; whoever is
left to us is waited for. Nothing at all happens where we are not PID 1 (`docker run --init`). Never: anything else.

docs/container.md.
"""

from __future__ import annotations

import contextlib
import os
import signal

FORWARDED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
FIRST = 1


def leave_first_process() -> None:
    """Return in a child where we are PID 1; there this never returns. To be called before there are threads."""
    if os.getpid() != FIRST:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # one that comes now is for the child
    child = os.fork()
    if child == 0:
        # A terminal signals the group in its foreground, which is ours: the child is to hear of it from us, once.
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        return
    for number in FORWARDED:
        signal.signal(number, lambda number, _: _forward(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    os._exit(_wait_for(child))


def _forward(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _wait_for(child: int) -> int:
    """Wait for all; the exit code of this one, as shells have it."""
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code

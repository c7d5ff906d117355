"""Whoever started us and wants to know how we are: systemd's notification protocol, which is datagrams on a socket.

Promises: without NOTIFY_SOCKET nothing is done at all; saying something never blocks and never fails; a watchdog that
is asked for hears of us twice in its time, as long as `alive` has nothing to say against it. Never: what is said.

sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from asyncmta.system.clock import Clock, Timer

MICRO = 1_000_000


class Supervisor:
    """`environ`: where the supervisor has left its address. `pid`: ours, for a watchdog that is meant for another."""

    def __init__(self, *, environ: Mapping[str, str], clock: Clock, pid: int | None = None) -> None:
        self._address = address_of(environ.get("NOTIFY_SOCKET", ""))
        self._every = watchdog_of(environ, os.getpid() if pid is None else pid) / 2
        self._clock = clock
        self._timer: Timer | None = None

    def say(self, *lines: str) -> None:
        """Tell it, if there is one: `READY=1`, `STATUS=...`."""
        if self._address is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join(lines).encode(), self._address)

    def say_reloading(self) -> None:
        """With the time that `Type=notify-reload` compares; `READY=1` has to follow."""
        self.say("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * MICRO)}")

    def watch(self, alive: Callable[[], list[str]]) -> None:
        """From now on the watchdog hears of us while `alive` gives no reason why it should not."""
        if self._address is None or not self._every:
            return
        if not alive():
            self.say("WATCHDOG=1")
        self._timer = self._clock.call_at(self._clock.monotonic() + self._every, lambda: self.watch(alive))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def address_of(text: str) -> str | None:
    """A path, or a name in the abstract namespace (`@...`); anything else is not spoken to."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def watchdog_of(environ: Mapping[str, str], pid: int) -> float:
    """Within how many seconds it wants to hear of this process; 0.0: it does not."""
    usec, whom = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdigit()) or (whom and whom != str(pid)):
        return 0.0
    return int(usec) / MICRO

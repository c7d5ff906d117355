"""Single keys of a terminal, without waiting for Enter; and signals that a program with a whole screen needs to hear.

Promises: the terminal is as it was when the `with` is left, whatever the reason, and while the program is stopped
(Ctrl-Z). Never: what a key means.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import tty
from types import FrameType, TracebackType

HEARD = (signal.SIGWINCH, signal.SIGTSTP)
RESIZED, STOPPED, CLOSED = "resized", "stopped", "closed"
_SEQUENCES = {b"A": "up", b"B": "down", b"5": "page up", b"6": "page down", b"H": "home", b"F": "end"}
_NAMES = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x1b": "escape"}


def names(octets: bytes) -> list[str]:
    """What was typed, by name where it is no letter. A whole sequence comes in one piece from any terminal."""
    found = []
    while octets:
        if octets[:2] in (b"\x1b[", b"\x1bO"):
            sequence, octets = _sequence(octets[2:])
            if sequence in _SEQUENCES:
                found.append(_SEQUENCES[sequence])
            continue
        text = octets.decode("utf-8", "ignore")
        found += [_NAMES.get(letter, letter) for letter in text.split("\x1b[")[0]]
        octets = octets[octets.index(b"\x1b[") :] if b"\x1b[" in octets else b""
    return found


def _sequence(octets: bytes) -> tuple[bytes, bytes]:
    """That begins here, and what follows: parameters, and a last octet from `@` to `~`."""
    for at, octet in enumerate(octets):
        if 0x40 <= octet <= 0x7E:
            return (octets[:at] if octet == 0x7E else octets[at : at + 1]), octets[at + 1 :]
    return b"", b""


class Keyboard:
    """`read` for keys; without a terminal at standard input there are none, and it waits only."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: list[object] | None = None
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Keyboard:
        self._hear, self._say = socket.socketpair()
        self._hear.setblocking(False)
        self._say.setblocking(False)
        for each in HEARD:
            self._handlers[each] = signal.signal(each, _note)
        for each in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[each] = signal.signal(each, _end)
        self._wakeup = signal.set_wakeup_fd(self._say.fileno(), warn_on_full_buffer=False)
        self.take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.give_back()
        signal.set_wakeup_fd(self._wakeup)
        for each, handler in self._handlers.items():
            signal.signal(each, handler)  # type: ignore[arg-type]
        self._hear.close()
        self._say.close()

    def take(self) -> None:
        """Keys one by one, and not shown."""
        if self._input is not None:
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)

    def give_back(self) -> None:
        if self._input is not None and self._before is not None:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    def read(self, timeout: float) -> list[str]:
        """Keys that have been typed, and RESIZED, STOPPED, CLOSED; none when nothing came in time."""
        watched = [self._hear, *([self._input] if self._input is not None else [])]
        ready = select.select(watched, [], [], max(0.0, timeout))[0]
        found: list[str] = []
        if self._hear in ready:
            heard = set(self._hear.recv(256))
            found += [RESIZED] * (signal.SIGWINCH in heard) + [STOPPED] * (signal.SIGTSTP in heard)
        if self._input in ready and self._input is not None:
            found += names(typed) if (typed := self._octets(self._input)) else [CLOSED]
        return found

    @staticmethod
    def _octets(descriptor: int) -> bytes:
        try:
            return os.read(descriptor, 4096)
        except OSError:  # the terminal is gone
            return b""

    @staticmethod
    def stop() -> None:
        """As Ctrl-Z does; returns when the shell lets it go on."""
        os.kill(os.getpid(), signal.SIGSTOP)


def _note(_number: int, _frame: FrameType | None) -> None:
    """It is heard by `read`."""


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)

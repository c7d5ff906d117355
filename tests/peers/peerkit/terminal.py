"""A program on a terminal of its own: what it draws is read by an emulator, what is typed reaches its keyboard."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping

import pyte


class Terminal:
    """`screen`: what a person would see now."""

    def __init__(self, command: list[str], *, env: Mapping[str, str], columns: int = 100, lines: int = 40) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self._slave)

        slave = self._slave
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # it is the process itself, as it leads no group yet
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **env},
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def is_cursor_hidden(self) -> bool:
        return bool(self._screen.cursor.hidden)

    @property
    def mode(self) -> list[object]:
        """How the terminal is set, as the kernel has it."""
        return termios.tcgetattr(self._slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def read(self, timeout: float = 0.1) -> bool:
        """Take in what has come; was there anything?"""
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        octets = os.read(self._master, 65536)
        self.raw += octets
        self._stream.feed(octets)
        return True

    def until(self, condition: Callable[[str], bool], timeout: float = 30) -> str:
        """The screen, as soon as it is so."""
        end = time.monotonic() + timeout
        while not condition(self.screen):
            assert time.monotonic() < end, f"not seen within {timeout} s; the screen:\n{self.screen}"
            seen = self.read()
            assert seen or self.process.poll() is None, f"it has ended; the screen:\n{self.screen}"
        return self.screen

    def until_text(self, text: str, timeout: float = 30) -> str:
        return self.until(lambda screen: text in screen, timeout)

    def wait(self, timeout: float = 30) -> int:
        """Until it has ended; its exit code."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still there:\n{self.screen}"
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.returncode

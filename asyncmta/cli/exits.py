"""How a command ends: the exit codes of sysexits.h, the one exception that carries one, and ends that nobody planned.

`Stop` is for ends that are expected (a bad configuration, nobody at the control socket): its text goes to standard
error, a line for each of its lines, without a traceback.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    OK = 0
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANT_CREATE = 73
    IO_ERROR = 74
    TEMP_FAIL = 75
    NO_PERMISSION = 77
    CONFIG = 78


class Stop(click.ClickException):
    """End the command with this code after saying why."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


INTERRUPTED = 130  # as shells have it


def unplanned(error: BaseException) -> int:
    """The code for an end by a keyboard, a pipe that nobody reads, or a bug, which is shown. To be called where the
    exception is handled."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # What is left in the buffer has nowhere to go; the interpreter would complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.IO_ERROR
    import traceback  # noqa: PLC0415 - needed for a bug only

    traceback.print_exc()
    return Exit.SOFTWARE

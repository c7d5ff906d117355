"""How a command ends: the exit codes of sysexits.h, and the one exception that carries one. Nothing else.

`Stop` is for ends that are expected (a bad configuration, nobody at the control socket): its text goes to standard
error, a line for each of its lines, without a traceback.
"""

from __future__ import annotations

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

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)

"""A file with somebody's own words for reports: read once, when settings are checked and when the MTA starts.

Promises: a template, or `TemplateRefused` with every fault as `FILE: line N: what is wrong`. Never: read again while
the MTA runs; a fault in it never costs a report.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asyncmta.bounce.dsn_template import Template, parse_template
from asyncmta.bounce.templates import LANGUAGES

MAX_FILE = 1 << 20  # octets


class TemplateRefused(ValueError):
    """There is no working with this file; `faults` say why, the message says the first."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        super().__init__(self.faults[0] + more)


def template_of(language: str, path: str = "") -> Template:
    """The words of a language that comes with the program, and over them those of the file, where there is one."""
    base = LANGUAGES[language]
    if not path:
        return base
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MAX_FILE + 1)
        text = octets.decode("utf-8")
    except OSError as error:
        raise TemplateRefused([f"cannot be read: {error.strerror}: {path}"]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TemplateRefused([f"{path}: line {line}: not UTF-8"]) from None
    if len(octets) > MAX_FILE:
        raise TemplateRefused([f"{path}: larger than {MAX_FILE} octets"])
    read = parse_template(text, base)
    if isinstance(read, Template):
        return read
    raise TemplateRefused([f"{path}: line {fault.line}: {fault.text}" for fault in read])

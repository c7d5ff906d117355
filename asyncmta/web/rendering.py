"""Templates into pages: the only importer of Jinja2.

Promises: every value is escaped; a name that a template uses and nobody gave is an error, never an empty place; text of
strangers goes through `visible`. Never: a template that is not in the package.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from asyncmta.admin.words import duration, octets
from asyncmta.web.assets import Assets
from asyncmta.web.visible import visible

FOLDER = Path(__file__).parent / "templates"


class Templates:
    """All of the package, compiled when this is made: a fault in one is found at the start."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = assets.address
        self._environment.filters |= {
            "visible": visible,
            "duration": duration,
            "octets": octets,
            "stamp": stamp,
            "iso": iso,
            "grouped": grouped,
        }
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def render(self, name: str, facts: dict[str, Any]) -> str:
        return self._environment.get_template(name).render(facts)


def stamp(at: float) -> str:
    """Local time of the server with its zone."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def iso(at: float) -> str:
    """For the `datetime` of a <time>."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def grouped(number: int) -> str:
    """10,000"""
    return f"{number:,}"

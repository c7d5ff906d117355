"""`asyncmta resume`: the end of what `asyncmta pause` began.

69: not running; 65: no such name.
"""

from __future__ import annotations

import click

from asyncmta.cli.completing import to_resume
from asyncmta.cli.pause import WHAT, steer
from asyncmta.cli.queue import as_json_option
from asyncmta.cli.where import config_option


@click.command(name="resume")
@click.argument("what", type=WHAT)
@click.argument("name", default="", shell_complete=to_resume)
@as_json_option
@config_option
def command(what: str, name: str, as_json: bool) -> None:
    """Resume input, output, a site or a domain."""
    steer("resume", what, name, as_json)

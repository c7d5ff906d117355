"""`asyncmta reload`: the running MTA reads its settings again, as with SIGHUP; and says what came of it.

0: what could be taken over is in force, also where something else needs a restart, which is said; 78 with every fault
on a line: nothing is changed; 69: not running.
"""

from __future__ import annotations

import click
import msgspec

from asyncmta.admin.client import Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.queue import as_json_option, ask
from asyncmta.cli.queue_source import running
from asyncmta.cli.where import config_option

INVALID = "invalid_config"


@click.command(name="reload")
@as_json_option
@config_option
def command(as_json: bool) -> None:
    """Have the running MTA read its settings again: what is in force now, and what needs a restart.

    The MTA reads the files that it was started with. With a fault in them nothing is changed.
    """
    found = ask(_reload)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for key in found["changed"]:
        click.echo(f"changed         {key}")
    for key in found["needs_restart"]:
        click.echo(f"needs a restart {key}")
    if not (found["changed"] or found["needs_restart"]):
        click.echo("nothing has changed")


def _reload() -> dict[str, list[str]]:
    try:
        found: dict[str, list[str]] = running().post("/v1/reload", {})
    except Refused as error:
        if error.code == INVALID:
            raise Stop(Exit.CONFIG, "\n".join(error.faults or (str(error),))) from None
        raise
    return found

"""`asyncmta pause`: no more mail is taken, or no more attempts are begun, at all or to one site or domain.

In memory of the running MTA alone: a restart begins with nothing paused. 69: not running; 65: no such name.
"""

from __future__ import annotations

from typing import Any

import click
import msgspec

from asyncmta.cli.completing import to_pause
from asyncmta.cli.queue import as_json_option, ask
from asyncmta.cli.queue_source import running
from asyncmta.cli.where import config_option
from asyncmta.cli.words import printable

WHAT = click.Choice(("input", "output", "site", "domain"))


def steer(verb: str, what: str, name: str, as_json: bool, **more: str) -> None:
    """Have it done, and say what is paused now."""
    if bool(name) != (what in ("site", "domain")):
        raise click.UsageError(f"{what} {'takes no' if name else 'needs a'} NAME")
    say(ask(lambda: running().post(f"/v1/{verb}", {"what": what, "name": name, **more})), as_json)


def say(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for reason in found["reasons"] or ["nothing is paused"]:
        click.echo(printable(reason))


@click.command(name="pause")
@click.argument("what", type=WHAT, required=False)
@click.argument("name", default="", shell_complete=to_pause)
@click.option("--for", "for_", metavar="DURATION", help='Resume by itself after that: "90s", "20m", "4h", "5d".')
@as_json_option
@config_option
def command(what: str | None, name: str, for_: str | None, as_json: bool) -> None:
    """Pause input, output, a site or a domain; without arguments, say what is paused.

    A site is named as `queue list` shows next hops (smarthost:0, mx:example.org). What is in hand comes to its end. A
    restart begins with nothing paused.
    """
    if what is None:
        if for_ is not None:
            raise click.UsageError("--for needs what to pause")
        say(ask(lambda: running().get("/v1/pauses")), as_json)
    else:
        steer("pause", what, name, as_json, **({} if for_ is None else {"for": for_}))

"""`asyncmta drain --to HOST:PORT`: the whole queue is handed to another relay, before this one goes away.

The MTA takes no more mail from then on, and goes on with it although this command is interrupted; said again, it goes
on with what is left. 0 when the queue is empty; 75 with the reasons when something is left; 69: not running.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asyncmta.admin.client import ControlClient
from asyncmta.cli.exits import INTERRUPTED, Exit, Stop
from asyncmta.cli.pause import say
from asyncmta.cli.queue import as_json_option, ask
from asyncmta.cli.queue_source import running
from asyncmta.cli.where import config_option
from asyncmta.cli.words import printable
from asyncmta.system.clock import SystemClock

LOOK = 0.5  # seconds between two looks
TLS = click.Choice(("none", "opportunistic", "require", "verify"))
AGAIN = 10.0  # seconds after which what failed is tried once more


@click.command(name="drain")
@click.option("--to", metavar="HOST:PORT", help="The relay that takes the queue.")
@click.option("--tls", type=TLS, default="opportunistic", show_default=True, help="As in a [[route]].")
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="It gives up after so long without progress.",
)
@click.option("--end", is_flag=True, help="Go back to the routes of the configuration, and take mail again.")
@as_json_option
@config_option
def command(to: str | None, tls: str, patience: float, end: bool, as_json: bool) -> None:
    """Hand the whole queue to another relay, before this MTA goes away.

    It takes no more mail from then on, and goes on although this command is interrupted; said again, the command
    watches it again. 0 when the queue is empty, 75 when something is left, with the reasons.
    """
    if bool(to) == end:
        raise click.UsageError("say --to HOST:PORT, or --end")
    client = running()
    if end:
        say(ask(lambda: client.delete("/v1/drain")), as_json)
        return
    try:
        found = ask(lambda: watch(client, {"to": to, "tls": tls}, patience))
    except KeyboardInterrupt:
        raise Stop(INTERRUPTED, "interrupted; the MTA goes on with it until `asyncmta drain --end`") from None
    if as_json:
        click.echo(msgspec.json.encode(found))
    left = found["left"]
    if left:
        raise Stop(Exit.TEMP_FAIL, "\n".join(why(found)))
    if not as_json:
        click.echo("the queue is empty")


def watch(client: ControlClient, asked: dict[str, Any], patience: float) -> dict[str, Any]:
    """Until nothing is left that can go, or nothing has gone for too long; how it stands then."""
    found: dict[str, Any] = client.post("/v1/drain", asked)
    clock, resting = SystemClock(), threading.Event()
    columns = (TextColumn("handed over"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as shown:
        bar = shown.add_task("", total=found["total"])
        said = moved = clock.monotonic()
        while found["left"] > found["held"]:
            resting.wait(LOOK)
            now, before = clock.monotonic(), found["left"]
            found = client.get("/v1/drain")
            shown.update(bar, total=found["total"], completed=found["total"] - found["left"])
            moved = now if found["left"] < before else moved
            if now - moved > patience:
                break
            if now - said > AGAIN:
                said, found = now, client.post("/v1/drain", asked)
    return found


def why(found: dict[str, Any]) -> list[str]:
    """What is left and for what reason, for people."""
    lines = [f"{found['left']} messages are left"]
    if found["held"]:
        lines.append(f"{found['held']} of them are held by an operator: release them, or delete them")
    return lines + [f"{count} recipients: {printable(reason)}" for reason, count in sorted(found["reasons"].items())]

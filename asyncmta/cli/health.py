"""`asyncmta health`: is the running MTA live, or ready? Made for a container's HEALTHCHECK: quick and silent when well;
with --ready it says what is paused.

0 when it is, 69 when it is not or does not answer, with the reasons on standard error.
"""

from __future__ import annotations

import click

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, control_client


@click.command(name="health")
@click.option("--ready", is_flag=True, help="Ask whether it takes mail, not only whether it lives.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="So long to wait.",
)
@config_option
def command(ready: bool, timeout: float) -> None:
    """Say whether the running MTA is well.

    0 when it is live, or with --ready when it takes mail; else 69, with the reasons.
    """
    try:
        found = control_client(timeout=timeout).get("/readyz" if ready else "/livez")
    except NotRunning as error:
        raise Stop(Exit.UNAVAILABLE, f"not running: {error}") from None
    except Refused as error:
        raise Stop(Exit.UNAVAILABLE, str(error)) from None
    for reason in found.get("paused", ()):
        click.echo(reason)

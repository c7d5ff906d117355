"""`asyncmta check-config`: 0, or 78 with a line `FILE: table.key: what is wrong, what is allowed` for each fault.

What is allowed and hardly meant is said as `warning: ...` on standard error, with 0 all the same.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from asyncmta.cli.where import config_file, config_option, load_settings_to_serve
from asyncmta.cli.words import printable

if TYPE_CHECKING:
    from asyncmta.config import Settings


@click.command(name="check-config")
@config_option
def command() -> None:
    """Say what is wrong with the configuration; nothing is started.

    0 when it is good, else 78 with each fault on a line: FILE: table.key: what is wrong, what is allowed.
    """
    from asyncmta.config_remarks import remarks  # noqa: PLC0415 - for a quick start

    settings = load_settings_to_serve()
    for remark in (*remarks(settings), *asyncio.run(_of_aliases(settings))):
        click.echo(f"warning: {printable(remark)}", err=True)
    click.echo(f"{config_file() or 'built-in defaults'}: ok")


async def _of_aliases(settings: Settings) -> list[str]:
    """Those that lead in a circle, or to nobody."""
    from asyncmta.mailboxes.explaining import doubtful  # noqa: PLC0415
    from asyncmta.maillog import MailLog  # noqa: PLC0415
    from asyncmta.mta_local import offline_directory  # noqa: PLC0415
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415

    if not settings.local.domains:
        return []
    maillog = MailLog(clock=SystemClock(), stream=sys.stderr.buffer, format="console", level="critical")
    found = await doubtful(offline_directory(settings, maillog=maillog), settings.local.domains[0])
    maillog.close()
    return found

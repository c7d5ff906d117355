"""`asyncmta check-config`: 0, or 78 with a line `FILE: table.key: what is wrong, what is allowed` for each fault.

What is allowed and hardly meant is said as `warning: ...` on standard error, with 0 all the same.
"""

from __future__ import annotations

import click

from asyncmta.cli.where import config_file, config_option, load_settings_to_serve
from asyncmta.cli.words import printable


@click.command(name="check-config")
@config_option
def command() -> None:
    """Say what is wrong with the configuration; nothing is started."""
    from asyncmta.config_remarks import remarks  # noqa: PLC0415 - for a quick start

    settings = load_settings_to_serve()
    for remark in remarks(settings):
        click.echo(f"warning: {printable(remark)}", err=True)
    click.echo(f"{config_file() or 'built-in defaults'}: ok")

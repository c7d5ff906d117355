"""`asyncmta check-config`: 0, or 78 with a line `FILE: table.key: what is wrong, what is allowed` for each fault."""

from __future__ import annotations

import click

from asyncmta.cli.where import config_file, config_option, load_settings_to_serve


@click.command(name="check-config")
@config_option
def command() -> None:
    """Say what is wrong with the configuration; nothing is started."""
    load_settings_to_serve()
    click.echo(f"{config_file() or 'built-in defaults'}: ok")

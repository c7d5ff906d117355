"""Which configuration a command is about, and where the running MTA is reached: the same answer for every command.

Order: -c/--config (before or after the command's name, the last one wins), $ASYNCMTA_CONFIG, ./config.toml,
/etc/asyncmta/config.toml, built-in defaults. A file that is named and is not there is an error, never a default.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from asyncmta.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from asyncmta.admin.client import ControlClient
    from asyncmta.config import Settings

F = TypeVar("F", bound=Callable[..., Any])

USUAL_FILES = ("config.toml", "/etc/asyncmta/config.toml")
_CONFIG = "asyncmta.config"


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().meta[_CONFIG] = value


def config_option(command: F) -> F:
    """-c/--config, for the group and for each command."""
    return click.option(
        "-c",
        "--config",
        metavar="FILE",
        type=click.Path(),
        expose_value=False,
        callback=_remember,
        help="The configuration file.",
    )(command)


def config_file() -> str | None:
    """The file that counts; None for built-in defaults."""
    named = click.get_current_context().find_root().meta.get(_CONFIG) or os.environ.get("ASYNCMTA_CONFIG")
    if named:
        return str(named)
    return next((path for path in USUAL_FILES if os.path.exists(path)), None)


def load_settings() -> Settings:
    """The effective settings; stops with 78 and every fault on a line of its own."""
    from asyncmta.config import InvalidConfig, Settings  # noqa: PLC0415 - for a quick start, as __init__ says

    path = config_file()
    try:
        return Settings.load(path)
    except InvalidConfig as error:
        raise Stop(Exit.CONFIG, str(error)) from None


def load_settings_to_serve() -> Settings:
    """The same, for those who serve with nothing but the settings."""
    settings = load_settings()
    if faults := settings.cannot_be_served():
        raise Stop(Exit.CONFIG, "\n".join(faults))
    return settings


def control_client(*, timeout: float = 60.0) -> ControlClient:
    """A client for the MTA of this configuration."""
    from asyncmta.admin.client import ControlClient  # noqa: PLC0415

    return ControlClient(load_settings().admin.socket, timeout=timeout)

"""`asyncmta version`: what runs here, for a bug report."""

from __future__ import annotations

import platform
from importlib import metadata, util

import click

from asyncmta import __version__
from asyncmta.cli.where import config_option

LIBRARIES = (
    "aiodns",
    "aiofiles",
    "aiohttp",
    "aiosmtpd",
    "aiosmtplib",
    "click",
    "idna",
    "msgspec",
    "pycares",
    "rich",
    "structlog",
    "uvloop",
)


def installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@click.command(name="version")
@config_option
def command() -> None:
    """Version, Python, event loop, and the libraries it runs on."""
    loop = "uvloop" if util.find_spec("uvloop") else "asyncio"
    click.echo(f"asyncmta {__version__}")
    click.echo(f"Python {platform.python_version()} ({platform.python_implementation()}) on {platform.platform()}")
    click.echo(f"event loop {loop}")
    for name in LIBRARIES:
        click.echo(f"{name} {installed(name)}")

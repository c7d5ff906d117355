"""`asyncmta suppress`: who is to get no more mail: add, remove, list, import, export.

Changes the file, whether or not an MTA runs, and tells one that runs, so that it counts at once. Ends with 0; 65 for
what is no address, no list, or not on it; 66 for a file that is not there; 73 when the list cannot be written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click
import msgspec

from asyncmta.cli import queue_table
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import config_option, control_client, load_settings
from asyncmta.cli.words import duration, printable
from asyncmta.config_kinds import Duration, Unfit
from asyncmta.suppression.entries import (
    InvalidSuppression,
    Suppression,
    entry,
    imported,
    key_of_text,
    printed,
    read,
    with_entries,
    without,
)

T = TypeVar("T")

_reason = click.option("--reason", default="", metavar="TEXT", help="Why; shown in the list.")
_expires = click.option("--expires", metavar="TIME", help='After so long it counts no more, such as "30d"; else never.')


@click.group(name="suppress")
@config_option
def command() -> None:
    """Who is to get no more mail."""


@command.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS|@DOMAIN...")
@_reason
@_expires
@config_option
def add(addresses: tuple[str, ...], reason: str, expires: str | None) -> None:
    """Put addresses on the list, or whole domains."""
    now = _now()
    end = _end(expires, now)
    _add(_valid(lambda: [entry(text, reason, now, end) for text in addresses]), now)


@command.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS|@DOMAIN...")
@config_option
def remove(addresses: tuple[str, ...]) -> None:
    """Take addresses off the list."""
    keys = _valid(lambda: [key_of_text(text) for text in addresses])

    def edit(octets: bytes) -> bytes:
        there = {each.address for each in read(octets).entries}
        missing = [key for key in keys if key not in there]
        if missing:
            raise InvalidSuppression(f"{', '.join(map(printable, missing))}: not on the list")
        return without(octets, keys)

    _change(edit)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@config_option
def show(as_json: bool) -> None:
    """Who is on the list, why, and until when."""
    from asyncmta.mail.headers import rfc5322_date  # noqa: PLC0415 - for a quick start, as __init__ says

    entries, now = _entries(), _now()
    if as_json:
        click.echo(msgspec.json.encode([msgspec.structs.asdict(each) for each in entries]))
        return
    if sys.stdout.isatty():
        rows = [(each.address, each.reason, _until(each, now)) for each in entries]
        queue_table.show(("address", "reason", "until"), rows, terminal=True)
        return
    for each in entries:
        until = f"  until {rfc5322_date(each.expires)}" if each.expires else ""
        over = "  (over)" if each.is_over(now) else ""
        click.echo(f"{printable(each.address)}  {printable(each.reason)}{until}{over}".rstrip())


def _until(each: Suppression, now: float) -> str:
    if not each.expires:
        return "-"
    return "over" if each.is_over(now) else f"in {duration(each.expires - now)}"


@command.command(name="import")
@click.argument("file", metavar="FILE", default="-")
@_reason
@_expires
@config_option
def import_(file: str, reason: str, expires: str | None) -> None:
    """Add all of FILE, or of standard input (-).

    Lines of JSON as `export` makes them, or ADDRESS, or ADDRESS,REASON.
    """
    try:
        text = sys.stdin.buffer.read() if file == "-" else _octets(file)
    except OSError as error:
        raise Stop(Exit.NO_INPUT, f"{file}: {error.strerror}") from None
    now = _now()
    end = _end(expires, now)
    found = _valid(lambda: imported(text.decode("utf-8", "replace"), reason, now, end))
    _add(found, now)
    click.echo(f"{len(found)} added")


@command.command()
@config_option
def export() -> None:
    """The list as lines of JSON, for `import` or another program."""
    click.echo(printed(_entries()), nl=False)


def _add(entries: list[Suppression], now: float) -> None:
    _change(lambda octets: with_entries(octets, entries, now))


def _valid(make: Callable[[], T]) -> T:
    try:
        return make()
    except InvalidSuppression as error:
        raise Stop(Exit.DATA, printable(str(error))) from None


def _change(edit: Callable[[bytes], bytes]) -> None:
    from asyncmta.admin.client import NotRunning, Refused  # noqa: PLC0415
    from asyncmta.system.rewriting import rewrite  # noqa: PLC0415

    path = _path()
    try:
        rewrite(path, edit)
    except InvalidSuppression as error:
        raise Stop(Exit.DATA, str(error)) from None
    except OSError as error:
        raise Stop(Exit.CANT_CREATE, f"{path}: cannot be written: {error.strerror}") from None
    try:
        control_client(timeout=5.0).post("/v1/suppressions/reload", {})
    except (NotRunning, Refused):
        return  # none runs here, or it will see it by itself


def _entries() -> list[Suppression]:
    path = _path()
    try:
        found = read(_octets(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Stop(Exit.NO_INPUT, f"{path}: {error.strerror}") from None
    if found.faults:
        click.echo(f"{path}: lines that cannot be read: {', '.join(map(str, found.faults))}", err=True)
    return sorted(found.entries, key=lambda each: each.address)


def _octets(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _path() -> str:
    from asyncmta.mta_doors import list_file  # noqa: PLC0415

    return list_file(load_settings())


def _now() -> float:
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415

    return SystemClock().now()


def _end(text: str | None, now: float) -> float:
    if text is None:
        return 0.0
    try:
        return now + Duration(1.0, 36500 * 86400.0).parse(text)
    except Unfit as error:
        raise Stop(Exit.USAGE, f"--expires: {error}") from None

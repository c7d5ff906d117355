"""`asyncmta trace`: the SMTP dialogue of live sessions as it happens, with clients and with sites, secrets masked.

A line for each line on a terminal, else the JSON lines of GET /v1/trace. Ends with Ctrl-C, --for or --limit, and then
with 0; a reader that is too slow loses events and is told, the MTA waits for nobody. 69: not running; 65: a filter that
is none; 75: too many look on already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.queue import ask
from asyncmta.cli.queue_source import running
from asyncmta.cli.trace_lines import pieces
from asyncmta.cli.where import config_option

TOO_MANY = 429


@click.command(name="trace")
@click.option("--client", metavar="NET|IP", help="Only sessions of these clients.")
@click.option("--listener", metavar="ROLE|ADDRESS:PORT", help="Only sessions at this listener.")
@click.option("--site", metavar="HOST|DOMAIN", help="Only our sessions to this host, or for recipients in this domain.")
@click.option("--sender", metavar="ADDRESS|@DOMAIN", help='Only transactions from here; "" is the null sender.')
@click.option("--recipient", metavar="ADDRESS|@DOMAIN", help="Only transactions with such a recipient.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many events.")
@click.option("--for", "seconds", metavar="TIME", help="End after this time: 90s, 10m, 4h.")
@click.option("--content", is_flag=True, help="Show the first 8 KiB of content, too, and not only its size.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, on a terminal too.")
@config_option
def command(*, as_json: bool, seconds: str | None, content: bool, **filters: str | int | None) -> None:
    """Look on at live SMTP sessions: what clients and sites say, and what we say.

    Passwords and tokens are never shown: not in AUTH, and not where a peer repeats them. Without a filter all sessions
    are shown; --client or --listener shows clients alone, --site alone our sessions to others. A sender or recipient
    shows one transaction, from its beginning on.
    """
    query = [(name, str(value)) for name, value in filters.items() if value is not None]
    query += [("for", seconds)] if seconds else []
    query += [("content", "true")] if content else []
    client = running()
    try:
        ask(lambda: _show(client, query, as_terminal=sys.stdout.isatty() and not as_json))
    except KeyboardInterrupt:
        return


def _show(client: ControlClient, query: list[tuple[str, str]], *, as_terminal: bool) -> None:
    try:
        lines = client.lines("/v1/trace", query)
        (_on_terminal if as_terminal else _as_they_are)(lines)
    except Refused as error:
        if error.status == TOO_MANY:
            raise Stop(Exit.TEMP_FAIL, str(error)) from None
        raise


def _as_they_are(lines: Iterator[bytes]) -> None:
    for line in lines:
        if line.strip():
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _on_terminal(lines: Iterator[bytes]) -> None:
    from rich.console import Console  # noqa: PLC0415 - for a quick start
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        if line.strip():
            event: dict[str, Any] = msgspec.json.decode(line)
            console.print(Text.assemble(*pieces(event)))

"""`asyncmta queue`: list, show, cat and stats, also of a stopped MTA; retry, hold, release and delete on a running one.

Off a terminal `list` and `stats` print tab-separated columns, with --json the same objects as the HTTP interface.
A change names its messages, or a filter, or --all: never nothing at all. 69: not running; 65: no such message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
import msgspec

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.admin.rows import STATES, Selection
from asyncmta.cli import queue_table
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.queue_source import running, said_no, source
from asyncmta.cli.where import config_option
from asyncmta.mail.address import InvalidAddress, domain_key

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

as_json_option = click.option("--json", "as_json", is_flag=True, help="As the HTTP interface has it.")


def now() -> float:
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415 - brings asyncio

    return SystemClock().now()


def ask(question: Callable[[], T]) -> T:
    """Ask the MTA; its errors are ends of the command."""
    try:
        return question()
    except NotRunning as error:
        raise Stop(Exit.UNAVAILABLE, f"not running: {error}") from None
    except Refused as error:
        raise said_no(error) from None


def domain_of(text: str | None) -> str | None:
    """Its normal form."""
    try:
        return domain_key(text) if text is not None else None
    except InvalidAddress as error:
        raise Stop(Exit.DATA, f"{text}: {error}") from None


@click.group(name="queue")
@config_option
def command() -> None:
    """See and change what is queued."""


@command.command(name="list")
@as_json_option
@click.option("--domain", help="Only with a recipient in this domain.")
@click.option("--sender", help="Only from this reverse-path; <> for the null one.")
@click.option("--state", type=click.Choice(STATES))
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, newest first.")
@config_option
def list_command(as_json: bool, domain: str | None, sender: str | None, state: str | None, limit: int | None) -> None:
    """Who waits, since when, for which next hop, the last reply, the next time."""
    selection = Selection(domain_of(domain), sender, state)
    rows = ask(lambda: list(source().rows(selection, limit)))
    if as_json:
        click.echo(msgspec.json.encode({"messages": rows}))
        return
    at = now()
    queue_table.show(queue_table.COLUMNS, (queue_table.cells(row, at) for row in rows), terminal=sys.stdout.isatty())


@command.command(name="show")
@click.argument("queue_id", metavar="ID")
@as_json_option
@config_option
def show_command(queue_id: str, as_json: bool) -> None:
    """One message and each of its recipients."""
    row = ask(lambda: source().row(queue_id))
    if as_json:
        click.echo(msgspec.json.encode(row))
        return
    for line in queue_table.details(row, now()):
        click.echo(line)


@command.command(name="cat")
@click.argument("queue_id", metavar="ID")
@config_option
def cat_command(queue_id: str) -> None:
    """The content of one message as it will be sent."""

    def copy() -> None:
        for chunk in source().content(queue_id):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    ask(copy)


@command.command(name="stats")
@as_json_option
@config_option
def stats_command(as_json: bool) -> None:
    """Counts and oldest age by state and destination."""
    found = ask(lambda: source().stats())
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    head = ("kind", "name", "messages", "oldest")
    queue_table.show(head, queue_table.counts(found, now()), terminal=sys.stdout.isatty())
    for reason in found.get("paused", ()):
        click.echo(reason, err=True)


def selecting(command: F) -> F:
    """ID..., --domain, --sender, --all: which messages a change is for; they reach it as `chosen`."""
    for option in (
        config_option,
        as_json_option,
        click.option("--all", "everything", is_flag=True, help="Every message."),
        click.option("--sender", help="All from this reverse-path; <> for the null one."),
        click.option("--domain", help="All with a recipient in this domain."),
        click.argument("ids", nargs=-1, metavar="ID..."),
    ):
        command = option(command)
    return command


def selected(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The selection as the HTTP interface takes it."""
    ids, everything = list(chosen["ids"]), chosen["everything"]
    filters = {key: chosen[key] for key in ("domain", "sender") if chosen[key] is not None}
    if sum((bool(ids), bool(filters), everything)) != 1:
        raise click.UsageError("name messages by ID, or use --domain and --sender, or --all: one of the three")
    return filters or ({"all": True} if everything else {"ids": ids})


def change(verb: str, chosen: Mapping[str, Any], **more: bool) -> None:
    """Have it done, and say to how many."""
    selection = selected(chosen)
    found = ask(lambda: running().post(f"/v1/queue/{verb}", selection | more))
    click.echo(msgspec.json.encode(found) if chosen["as_json"] else f"{found['count']} messages")
    if found["count"] < len(set(selection.get("ids", ()))):
        raise Stop(Exit.DATA, "some of them are not queued, or not in a state for this")


@command.command(name="retry")
@selecting
def retry_command(**chosen: Any) -> None:
    """Try them now."""
    change("retry", chosen)


@command.command(name="hold")
@selecting
def hold_command(**chosen: Any) -> None:
    """Keep them, and try nothing until they are released."""
    change("hold", chosen)


@command.command(name="release")
@selecting
def release_command(**chosen: Any) -> None:
    """Let go what was held."""
    change("release", chosen)


@command.command(name="delete")
@click.option("--bounce", is_flag=True, help="Report it to the sender as failed.")
@click.option("--yes", is_flag=True, help="With --all: yes, everything.")
@selecting
def delete_command(bounce: bool, yes: bool, **chosen: Any) -> None:
    """Take them out of the queue; an attempt that runs ends first."""
    if chosen["everything"] and not yes:
        raise click.UsageError("--all deletes every message in the queue: say --yes, too")
    change("delete", chosen, bounce=bounce)

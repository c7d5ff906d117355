"""`asyncmta queue`: list, show, cat and stats, also of a stopped MTA; retry, hold, release and delete on a running one.

Off a terminal `list` and `stats` print tab-separated columns, with --json the same objects as the HTTP interface.
A change names its messages, or filters, or --all: never nothing at all; --dry-run counts them.
69: not running; 65: no such message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
import msgspec

from asyncmta.admin.client import NotRunning, Refused
from asyncmta.admin.rows import STATES, Selection, age
from asyncmta.cli import bulk, completing, queue_table
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.queue_source import no_answer, running, said_no, source
from asyncmta.cli.where import config_option
from asyncmta.mail.address import InvalidAddress, domain_key

FILTERS = ("domain", "sender", "recipient", "state", "min_age", "max_age", "reply")

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
        raise no_answer(error) from None
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
    """See and change what is queued.

    list, show, cat and stats work while the MTA is stopped, too: they read its spool. What changes the queue names
    messages by ID, by filters (a message has to pass all of them), or by --all; --dry-run says for how many.
    """


class Age(click.ParamType[float]):
    """A duration as "90s", "20m", "4h", "5d"; in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return age(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _named(name: str, metavar: str, complete: completing.Complete, about: str) -> Callable[[F], F]:
    return click.option(f"--{name}", metavar=metavar, shell_complete=complete, help=about)


def filtering(command: F) -> F:
    """The filters that a listing and a change have in common."""
    for option in (
        click.option("--reply", metavar="TEXT", help="With this in a last reply, or with this enhanced code."),
        click.option("--max-age", type=Age(), help="Accepted at most so long ago: 90s, 20m, 4h, 5d."),
        click.option("--min-age", type=Age(), help="Accepted at least so long ago."),
        click.option("--state", type=click.Choice(STATES), help="In this state."),
        _named("recipient", "ADDRESS", completing.recipients, "With this recipient, not done yet."),
        _named("sender", "ADDRESS", completing.senders, "From this reverse-path; <> for the null one."),
        _named("domain", "DOMAIN", completing.domains, "With a recipient in this domain."),
    ):
        command = option(command)
    return command


@command.command(name="list")
@as_json_option
@filtering
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most so many, the newest first.")
@config_option
def list_command(as_json: bool, limit: int | None, **filters: Any) -> None:
    """Who waits, for what, since when, and what was said last.

    A table on a terminal; elsewhere columns with tabs between them, without a head: id, state, age, attempts, size,
    sender, recipients, next hop, next attempt, last reply.
    """
    at = now()
    youngest, oldest = filters["min_age"], filters["max_age"]
    selection = Selection(
        domain=domain_of(filters["domain"]),
        sender=filters["sender"],
        state=filters["state"],
        recipient=filters["recipient"],
        reply=filters["reply"],
        since=at - oldest if oldest is not None else None,
        until=at - youngest if youngest is not None else None,
    )
    rows = ask(lambda: list(source().rows(selection, limit)))
    if as_json:
        click.echo(msgspec.json.encode({"messages": rows}))
        return
    terminal = sys.stdout.isatty()
    if terminal and not rows:
        click.echo("nothing is queued" + (" that passes these filters" if selection != Selection() else ""))
        return
    queue_table.show(queue_table.COLUMNS, (queue_table.cells(row, at) for row in rows), terminal=terminal)


@command.command(name="show")
@click.argument("queue_id", metavar="ID", shell_complete=completing.ids)
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
@click.argument("queue_id", metavar="ID", shell_complete=completing.ids)
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
    """Counts and oldest age by state and next hop."""
    found = ask(lambda: source().stats())
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    head = ("kind", "name", "messages", "oldest")
    queue_table.show(head, queue_table.counts(found, now()), terminal=sys.stdout.isatty())
    for reason in found.get("paused", ()):
        click.echo(reason, err=True)


def selecting(command: F) -> F:
    """ID..., the filters, --all: which messages a change is for; they reach it as `chosen`."""
    command = click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completing.ids)(command)
    for option in (
        config_option,
        as_json_option,
        click.option("--dry-run", is_flag=True, help="Say for how many it would be, and do nothing."),
        click.option("--all", "everything", is_flag=True, help="Every message."),
    ):
        command = option(command)
    return filtering(command)


def selected(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The selection as the HTTP interface takes it."""
    ids, everything = list(chosen["ids"]), chosen["everything"]
    filters = {key: chosen[key] for key in FILTERS if chosen[key] is not None}
    for key in ("min_age", "max_age"):
        if key in filters:
            filters[key] = f"{filters[key]:.0f}s"
    if sum((bool(ids), bool(filters), everything)) != 1:
        raise click.UsageError("name messages by ID, or by --domain, --sender and the like, or --all: one of the three")
    return filters or ({"all": True} if everything else {"ids": ids})


def change(verb: str, chosen: Mapping[str, Any], **more: bool) -> None:
    """Have it done, and say to how many."""
    selection = selected(chosen)
    is_dry = chosen["dry_run"]
    more |= {"dry_run": True} if is_dry else {}
    count = ask(lambda: bulk.carry_out(running(), verb, selection, more))
    said = f"{count} messages" + (", if it were done" if is_dry else "")
    click.echo(msgspec.json.encode({"count": count}) if chosen["as_json"] else said)
    if count < len(set(selection.get("ids", ()))):
        raise Stop(Exit.DATA, "some of them are not queued, or not in a state for this")


@command.command(name="retry")
@selecting
def retry_command(**chosen: Any) -> None:
    """Try messages now, whenever they are due.

    Also where a site is backed off, and whoever is to go later.
    """
    change("retry", chosen)


@command.command(name="hold")
@selecting
def hold_command(**chosen: Any) -> None:
    """Keep messages, and try nothing until they are released.

    An attempt that runs ends first.
    """
    change("hold", chosen)


@command.command(name="release")
@selecting
def release_command(**chosen: Any) -> None:
    """Let messages go that were held; they are due at once."""
    change("release", chosen)


@command.command(name="delete")
@click.option("--bounce", is_flag=True, help="Report them to their senders as failed.")
@click.option("--yes", is_flag=True, help="With --all: yes, everything.")
@selecting
def delete_command(bounce: bool, yes: bool, **chosen: Any) -> None:
    """Take messages out of the queue, for good.

    An attempt that runs ends first. The sender is told with --bounce only.
    """
    if chosen["everything"] and not (yes or chosen["dry_run"]):
        raise click.UsageError("--all deletes every message in the queue: say --yes, too")
    change("delete", chosen, bounce=bounce)

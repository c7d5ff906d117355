"""`asyncmta why ID|ADDRESS`: what became of a message so far, what is next, and which rule or limit decides.

A table on a terminal, else the JSON of GET /v1/why. Promises: nothing is changed, and nobody is asked but the running
MTA. 69: not running (`queue show` reads the spool of one that is stopped); 65: no such message.
"""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from asyncmta.cli import queue_table
from asyncmta.cli.completing import ids_or_people
from asyncmta.cli.queue import ask, now
from asyncmta.cli.queue_source import running
from asyncmta.cli.where import config_option
from asyncmta.cli.words import duration, octets, printable

PAGE = 100
COLUMNS = ("recipient", "state", "next", "decided by", "why", "next hop", "last reply")


@click.command(name="why")
@click.argument("asked", metavar="ID|ADDRESS", shell_complete=ids_or_people)
@click.option("--json", "as_json", is_flag=True, help="As the HTTP interface has it, on a terminal too.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many messages."
)
@config_option
def command(asked: str, *, as_json: bool, limit: int) -> None:
    """Say why a message is not gone yet: what happened, what is next, and which rule or limit decides.

    With an address: all queued messages that it sent or is to get, the newest first, and what would become of a new
    one to it.
    """
    found = ask(lambda: _found(asked, limit))
    if as_json or not sys.stdout.isatty():
        click.echo(msgspec.json.encode(found))
        return
    at = now()
    for story in found["messages"]:
        for line in heading(story, at):
            click.echo(printable(line))
        queue_table.show(COLUMNS, (cells(person, at) for person in story["recipients"]), terminal=True)
        click.echo()
    for line in epilogue(asked, found):
        click.echo(printable(line))


def _found(asked: str, limit: int) -> Any:
    """All pages of an address together: one may be short, since each looks at so many messages only."""
    client = running()
    if "@" not in asked:
        return client.get("/v1/why", [("id", asked)])
    query = [("address", asked), ("limit", str(min(limit, PAGE)))]
    found: dict[str, Any] = client.get("/v1/why", query)
    messages, following = found["messages"], found["next"]
    while following is not None and len(messages) < limit:
        more = client.get("/v1/why", [*query, ("cursor", following)])
        messages, following = messages + more["messages"], more["next"]
    return found | {"messages": messages[:limit], "next": following}


def heading(story: dict[str, Any], at: float) -> list[str]:
    """What is said of the message itself."""
    sender, size = story["sender"] or "<>", octets(story["size"])
    came = f", from {story['client']}" if story["client"] else ""
    login = f" as {story['login']}" if story["login"] else ""
    lines = [
        f"{story['queue_id']}  {story['state']}  from {sender}, {size}",
        f"accepted {duration(at - story['accepted_at'])} ago{came}{login}; {story['attempts']} attempts",
    ]
    if story["ends_at"] is not None:
        lines.append(f"its lifetime ends in {duration(story['ends_at'] - at)}")
    if story["sender_was_warned"]:
        lines.append("its sender was told that it is late")
    if story["reason"]:
        lines.append(story["reason"])
    return lines


def cells(person: dict[str, Any], at: float) -> list[str]:
    """One recipient as the cells of COLUMNS."""
    due, last = person["next_due"], person["last"]
    when = "-" if due is None else f"in {duration(due - at)}" if due > at else "now"
    said = "-"
    if last is not None:
        place = f" ({last['host']})" if last["host"] else ""
        said = last["reply"] + place
    return [
        person["address"],
        person["state"],
        when,
        person["decided_by"] or "-",
        person["why"] or "-",
        person["next_hop"] or "-",
        said,
    ]


def epilogue(asked: str, found: dict[str, Any]) -> list[str]:
    """What there is beside messages."""
    lines = []
    if not found["messages"]:
        lines.append(f"nothing is queued from or for {asked}: the log says what became of what was")
    if found["next"] is not None:
        lines.append("there are more: see --limit")
    if (route := found["route"]) is not None:
        lines.append(f"a new message to {route['recipient']}:")
        lines += [f"  {rule}" for rule in route["rules"]]
        lines += [f"  exchanger: {exchanger}" for exchanger in route["exchangers"]]
    return lines

"""What a shell offers for a word that is being typed: queue ids, domains, addresses and next hops of the running MTA.

Promises: an answer within a second or so, of a few hundred messages at most; where nobody answers there is nothing to
offer, and no complaint into somebody's half-typed line. Only words that a shell takes as they are: an address that a
peer chose can never become a command. Never: a change; nor the spool of a stopped MTA, whose reading may take a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.admin.rows import cursor_behind
from asyncmta.cli.words import printable

PATIENCE = 0.7  # seconds for each wait
LOOKED_AT = "300"  # messages
ID_LENGTH = 16
LAST_LETTER = "z"  # of queue ids: no id with this beginning is above one that goes on with it
_TAKEN_AS_IS = re.compile(r"[\w.@+=:/-]+")

Item = CompletionItem[str]
Complete = Callable[[click.Context, click.Parameter, str], list[Item]]
Query = list[tuple[str, str]]


def ids(ctx: click.Context, _: click.Parameter, typed: str) -> list[Item]:
    """Ids of messages, the newest first, each with whom it is from and for; of held ones to release."""
    typed = typed.lower()
    query: Query = [("limit", LOOKED_AT), *([("state", "held")] if ctx.info_name == "release" else [])]
    if typed.isascii() and typed.isalnum() and len(typed) < ID_LENGTH:
        query.append(("cursor", cursor_behind(typed.ljust(ID_LENGTH, LAST_LETTER))))
    already = ctx.params.get("ids") or ()
    found = [row for row in _messages(ctx, query) if row["queue_id"] not in already]
    return _offered(((row["queue_id"], _about(row)) for row in found), typed)


def of_messages(names: Callable[[dict[str, Any]], Iterable[str | None]]) -> Complete:
    """What `names` finds in messages, each once."""

    def complete(ctx: click.Context, _: click.Parameter, typed: str) -> list[Item]:
        rows = _messages(ctx, [("limit", LOOKED_AT)])
        found = dict.fromkeys(name for row in rows for name in names(row) if name)
        return _offered(((name, "") for name in found), typed)

    return complete


def _addresses(row: dict[str, Any]) -> list[str]:
    return [person["address"] for person in row["recipients"]]


domains = of_messages(lambda row: [address.rpartition("@")[2] for address in _addresses(row)])
recipients = of_messages(_addresses)
senders = of_messages(lambda row: [row["sender"]])
people = of_messages(lambda row: [row["sender"], *_addresses(row)])
_hops = of_messages(lambda row: [person["next_hop"] for person in row["recipients"]])


def ids_or_people(ctx: click.Context, param: click.Parameter, typed: str) -> list[Item]:
    """For `why`."""
    return ids(ctx, param, typed) + people(ctx, param, typed)


def to_pause(ctx: click.Context, param: click.Parameter, typed: str) -> list[Item]:
    """NAME of `pause`."""
    complete = {"site": _hops, "domain": domains}.get(ctx.params.get("what", ""))
    return complete(ctx, param, typed) if complete is not None else []


def to_resume(ctx: click.Context, _: click.Parameter, typed: str) -> list[Item]:
    """NAME of `resume`: what is paused."""
    found = _asked(ctx, "/v1/pauses", [])
    names = found.get(f"{ctx.params.get('what')}s", ()) if isinstance(found, Mapping) else ()
    return _offered(((name, "") for name in names), typed)


def _messages(ctx: click.Context, query: Query) -> list[dict[str, Any]]:
    found = _asked(ctx, "/v1/queue", query)
    return found["messages"] if isinstance(found, Mapping) else []


def _asked(ctx: click.Context, path: str, query: Query) -> Any:
    """What the MTA answers; None when there is nothing to be had."""
    from asyncmta.cli.where import config_file  # noqa: PLC0415 - which imports us
    from asyncmta.config import InvalidConfig  # noqa: PLC0415
    from asyncmta.config_posting import read_posting  # noqa: PLC0415

    try:
        with ctx.scope(cleanup=False):
            socket = read_posting(config_file()).socket
        return ControlClient(socket, timeout=PATIENCE).get(path, query)
    except (NotRunning, Refused, InvalidConfig, OSError):
        return None


def _about(row: dict[str, Any]) -> str:
    people = _addresses(row)
    more = f" +{len(people) - 1}" if len(people) > 1 else ""
    return printable(f"{row['state']}: {row['sender'] or '<>'} to {people[0] if people else '-'}{more}")


def _offered(found: Iterable[tuple[str, str]], typed: str) -> list[Item]:
    return [
        CompletionItem(value, help=about or None)
        for value, about in found
        if value.startswith(typed) and _TAKEN_AS_IS.fullmatch(value)
    ]

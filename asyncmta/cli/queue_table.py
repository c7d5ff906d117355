"""The queue as people read it: a table on a terminal, plain columns elsewhere. Pure but for rich's own terminal.

Promises: one message is one line of the list; nothing that a peer sent moves the cursor or is taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from asyncmta.cli.words import duration, octets, printable

Shown = dict[str, Any]

COLUMNS = ("id", "state", "age", "tries", "size", "sender", "recipients", "next hop", "next", "last reply")


def cells(row: Shown, now: float) -> list[str]:
    """One message as the cells of COLUMNS."""
    people = row["recipients"]
    hops = list(dict.fromkeys(person["next_hop"] for person in people if person["next_hop"]))
    replies = [person["last_reply"] for person in people if person["last_reply"]]
    dues = [person["next_due"] for person in people if person["next_due"] is not None]
    return [
        row["queue_id"],
        row["state"],
        duration(now - row["accepted_at"]),
        str(row["attempts"]),
        octets(row["size"]),
        row["sender"] or "<>",
        _some([person["address"] for person in people]),
        _some(hops),
        _due(min(dues), now) if dues else "-",
        replies[0] if replies else row["reason"] or "-",
    ]


def details(row: Shown, now: float) -> list[str]:
    """One message as lines, with each of its recipients."""
    lines = [
        f"id          {row['queue_id']}",
        f"state       {row['state']}",
        f"sender      {row['sender'] or '<>'}",
        f"size        {octets(row['size'])} ({row['size']})",
        f"accepted    {stamp(row['accepted_at'])}, {duration(now - row['accepted_at'])} ago",
        f"attempts    {row['attempts']}",
    ]
    if row["reason"]:
        lines.append(f"reason      {row['reason']}")
    for person in row["recipients"]:
        lines.append(f"recipient   {person['address']}: {person['state']}")
        if person["next_hop"]:
            lines.append(f"  next hop  {person['next_hop']}")
        if person["last_reply"]:
            lines.append(f"  reply     {person['last_reply']}")
        if person["next_due"] is not None:
            lines.append(f"  next try  {stamp(person['next_due'])}, {_due(person['next_due'], now)}")
    return [printable(line) for line in lines]


def counts(stats: Shown, now: float) -> list[list[str]]:
    """The stats as rows of kind, name, messages, age of the oldest."""
    rows = [["all", "", str(stats["messages"]), _age(stats["oldest_accepted_at"], now)]]
    for kind in ("states", "destinations"):
        for name, group in stats[kind].items():
            rows.append([kind[:-1], name, str(group["messages"]), _age(group["oldest_accepted_at"], now)])
    return rows


def show(head: Sequence[str], rows: Iterable[Sequence[str]], *, terminal: bool) -> None:
    """Print the rows: a table that fits on a terminal, else columns with tabs between them."""
    if not terminal:
        for row in rows:
            print("\t".join(printable(cell) for cell in row))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it

    from asyncmta.cli.fitted_table import lines  # noqa: PLC0415

    console = Console()
    for line in lines(head, [[printable(cell) for cell in row] for row in rows], console.width):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def stamp(at: float) -> str:
    """Local time with its zone."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _some(names: Sequence[str]) -> str:
    if not names:
        return "-"
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def _due(at: float, now: float) -> str:
    return f"in {duration(at - now)}" if at > now else "now"


def _age(since: float | None, now: float) -> str:
    return "-" if since is None else duration(now - since)

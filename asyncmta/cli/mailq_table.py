"""The queue as `mailq` has shown it since Berkeley, in the columns of Postfix: what scripts read. Pure.

Promises: `Mail queue is empty` or, at the end, `-- N Kbytes in N Requests.`; a `*` behind an id for what is being
tried, a `!` for what is held; nothing that a peer sent can move the cursor. Never: the time zone (`stamp` is given).

peers.md 3.7; postqueue(1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from asyncmta.cli.words import printable

EMPTY = "Mail queue is empty"
HEAD = "-Queue ID-        --Size-- ----Arrival Time---- -Sender/Recipient-------"
MARKS = {"active": "*", "held": "!"}
_WIDTH = 76
_INDENT = " " * 49


def lines(rows: Iterable[dict[str, Any]], stamp: Callable[[float], str]) -> Iterator[str]:
    """Of rows as JSON has them; `stamp`: a time as `Sun Nov 22 07:10:10`."""
    count = octets = 0
    for row in rows:
        if not count:
            yield HEAD
        count += 1
        octets += row["size"]
        yield from _message(row, stamp)
        yield ""
    if count:
        yield f"-- {octets // 1024} Kbytes in {count} Request{'' if count == 1 else 's'}."
    else:
        yield EMPTY


def _message(row: dict[str, Any], stamp: Callable[[float], str]) -> Iterator[str]:
    mark = MARKS.get(row["state"], "")
    sender = row["sender"] or "MAILER-DAEMON"
    yield printable(f"{row['queue_id'] + mark:<17} {row['size']:>8} {stamp(row['accepted_at']):<20} {sender}")
    said = None
    for person in row["recipients"]:
        reason = person["last_reply"] or row["reason"]
        if reason and reason != said:
            yield printable(f"({reason})").rjust(_WIDTH)
            said = reason
        yield _INDENT + printable(person["address"])

"""A change to many messages, some hundred at a time: a progress bar on a terminal, and a count whatever ends it.

The messages are looked up first and then named, the oldest first, so that no request takes longer than the patience of
a client, and an interrupted command can say how far it came. Promises: what arrives meanwhile is left alone. Never: a
decision about which messages; that is the filters'.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.cli.exits import INTERRUPTED, Exit, Stop
from asyncmta.cli.queue_source import said_no
from asyncmta.mail.envelope import format_queue_id, parse_queue_id

PAGE = 2_000  # messages of a look
AT_ONCE = 500  # messages of a change

Shows = Callable[[int, int | None], None]  # how many are done, of how many


def carry_out(client: ControlClient, verb: str, selection: Mapping[str, Any], more: Mapping[str, bool]) -> int:
    """Have it done to all that are meant; to how many it was."""
    if more.get("dry_run") or (verb == "retry" and "all" in selection):  # one look, or none, at the whole queue
        found = client.post(f"/v1/queue/{verb}", {**selection, **more})
        return int(found["count"])
    done, ids = 0, None
    try:
        with bar(verb) as shows:
            ids = spelled(selection["ids"]) if "ids" in selection else named(client, selection, shows)
            for at in range(0, len(ids), AT_ONCE):
                chunk = ids[at : at + AT_ONCE]
                done += client.post(f"/v1/queue/{verb}", {"ids": chunk, **more})["count"]
                shows(at + len(chunk), len(ids))
    except KeyboardInterrupt:
        raise Stop(INTERRUPTED, f"interrupted: {_so_far(done, ids)}") from None
    except (NotRunning, Refused) as error:
        if not done:
            raise
        end = said_no(error) if isinstance(error, Refused) else Stop(Exit.UNAVAILABLE, f"not running: {error}")
        raise Stop(end.code, f"{end.message}\n{_so_far(done, ids)}") from None
    return done


def _so_far(done: int, ids: list[str] | None) -> str:
    if ids is None:
        return "nothing was done"
    left = min(AT_ONCE, len(ids) - done)
    return f"{done} of {len(ids)} messages were done" + (
        f", and up to {left} may be that were just asked for" * bool(left)
    )


def spelled(texts: list[str]) -> list[str]:
    """Ids in their one spelling, each once; stops at one that is none, before anything is done."""
    try:
        return list(dict.fromkeys(format_queue_id(parse_queue_id(text)) for text in texts))
    except ValueError as error:
        raise Stop(Exit.DATA, str(error)) from None


def named(client: ControlClient, selection: Mapping[str, Any], shows: Shows) -> list[str]:
    """The ids that the filters find, the oldest first."""
    filters = [(name, str(value)) for name, value in selection.items() if name != "all"]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = [*filters, ("limit", str(PAGE)), *([("cursor", cursor)] if cursor is not None else [])]
        page = client.get("/v1/queue", query)
        found += [row["queue_id"] for row in page["messages"]]
        shows(len(found), None)
        cursor = page["next"]
        if cursor is None:
            return found[::-1]


@contextmanager
def bar(verb: str) -> Iterator[Shows]:
    """On standard error, where that is a terminal; without a total they are still being looked up."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("looking", total=None)

        def shows(done: int, total: int | None) -> None:
            progress.update(task, description="looking" if total is None else verb, completed=done, total=total)

        yield shows

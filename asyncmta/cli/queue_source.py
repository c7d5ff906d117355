"""Where the `queue` commands get what they show: from the running MTA, or from the spool of a stopped one.

Promises: both give the same JSON shape; the spool of a stopped MTA is read and never written, not even its lock. What
only a running MTA knows (a next hop, a due time) is null off-line. Never: a change; those need the running MTA.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Protocol

import click

from asyncmta.admin.client import ControlClient, NotAllowed, NotRunning, Refused
from asyncmta.admin.rows import Selection, Shown
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.where import load_settings

PAGE = 10_000


class QueueSource(Protocol):
    """What can be looked at."""

    def rows(self, selection: Selection, limit: int | None) -> Iterable[Shown]: ...
    def row(self, queue_id: str) -> Shown: ...
    def content(self, queue_id: str) -> Iterator[bytes]: ...
    def stats(self) -> Shown: ...


class RunningQueue:
    """Over the control socket."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def rows(self, selection: Selection, limit: int | None) -> Iterator[Shown]:
        filters = [
            (key, value)
            for key, value in (
                ("domain", selection.domain),
                ("sender", selection.sender),
                ("state", selection.state),
                ("recipient", selection.recipient),
                ("reply", selection.reply),
                ("max_age", _age(selection.since)),
                ("min_age", _age(selection.until)),
            )
            if value is not None
        ]
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            query = [*filters, ("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
            found = self._client.get("/v1/queue", query)
            yield from found["messages"]
            cursor = found["next"]
            if cursor is None:
                return
            left = None if left is None else left - len(found["messages"])

    def row(self, queue_id: str) -> Shown:
        found: Shown = self._client.get(f"/v1/queue/{queue_id}")
        return found

    def content(self, queue_id: str) -> Iterator[bytes]:
        return self._client.stream(f"/v1/queue/{queue_id}/content")

    def stats(self) -> Shown:
        found: Shown = self._client.get("/v1/queue/stats")
        return found


def _age(at: float | None) -> str | None:
    """How long ago, for the running MTA, which counts from its own time."""
    if at is None:
        return None
    from asyncmta.system.clock import SystemClock  # noqa: PLC0415 - brings asyncio

    return f"{max(0.0, SystemClock().now() - at):.0f}s"


def running() -> ControlClient:
    """For changes; stops with 69 when nobody answers."""
    client = ControlClient(load_settings().admin.socket)
    try:
        client.get("/livez")
    except NotRunning as error:
        raise no_answer(error, "not running, and this needs it to be") from None
    except Refused:
        pass  # it is not well, and may still do what it is asked
    return client


def source() -> QueueSource:
    """The running MTA if it answers, else its spool."""
    settings = load_settings()
    client = ControlClient(settings.admin.socket)
    try:
        client.get("/livez")
    except NotAllowed as error:
        raise no_answer(error) from None
    except NotRunning:
        from asyncmta.cli.queue_spool import SpooledQueue  # noqa: PLC0415 - only a stopped MTA needs it

        if sys.stderr.isatty():
            click.echo("not running: this is what its spool says", err=True)
        return SpooledQueue(settings)
    except Refused:
        pass
    return RunningQueue(client)


def no_answer(error: NotRunning, what: str = "not running") -> Stop:
    """That nobody answered, or that we may not ask, as the end of a command."""
    if isinstance(error, NotAllowed):
        return Stop(Exit.NO_PERMISSION, f"{error}; ask as the user that the MTA runs as, or as root")
    return Stop(Exit.UNAVAILABLE, f"{what}: {error}")


def said_no(error: Refused) -> Stop:
    """What the MTA refused, as the end of a command."""
    return Stop(Exit.DATA if error.status < 500 else Exit.TEMP_FAIL, str(error))

"""`mailq` and `sendmail -q`: the queue as lines, of a running MTA or of its spool; and everything tried now.

77 where only others may look (the control socket is its owner's), 69 when a change needs the MTA and nobody answers.
Never: the columns (`mailq_table`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.admin.rows import Selection
from asyncmta.cli import mailq_table
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.queue_source import RunningQueue, said_no
from asyncmta.cli.sendmail_flags import Call
from asyncmta.config_posting import Posting


def show(file: str | None, posting: Posting) -> None:
    """Print what waits, newest first."""
    try:
        for line in mailq_table.lines(_rows(file, posting), _stamp):
            print(line)
    except NotRunning as error:
        raise Stop(Exit.TEMP_FAIL, str(error)) from None
    except Refused as error:
        raise said_no(error) from None


def _rows(file: str | None, posting: Posting) -> Iterable[dict[str, Any]]:
    client = ControlClient(posting.socket)
    try:
        client.get("/livez")
    except NotRunning:
        may_look(posting)
        from asyncmta.cli.queue_spool import SpooledQueue  # noqa: PLC0415 - only a stopped MTA needs it
        from asyncmta.config import Settings  # noqa: PLC0415

        return SpooledQueue(Settings.load(file)).rows(Selection(), None)
    except Refused:
        pass  # it is not well, and may still say what it has
    return RunningQueue(client).rows(Selection(), None)


def flush(call: Call, posting: Posting) -> None:
    """Try what waits, or what the flag names, now."""
    selection: dict[str, Any] = {}
    if call.selection is not None:
        key, value = call.selection
        selection = {"ids": [value]} if key == "id" else {key: value}
    try:
        ControlClient(posting.socket).post("/v1/queue/retry" if "ids" in selection else "/v1/queue/flush", selection)
    except NotRunning as error:
        may_look(posting)
        raise Stop(Exit.UNAVAILABLE, f"not running: {error}") from None
    except Refused as error:
        raise said_no(error) from None


def may_look(posting: Posting) -> None:
    """77 where the socket, or the journal of a stopped MTA, is not ours."""
    for path in (posting.socket, os.path.join(posting.spool, "journal")):
        if os.path.exists(path) and not os.access(path, os.R_OK):
            raise Stop(Exit.NO_PERMISSION, f"{path}: only its owner may look at the queue")


def _stamp(at: float) -> str:
    """Local time as ctime(3) has it, without the year."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at, UTC).astimezone().ctime()[:19]

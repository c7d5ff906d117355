"""One event of a trace as a line for people, in pieces with a style each. Pure.

`<` is what the peer said and `>` what we said, whoever of the two is the client. Promises: nothing that a peer sent can
move the cursor. Never: colours by name of a terminal; those are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncmta.cli.words import printable

ARROWS = {"peer": "<", "us": ">"}
STYLES = {"peer": "green", "us": "cyan"}
_OF_KIND = {"dropped": "bold red", "end": "dim", "content": "dim", "close": "yellow", "connect": "yellow"}
WIDTH = 6  # of a session's name: "i12345"


def pieces(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Texts and their styles, in their order."""
    at = datetime.fromtimestamp(event["time"], tz=UTC).astimezone()
    sent_by, kind = event.get("sent_by", ""), event["kind"]
    style = _OF_KIND.get(kind) or STYLES.get(sent_by, "yellow")
    line = printable(event["line"])
    if sent_by and line[:1] in ("4", "5") and line[1:3].isdigit():
        style = "red"
    found = [
        (f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} ", "dim"),
        (f"{event.get('session') or '-':<{WIDTH}} ", "magenta" if event.get("direction") == "out" else "blue"),
        (f"{ARROWS.get(sent_by, '*')} ", style),
        (line if kind in ("line", "content") else f"{kind}: {line}", style),
    ]
    if event.get("queue_id") and line[:4] == "MAIL":
        found.append((f"  [{event['queue_id']}]", "dim"))
    return found

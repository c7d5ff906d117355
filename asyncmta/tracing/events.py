"""What somebody who looks on is told, one event at a time, and octets of peers as text that no terminal obeys. Pure.

Promises: a line of an event has no control character and no line end, whatever a peer sent; it is never longer than
LONGEST letters. Never: a secret; `masking` has taken them out before.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LONGEST = 2000

Kind = Literal["line", "content", "connect", "tls", "close", "note", "dropped", "end"]


class Session(Struct, frozen=True):
    """What is known of a session from its beginning: `direction` "in" is one that a client opened, "out" one of ours;
    `place` the role and address of a listener, or the name of a site. `names`: all that a site is called by."""

    id: str
    direction: Literal["in", "out"]
    ip: str
    port: int
    place: str
    role: str = ""
    names: frozenset[str] = frozenset()


class TraceEvent(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a dialogue, or what became of its session. `time`: Unix seconds. `session`: "i7", or "o7" for one of
    ours; `direction`: who opened it, "in" a client, "out" we; `sent_by`: of a line, "peer" or "us". `kind`: "line",
    "content" (asked for by content=true), "connect", "tls", "close", "note"; "dropped" when events were lost to a slow
    reader, as `count` says; "end" with the reason for which this is the last one."""

    time: float
    kind: Kind
    line: str
    session: str = ""
    direction: str = ""
    sent_by: str = ""
    ip: str = ""
    port: int = 0
    listener: str = ""
    site: str = ""
    queue_id: str = ""
    count: int = 0


def as_text(octets: bytes) -> str:
    """What was sent, to be read: octets that are no text, or would move a cursor, as `\\x1b` and the like."""
    text = octets[: 4 * LONGEST].decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else _spelled(letter) for letter in text)
    if len(text) > LONGEST:
        return f"{text[:LONGEST]}... (of {len(octets)} octets)"
    return text


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")

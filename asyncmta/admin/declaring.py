"""What a path of the HTTP interface is declared with: its parameters, bodies and answers. Pure.

Promises: a declaration is a value, of which the router, the OpenAPI document and the page of the documentation are
made. Never: a path; those are in `paths`.

contract.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from asyncmta.admin.shapes import Age, State

MOST_ROWS = 10_000
USUAL_ROWS = 100
MOST_STORIES = 100
USUAL_STORIES = 20
DROP_FILE = "application/vnd.asyncmta.drop"  # a message with its envelope: `inbound/drop_file`
MESSAGE = "message/rfc822"
JSON = "application/json"
OCTETS = "octets"  # a body that is no JSON

Kind = Any  # a type that msgspec knows


class Parameter(Struct, frozen=True):
    """One key of a query, or a piece of the path. `kind`: its type; `repeated`: it may come several times."""

    name: str
    about: str
    kind: Kind = str
    required: bool = False
    repeated: bool = False


class Path(Struct, frozen=True):
    """`headers`: fields of the request that are looked at. `bodies`: by content type, the type of what may be sent, or
    OCTETS; `answers`: by status the type of the JSON, or OCTETS with its content types in `content`. `verb` is handed
    to the operation where several paths share one."""

    method: str
    path: str
    operation: str
    about: str
    answers: Mapping[int, Kind]
    query: tuple[Parameter, ...] = ()
    bodies: Mapping[str, Kind] = {}
    verb: str = ""
    content: tuple[str, ...] = (JSON,)
    needs_body: bool = True
    headers: tuple[Parameter, ...] = ()

    @property
    def has_id(self) -> bool:
        return "{id}" in self.path

    @property
    def placed(self) -> tuple[Parameter, ...]:
        """The pieces of the path that are values."""
        return tuple(each for each in PLACED if f"{{{each.name}}}" in self.path)


ID = Parameter(
    "id",
    "The queue id.",
    Annotated[str, Meta(pattern="^[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{16}$")],
    required=True,
)
ADDRESS = Parameter("address", 'An address, or "@domain".', Annotated[str, Meta(min_length=1)], required=True)
PLACED = (ID, ADDRESS)
Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS)]

PAGING = (
    Parameter("limit", f"At most so many, {USUAL_ROWS} if it is not said.", Limit),
    Parameter("cursor", "The `next` of the page before."),
)
FILTERS = (
    Parameter("domain", "Only with a recipient in this domain that is not done."),
    Parameter("sender", "Only from this reverse-path; `<>` is the null one."),
    Parameter("recipient", "Only with this recipient, not done yet."),
    Parameter("state", "held, deferred, ready, active or damaged.", State),
    Parameter("min_age", 'Accepted at least so long ago: "90s", "20m", "4h", "5d".', Age),
    Parameter("max_age", "Accepted at most so long ago.", Age),
    Parameter("reply", 'A piece of a last reply, as in "over quota", or its enhanced code, as in "4.2.2".'),
)
REPORTS = (
    Parameter("notify", "NOTIFY of RFC 3461 for all recipients."),
    Parameter("ret", "RET of RFC 3461: FULL or HDRS."),
    Parameter("envid", "ENVID of RFC 3461, in xtext."),
    Parameter("verp", "1: each recipient gets a reverse-path of his own."),
)
TRACEPARENT = Parameter("traceparent", "The trace that the message is to belong to, as W3C Trace Context has it.")

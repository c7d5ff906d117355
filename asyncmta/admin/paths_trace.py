"""The path of those who look on: a part of the declarations in `paths`. Pure.

docs/trace.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from asyncmta.admin.declaring import Parameter, Path
from asyncmta.admin.shapes import Age
from asyncmta.tracing.events import TraceEvent

NDJSON = "application/x-ndjson"
_Name = Annotated[str, Meta(min_length=1, max_length=1000)]

TRACE = (
    Path(
        "GET",
        "/v1/trace",
        "trace",
        "The dialogue of live sessions as it happens, secrets masked: a JSON object a line, and an empty line when "
        "nothing has happened for a while.",
        {200: TraceEvent},
        (
            Parameter("client", "Only sessions of clients in this network, or at this address.", _Name),
            Parameter("listener", 'Only sessions at this listener: its role, or "ADDRESS:PORT".', _Name),
            Parameter("site", "Only our sessions to this host or address, or for recipients in this domain.", _Name),
            Parameter("sender", 'Only transactions from this address, or "@domain"; `<>` is the null one.'),
            Parameter("recipient", 'Only transactions with this recipient, or "@domain".', _Name),
            Parameter("content", "true: with the first octets of content.", bool),
            Parameter("limit", "End after so many events.", Annotated[int, Meta(ge=1)]),
            Parameter("for", 'End after this time: "90s", "20m", "4h".', Age),
        ),
        content=(NDJSON,),
    ),
)

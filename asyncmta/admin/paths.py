"""The paths of the HTTP interface, declared once: the router is made of them, and so is the OpenAPI document. Pure.

Promises: what is not here is not served; a query key that is not here is refused. Never: what a path does; that is the
method with the name of its `operation`, of `api.Api` or of a file beside it.

contract.md section 4.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from asyncmta.admin.declaring import (
    DROP_FILE,
    FILTERS,
    ID,
    JSON,
    MESSAGE,
    MOST_STORIES,
    OCTETS,
    PAGING,
    REPORTS,
    TRACEPARENT,
    USUAL_ROWS,
    USUAL_STORIES,
    Parameter,
    Path,
)
from asyncmta.admin.paths_life import LIFE, SUPPRESSIONS
from asyncmta.admin.paths_trace import TRACE
from asyncmta.admin.shapes import (
    Bulk,
    Count,
    Flush,
    Health,
    Mailbox,
    MessageShown,
    NewMessage,
    QueueCounts,
    QueuePage,
    Route,
    Sites,
    Story,
    Taken,
    Why,
)
from asyncmta.admin.view_shapes import STEP, Lines, Log, Number, Rates, SettingsShown, SiteNamed, Steps

_ALL = {JSON: Bulk}

PATHS = (
    Path("GET", "/livez", "livez", "Is the process to be kept? Needs no token.", {200: Health, 503: Health}),
    Path("GET", "/readyz", "readyz", "May mail be sent here now? Needs no token.", {200: Health, 503: Health}),
    Path("GET", "/v1/openapi.json", "openapi", "This document.", {200: dict[str, Any]}),
    Path("GET", "/v1/queue", "queue", "The queue, the newest first.", {200: QueuePage}, FILTERS + PAGING),
    Path("GET", "/v1/queue/stats", "stats", "Counts and oldest age by state and next hop.", {200: QueueCounts}),
    Path("GET", "/v1/queue/{id}", "show", "One message.", {200: MessageShown}),
    Path("GET", "/v1/queue/{id}/history", "history", "One message with all that is known of it.", {200: Story}),
    Path(
        "GET",
        "/v1/queue/{id}/content",
        "content",
        "The content of a message as it will be sent.",
        {200: OCTETS},
        content=(MESSAGE,),
    ),
    Path(
        "DELETE",
        "/v1/queue/{id}",
        "delete",
        "Take a message out of the queue; an attempt that runs ends first.",
        {200: Count},
        (Parameter("bounce", "true: report it to the sender as failed.", bool),),
    ),
    Path(
        "POST",
        "/v1/queue/flush",
        "flush",
        "Try now what waits, all of it or what the filters name.",
        {200: Count},
        bodies={JSON: Flush},
        needs_body=False,
    ),
    Path("POST", "/v1/queue/retry", "bulk", "Try messages now.", {200: Count}, bodies=_ALL, verb="retry"),
    Path("POST", "/v1/queue/hold", "bulk", "Try messages no more.", {200: Count}, bodies=_ALL, verb="hold"),
    Path("POST", "/v1/queue/release", "bulk", "Let held messages go.", {200: Count}, bodies=_ALL, verb="release"),
    Path("POST", "/v1/queue/delete", "bulk", "Take messages out.", {200: Count}, bodies=_ALL, verb="delete"),
    Path("POST", "/v1/queue/{id}/retry", "single", "Try a message now.", {200: Count}, verb="retry"),
    Path("POST", "/v1/queue/{id}/hold", "single", "Try a message no more.", {200: Count}, verb="hold"),
    Path("POST", "/v1/queue/{id}/release", "single", "Let a held message go.", {200: Count}, verb="release"),
    Path(
        "POST",
        "/v1/messages",
        "submit",
        "Hand in a message: as it is with its envelope in the query, or as JSON. 202 when it is durable.",
        {202: Taken},
        (
            Parameter("from", "The reverse-path; none, or empty, is the null one."),
            Parameter("to", "A recipient.", Mailbox, repeated=True),
            *REPORTS,
        ),
        {MESSAGE: OCTETS, JSON: NewMessage, DROP_FILE: OCTETS},
        headers=(TRACEPARENT,),
    ),
    Path(
        "GET",
        "/v1/why",
        "why",
        "What became of a message so far, what is next, and which rule or limit decides: by id, or by an address that "
        "is its sender or a recipient.",
        {200: Why},
        (
            Parameter("id", "A queue id.", ID.kind),
            Parameter("address", "An address.", Mailbox),
            Parameter(
                "limit",
                f"At most so many messages of an address, {USUAL_STORIES} if it is not said.",
                Annotated[int, Meta(ge=1, le=MOST_STORIES)],
            ),
            PAGING[1],
        ),
    ),
    Path(
        "GET",
        "/v1/rates",
        "rates",
        "What happened in each of the last seconds, ten seconds or minutes, and how it stands now.",
        {200: Rates},
        (
            Parameter("step", "Seconds in a step: 1 (ten minutes of them), 10 (an hour) or 60 (a day).", STEP),
            Parameter("limit", "At most so many steps, the last ones; all if it is not said.", Steps),
        ),
    ),
    Path(
        "GET",
        "/v1/log",
        "log",
        "The last lines of the log, as they were written: at most the last thousand.",
        {200: Log},
        (
            Parameter("limit", f"At most so many, the last ones; {USUAL_ROWS} if it is not said.", Lines),
            Parameter("after", "Only those behind this number: `last` of an answer before.", Number),
            Parameter("queue_id", "Only those about this message.", ID.kind),
            Parameter("event", "Only this event: accepted, delivered, deferred, ..."),
        ),
    ),
    Path("GET", "/v1/settings", "settings", "Every key in force, and where it came from.", {200: SettingsShown}),
    Path("GET", "/v1/sites", "sites", "The sites that are known just now.", {200: Sites}),
    Path(
        "POST",
        "/v1/sites/retry",
        "retry_site",
        "Try now what waits for a site, also while it is suspended.",
        {200: Count},
        bodies={JSON: SiteNamed},
    ),
    Path(
        "GET",
        "/v1/route",
        "route",
        "What would become of a recipient; nothing is sent.",
        {200: Route},
        (
            Parameter("recipient", "The address.", Mailbox, required=True),
            Parameter("sender", "The reverse-path; `<>` is the null one."),
            Parameter("client", "The IP address of who would send it."),
            Parameter("login", "As whom the client would have logged in."),
        ),
    ),
    *LIFE,
    *SUPPRESSIONS,
    *TRACE,
)

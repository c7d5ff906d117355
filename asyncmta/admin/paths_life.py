"""The paths about the MTA itself and about the suppression list: a part of the declarations in `paths`. Pure.

docs/life.md, docs/suppression.md.
"""

from __future__ import annotations

from asyncmta.admin.declaring import JSON, OCTETS, PAGING, Path
from asyncmta.admin.shapes import Count
from asyncmta.admin.shapes_life import (
    Added,
    HandOver,
    HandOverShown,
    Pause,
    Pauses,
    Reloaded,
    Resume,
    SuppressionPage,
    SuppressionShown,
)

METRICS = ("text/plain", "application/openmetrics-text")

LIFE = (
    Path("GET", "/metrics", "metrics", "For Prometheus. Needs no token.", {200: OCTETS}, content=METRICS),
    Path(
        "POST",
        "/v1/reload",
        "reload",
        "Read the settings again; with a fault nothing is changed, and all faults are named.",
        {200: Reloaded},
    ),
    Path("GET", "/v1/pauses", "pauses", "What is paused.", {200: Pauses}),
    Path(
        "POST",
        "/v1/pause",
        "steer",
        "Take no more mail, begin no attempt, or none to a site or domain.",
        {200: Pauses},
        bodies={JSON: Pause},
        verb="pause",
    ),
    Path("POST", "/v1/resume", "steer", "Pause it no more.", {200: Pauses}, bodies={JSON: Resume}, verb="resume"),
    Path(
        "GET",
        "/v1/drain",
        "progress",
        "How the hand-over of the queue stands; 404: none.",
        {200: HandOverShown},
    ),
    Path(
        "POST",
        "/v1/drain",
        "drain",
        "Take no more mail, and hand the whole queue to another relay.",
        {202: HandOverShown},
        bodies={JSON: HandOver},
    ),
    Path("DELETE", "/v1/drain", "end_drain", "Go back to the routes, and take mail again.", {200: Pauses}),
)

SUPPRESSIONS = (
    Path("GET", "/v1/suppressions", "suppressions", "Who gets no mail.", {200: SuppressionPage}, PAGING),
    Path(
        "POST",
        "/v1/suppressions",
        "suppress",
        "Add addresses, or whole domains.",
        {201: Count},
        bodies={JSON: Added},
    ),
    Path("POST", "/v1/suppressions/reload", "read_again", "The file was changed by somebody else.", {200: Count}),
    Path("GET", "/v1/suppressions/{address}", "suppressed", "One entry.", {200: SuppressionShown}),
    Path("DELETE", "/v1/suppressions/{address}", "unsuppress", "Take an entry away.", {200: Count}),
)

"""The JSON of what an operator looks at for a while: rates, the log, the settings in force. Pure.

Promises: as those of `shapes`. Never: a value of a running MTA.

docs/web.md, docs/api.md.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

STEP = Literal[1, 10, 60]
MOST_STEPS = 1440

Counted = list[int]
Measured = list[float | None]


class Standing(Struct, forbid_unknown_fields=True):
    """How it is now: messages by state, when the oldest was accepted, sessions."""

    queue: dict[str, int]
    oldest_accepted_at: float | None
    sessions_in: int
    sessions_out: int


class Rates(Struct, forbid_unknown_fields=True):
    """One entry for each step of about `step` seconds in every list, the oldest first; `times` is when a step ended and
    `seconds` how long it really was. Counts are of that step alone: messages that were `accepted`, with so many
    `recipients`; refusals; recipients delivered, deferred and failed. `queue` and sessions are as at its end. `p50` to
    `p99`: seconds from acceptance to delivery of who was delivered in it; `sync`: the mean of its batches; `lag`: how
    late the loop was at worst. null: there was none."""

    step: int
    at: float
    now: Standing
    times: list[float]
    seconds: list[float]
    accepted: Counted
    recipients: Counted
    refused: Counted
    delivered: Counted
    deferred: Counted
    failed: Counted
    queue: Counted
    sessions_in: Counted
    sessions_out: Counted
    p50: Measured
    p95: Measured
    p99: Measured
    sync: Measured
    lag: Measured


class LogLine(Struct, forbid_unknown_fields=True):
    """`number` counts from the start of the process; `facts` are the keys of the line."""

    number: int
    facts: dict[str, Any]


class Log(Struct, forbid_unknown_fields=True):
    """Lines, the oldest first. `last` is what to ask for as `after` the next time; `missed`: so many came since then
    and are kept no more."""

    lines: list[LogLine]
    last: int
    missed: int


class SettingShown(Struct, forbid_unknown_fields=True):
    """A key in force: secrets are masked. `source`: "default", "file", "environment" (then `variable` names it) or
    "program". `needs_restart`: another value would; `waits_for_restart`: another value has been read and does."""

    key: str
    value: Any
    source: str
    variable: str | None
    needs_restart: bool
    waits_for_restart: bool


class SettingsShown(Struct, forbid_unknown_fields=True):
    """Every key, in the order of config.toml, as `route.0.via`; `file`: null where none was read."""

    file: str | None
    settings: list[SettingShown]


class SiteNamed(Struct, forbid_unknown_fields=True):
    """A site, as `GET /v1/sites` has its `key`."""

    key: Annotated[str, Meta(min_length=1, max_length=1000)]


Lines = Annotated[int, Meta(ge=1, le=1000)]
Number = Annotated[int, Meta(ge=0, le=2**53)]
Steps = Annotated[int, Meta(ge=1, le=MOST_STEPS)]

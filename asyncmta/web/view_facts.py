"""What the pages of rates, log and settings show: columns as lines of a table, facts as texts. Pure.

Promises: a table has what its plot has, over the same time, in at most `MOST_LINES` lines; every fact of a log line is
there that says anything. Never: an escape, and nothing is left out for being odd; templates make it visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

RANGES = {1: "10 minutes", 10: "1 hour", 60: "1 day"}
"""By the length of a step in seconds."""
MOST_LINES = 30
SUMS = ("accepted", "refused", "delivered", "deferred", "failed")
WORST = ("p50", "p95", "p99", "sync", "lag")
LINKED = frozenset({"queue_id", "dsn"})
_HEAD = frozenset({"ts", "level", "event"})

Columns = Mapping[str, Any]


class StepLine(Struct, frozen=True):
    """Some steps together. `sums`: how many in a second; `worst`: of the steps, None where there was none; `queue`: at
    the end."""

    at: float
    sums: Mapping[str, float]
    queue: int
    worst: Mapping[str, float | None]


class LogRow(Struct, frozen=True):
    """A line of the log; `facts` in its order, `is_message`: the value is the id of a message."""

    number: int
    stamp: str
    level: str
    event: str
    facts: list[tuple[str, str, bool]]


class SettingRow(Struct, frozen=True):
    """A key. `source`: where its value came from, in words."""

    key: str
    value: str
    source: str
    origin: str
    needs_restart: bool
    waits_for_restart: bool


def step_of(text: str) -> int:
    """What a query says of the range; ten minutes where that is nothing that there is."""
    return next((step for step in RANGES if str(step) == text), 1)


def step_lines(columns: Columns) -> list[StepLine]:
    """The newest first."""
    count = len(columns["times"])
    together = max(1, -(-count // MOST_LINES))
    ends = range(count, 0, -together)
    return [_line(columns, slice(max(0, end - together), end)) for end in ends]


def _line(columns: Columns, part: slice) -> StepLine:
    seconds = sum(columns["seconds"][part]) or 1.0
    worst: dict[str, float | None] = {}
    for name in WORST:
        worst[name] = max((value for value in columns[name][part] if value is not None), default=None)
    sums = {name: sum(columns[name][part]) / seconds for name in SUMS}
    return StepLine(columns["times"][part][-1], sums, columns["queue"][part][-1], worst)


def log_rows(lines: Iterable[tuple[int, Mapping[str, Any]]]) -> list[LogRow]:
    """The newest first."""
    rows = [
        LogRow(
            number=number,
            stamp=shown(facts.get("ts", "")),
            level=shown(facts.get("level", "")),
            event=shown(facts.get("event", "")),
            facts=[
                (key, shown(value), key in LINKED) for key, value in facts.items() if key not in _HEAD and value != ""
            ],
        )
        for number, facts in lines
    ]
    return rows[::-1]


def setting_rows(told: Mapping[str, Any], text: str, origin: str) -> list[SettingRow]:
    """Those with this text in the key or value, in any spelling, and from there ("" for all)."""
    wanted = text.lower()
    found = []
    for each in told["settings"]:
        value = toml(each["value"])
        is_meant = wanted in each["key"].lower() or wanted in value.lower()
        if is_meant and origin in ("", each["source"]):
            found.append(
                SettingRow(
                    key=each["key"],
                    value=value,
                    source=each["variable"] or each["source"],
                    origin=each["source"],
                    needs_restart=each["needs_restart"],
                    waits_for_restart=each["waits_for_restart"],
                )
            )
    return found


def shown(value: object) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def toml(value: object) -> str:
    """As config.toml has it, which for all kinds of values there is JSON."""
    return msgspec.json.encode(value).decode()


def seconds(value: float | None) -> str:
    """`3 ms`, `1.25 s`, `4 min`, `2.1 h`; a dash for none."""
    if value is None:
        return "–"
    for unit, length in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if value >= length:
            return f"{value / length:.3g} {unit}"
    return f"{value * 1000:.3g} ms"


def per_second(value: float) -> str:
    return "0" if not value else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def busy_first(sites: Sequence[Any], text: str, *, only_suspended: bool) -> list[Any]:
    """Those whose name or host or destination has this text; the suspended ones first, then where most waits."""
    wanted = text.lower()
    found = [
        each
        for each in sites
        if (each.suspended_until is not None or not only_suspended)
        and (not wanted or any(wanted in name.lower() for name in (each.key, *each.hosts, *each.destinations)))
    ]
    return sorted(found, key=lambda each: (each.suspended_until is None, -each.waiting, -each.sessions, each.key))

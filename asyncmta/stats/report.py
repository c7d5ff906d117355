"""What the facts of a time add up to, as values: `draw` asks the database for each part.

Promises: every figure is exact, percentiles too (nearest rank); lists are the largest first, equal ones by name; memory
does not grow with what is counted, only with `top` and MAX_HOURS. Never: how it looks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

from msgspec import Struct

from asyncmta.stats.database import Database
from asyncmta.stats.lines import Kind

MAX_HOURS = 10_000  # the latest; forged stamps could make more
PERCENTILES = (50, 90, 99)
_END = 1 << 62

_ACCEPTED, _DELIVERED, _DEFERRED = Kind.ACCEPTED, Kind.DELIVERED, Kind.DEFERRED
_FAILED, _EXPIRED, _REFUSED, _ATTEMPT = Kind.FAILED, Kind.EXPIRED, Kind.REFUSED, Kind.ATTEMPT

# Counted by number first; the names are looked up afterwards, of the groups only.
_DOMAINS = f"""SELECT text, delivered, deferred, failed, expired, spent, longest FROM (
    SELECT name, sum(kind = {_DELIVERED:d}) AS delivered, sum(kind = {_DEFERRED:d}) AS deferred,
        sum(kind = {_FAILED:d}) AS failed, sum(kind = {_EXPIRED:d}) AS expired,
        sum(number) FILTER (WHERE kind = {_DELIVERED:d}) AS spent,
        max(number) FILTER (WHERE kind = {_DELIVERED:d}) AS longest
    FROM fact WHERE at >= ? AND at < ? AND kind IN ({_DELIVERED:d}, {_DEFERRED:d}, {_FAILED:d}, {_EXPIRED:d})
    GROUP BY name) AS counted JOIN word ON word.id = counted.name
    ORDER BY delivered DESC, deferred + failed + expired DESC, text LIMIT ?"""  # noqa: S608 - the numbers are ours
_SENDERS = f"""SELECT text, messages, recipients, octets FROM (
    SELECT name, count(*) AS messages, sum(recipients) AS recipients, sum(number) AS octets
    FROM fact WHERE at >= ? AND at < ? AND kind = {_ACCEPTED:d} GROUP BY name) AS counted
    JOIN word ON word.id = counted.name ORDER BY messages DESC, text LIMIT ?"""  # noqa: S608
_CLIENTS = f"""SELECT text, times FROM (
    SELECT name, count(*) AS times FROM fact WHERE at >= ? AND at < ? AND kind = {_REFUSED:d} GROUP BY name) AS counted
    JOIN word ON word.id = counted.name ORDER BY times DESC, text LIMIT ?"""  # noqa: S608
_DESTINATIONS = f"""SELECT text, attempts, recipients, spent FROM (
    SELECT name, count(*) AS attempts, sum(recipients) AS recipients, sum(number) AS spent
    FROM fact WHERE at >= ? AND at < ? AND kind = {_ATTEMPT:d} GROUP BY name) AS counted
    JOIN word ON word.id = counted.name ORDER BY attempts DESC, text LIMIT ?"""  # noqa: S608
_CAUSES = """SELECT cause, status, class, text, times FROM (
    SELECT reason, count(*) AS times FROM fact WHERE at >= ? AND at < ? AND kind IN (?, ?) GROUP BY reason) AS counted
    JOIN reason ON reason.id = counted.reason ORDER BY times DESC, cause, status, class, text LIMIT ?"""
_HOURS = f"""SELECT at / 3600000 AS hour, sum(kind = {_ACCEPTED:d}), sum(kind = {_DELIVERED:d}),
    sum(kind = {_DEFERRED:d}), sum(kind IN ({_FAILED:d}, {_EXPIRED:d})), sum(kind = {_REFUSED:d})
    FROM fact WHERE at >= ? AND at < ? GROUP BY hour ORDER BY hour DESC LIMIT ?"""  # noqa: S608


class Window(Struct, frozen=True):
    """Milliseconds since 1970; from `since` on, and before `until`. None: no limit."""

    since: int | None = None
    until: int | None = None

    @property
    def limits(self) -> tuple[int, int]:
        return (-1 if self.since is None else self.since), (_END if self.until is None else self.until)


class Total(Struct, frozen=True):
    """How many lines, and how many recipients they are about."""

    lines: int = 0
    recipients: int = 0


class Delay(Struct, frozen=True):
    """Seconds from accepted to delivered, of all that was delivered; None where nothing was."""

    deliveries: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


class Domain(Struct, frozen=True):
    """Of one recipient domain: how many recipients, and seconds from accepted to delivered."""

    domain: str
    delivered: int
    deferred: int
    failed: int
    expired: int
    mean_delay: float | None
    max_delay: float | None


class Cause(Struct, frozen=True):
    """Why, and how often. `cause` is the stage where it is about refusals."""

    cause: str
    enhanced: str
    reply_class: str
    text: str
    times: int


class Sender(Struct, frozen=True):
    sender: str
    messages: int
    recipients: int
    octets: int


class Client(Struct, frozen=True):
    client: str
    refused: int


class Destination(Struct, frozen=True):
    destination: str
    attempts: int
    recipients: int
    mean_seconds: float


class Hour(Struct, frozen=True):
    """`hour` in UTC; accepted are messages, refused are replies, the others recipients. `failed` is with expired."""

    hour: str
    accepted: int
    delivered: int
    deferred: int
    failed: int
    refused: int


class Report(Struct, frozen=True):
    """All of it. `first` and `last` are the times of what is counted."""

    first: str | None
    last: str | None
    totals: dict[str, Total]
    octets: int
    delay: Delay
    domains: list[Domain]
    failures: list[Cause]
    deferrals: list[Cause]
    refusals: list[Cause]
    senders: list[Sender]
    clients: list[Client]
    destinations: list[Destination]
    hours: list[Hour]


def draw(database: Database, window: Window, top: int) -> Report:
    """The report of this time, with at most `top` of each."""
    with database.snapshot():
        return _draw(database, window, top)


def _draw(database: Database, window: Window, top: int) -> Report:
    limits = window.limits
    totals = {kind.name.lower(): Total() for kind in Kind}
    octets, first, last = 0, _END, -1
    query = """SELECT kind, count(*), sum(recipients), sum(number), min(at), max(at) FROM fact
        WHERE at >= ? AND at < ? GROUP BY kind"""
    for kind, lines, recipients, number, start, end in database.rows(query, limits):
        totals[Kind(kind).name.lower()] = Total(lines, recipients)
        first, last = min(first, start), max(last, end)
        octets = number if kind == Kind.ACCEPTED else octets
    asked = (*limits, top)
    return Report(
        first=stamp(first) if last >= 0 else None,
        last=stamp(last) if last >= 0 else None,
        totals=totals,
        octets=octets,
        delay=_delay(database, limits, totals["delivered"].lines),
        domains=_domains(database, asked),
        failures=_causes(database, (Kind.FAILED, Kind.EXPIRED), asked),
        deferrals=_causes(database, (Kind.DEFERRED,), asked),
        refusals=_causes(database, (Kind.REFUSED,), asked),
        senders=[Sender(*row) for row in database.rows(_SENDERS, asked)],
        clients=[Client(*row) for row in database.rows(_CLIENTS, asked)],
        destinations=[
            Destination(name, attempts, recipients, round(spent / attempts / 1000, 3))
            for name, attempts, recipients, spent in database.rows(_DESTINATIONS, asked)
        ],
        hours=_hours(database, limits),
    )


def stamp(at: int) -> str:
    """As the log has it."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def _delay(database: Database, limits: tuple[int, int], count: int) -> Delay:
    if not count:
        return Delay()
    ranks = [ceil(count * percent / 100) for percent in PERCENTILES]
    found: list[float] = []
    seen = spent = longest = 0
    query = (
        """SELECT number, count(*) FROM fact WHERE at >= ? AND at < ? AND kind = ? GROUP BY number ORDER BY number"""
    )
    for number, times in database.rows(query, (*limits, int(Kind.DELIVERED))):
        seen += times
        spent += number * times
        longest = number
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(number / 1000)
    p50, p90, p99 = found
    return Delay(count, round(spent / count / 1000, 3), p50, p90, p99, longest / 1000)


def _domains(database: Database, asked: tuple[int, int, int]) -> list[Domain]:
    return [
        Domain(
            name or "",
            delivered,
            deferred,
            failed,
            expired,
            round(spent / delivered / 1000, 3) if delivered else None,
            longest / 1000 if delivered else None,
        )
        for name, delivered, deferred, failed, expired, spent, longest in database.rows(_DOMAINS, asked)
    ]


def _causes(database: Database, kinds: tuple[Kind, ...], asked: tuple[int, int, int]) -> list[Cause]:
    since, until, top = asked
    values: tuple[Any, ...] = (since, until, int(kinds[0]), int(kinds[-1]), top)
    return [Cause(*row) for row in database.rows(_CAUSES, values)]


def _hours(database: Database, limits: tuple[int, int]) -> list[Hour]:
    found = database.rows(_HOURS, (*limits, MAX_HOURS))
    return [Hour(stamp(hour * 3_600_000)[:13] + "Z", *counts) for hour, *counts in found][::-1]

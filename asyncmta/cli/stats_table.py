"""What `asyncmta stats` shows to people: a report as sections of rows, for a terminal and for a pipe. Pure.

Promises: nothing that a peer said can move the cursor (the printing sees to that); hours are the latest SHOWN_HOURS,
and the report as JSON has them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncmta.cli.words import octets
from asyncmta.stats.report import Cause, Report

SHOWN_HOURS = 48


class Section(NamedTuple):
    title: str
    head: tuple[str, ...]
    rows: list[list[str]]


def sections(report: Report) -> list[Section]:
    """In the order in which they are shown; those with nothing to say are left out."""
    cause = ("times", "cause", "status", "reply", "text")
    hours = report.hours[-SHOWN_HOURS:]
    found = [
        Section("totals", ("what", "lines", "recipients"), _totals(report)),
        Section("delay from accepted to delivered", ("deliveries", "mean", "p50", "p90", "p99", "max"), _delay(report)),
        Section(
            "deliveries by domain",
            ("domain", "delivered", "deferred", "failed", "expired", "mean delay", "max delay"),
            [
                [
                    each.domain or "-",
                    *_numbers(each.delivered, each.deferred, each.failed, each.expired),
                    _seconds(each.mean_delay),
                    _seconds(each.max_delay),
                ]
                for each in report.domains
            ],
        ),
        Section("failures by reason", cause, _causes(report.failures)),
        Section("deferrals by cause", cause, _causes(report.deferrals)),
        Section("refused by reason", ("times", "stage", *cause[2:]), _causes(report.refusals)),
        Section(
            "refused clients", ("client", "refused"), [[each.client, str(each.refused)] for each in report.clients]
        ),
        Section(
            "senders",
            ("sender", "messages", "recipients", "size"),
            [[each.sender, *_numbers(each.messages, each.recipients), octets(each.octets)] for each in report.senders],
        ),
        Section(
            "attempts by destination",
            ("destination", "attempts", "recipients", "mean time"),
            [
                [each.destination, *_numbers(each.attempts, each.recipients), _seconds(each.mean_seconds)]
                for each in report.destinations
            ],
        ),
        Section(
            f"by hour (UTC{f', the last {SHOWN_HOURS}' if len(report.hours) > SHOWN_HOURS else ''})",
            ("hour", "accepted", "delivered", "deferred", "failed", "refused"),
            [
                [each.hour, *_numbers(each.accepted, each.delivered, each.deferred, each.failed, each.refused)]
                for each in hours
            ],
        ),
    ]
    return [section for section in found if section.rows]


def _totals(report: Report) -> list[list[str]]:
    rows = [[kind, *_numbers(total.lines, total.recipients)] for kind, total in report.totals.items() if total.lines]
    return [*rows, ["size accepted", octets(report.octets), ""]] if rows else []


def _delay(report: Report) -> list[list[str]]:
    delay = report.delay
    if not delay.deliveries:
        return []
    return [[str(delay.deliveries), *map(_seconds, (delay.mean, delay.p50, delay.p90, delay.p99, delay.max))]]


def _causes(causes: Sequence[Cause]) -> list[list[str]]:
    return [
        [str(each.times), each.cause or "-", each.enhanced or "-", each.reply_class or "-", each.text or "-"]
        for each in causes
    ]


def _numbers(*counts: int) -> list[str]:
    return [str(count) for count in counts]


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}s"

"""The figures of a whole log are those of a plain recount. A million deliveries with PEERS_LONG=1."""

from __future__ import annotations

import gzip
import os
from collections import Counter

import pytest
from logmaker import write
from recount import recount

from asyncmta.stats.database import Database
from asyncmta.stats.reading import Reader
from asyncmta.stats.report import Report, Window, draw
from asyncmta.stats.sources import Source

LONG = os.environ.get("PEERS_LONG") == "1"  # before tests/conftest.py takes such variables away
DELIVERIES = 1_000_000 if LONG else 20_000
TOP = 50


def as_recounted(report: Report) -> dict[str, object]:
    """The report in the form of the recount."""
    delay = report.delay
    causes = {
        name: Counter({(each.cause, each.enhanced, each.reply_class): 0 for each in found})
        for name, found in (
            ("deferrals", report.deferrals),
            ("failures", report.failures),
            ("refusals", report.refusals),
        )
    }
    for name, found in (("deferrals", report.deferrals), ("failures", report.failures), ("refusals", report.refusals)):
        for each in found:
            causes[name][each.cause, each.enhanced, each.reply_class] += each.times
    return {
        "percentiles": [delay.p50, delay.p90, delay.p99, delay.max],
        "domains": [(each.domain, each.delivered, each.deferred, each.failed, each.expired) for each in report.domains],
        "senders": [(each.sender, each.messages, each.octets) for each in report.senders],
        "clients": [(each.client, each.refused) for each in report.clients],
        "destinations": [(each.destination, each.attempts) for each in report.destinations],
        **{name: sorted(counts.items(), key=lambda item: (-item[1], item[0])) for name, counts in causes.items()},
        "hours": [
            (each.hour, each.accepted, each.delivered, each.deferred, each.failed, each.refused)
            for each in report.hours
        ],
    }


@pytest.mark.timeout(900)
def test_the_figures_are_those_of_a_plain_recount(tmp_path):
    path = tmp_path / "log.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        write(stream, DELIVERIES)
    database = Database()
    reader = Reader(database)
    source = Source.open(str(path))
    reader.read(source)
    source.close()
    report = draw(database, Window(), TOP)
    database.close()
    with gzip.open(path) as stream:
        plain = recount(stream, TOP)
    events = plain.pop("events")
    assert events["delivered"] == DELIVERIES
    assert {kind: total.lines for kind, total in report.totals.items() if total.lines} == {
        kind: times for kind, times in events.items() if kind not in ("retired", "loop_lags")
    }
    progress = reader.progress
    assert (progress.lines, progress.broken, progress.known) == (sum(events.values()), 0, 0)
    assert progress.other == events["retired"] + events["loop_lags"]
    assert as_recounted(report) == plain

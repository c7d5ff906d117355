"""What is counted and said of TLS, and what a policy may ask for."""

from __future__ import annotations

import itertools

import pytest

from asyncmta.delivery import tls_record
from asyncmta.delivery.tls_policy import LEVELS, Demand, raised
from asyncmta.delivery.tls_record import TlsRecord


class Notes:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    def note(self, level: str, event: str, **facts: object) -> None:
        assert facts["ip"] == "192.0.2.1"
        assert facts["reason"]
        self.said.append((level, event, str(facts["host"])))


def test_a_host_that_falls_back_is_in_the_log_once() -> None:
    notes = Notes()
    record = TlsRecord(notes.note)
    for _ in range(3):
        record.fell_back("a.example", "192.0.2.1", "454 no")
    record.fell_back("b.example", "192.0.2.1", "454 no")
    assert notes.said == [("warning", "tls_fallback", "a.example"), ("warning", "tls_fallback", "b.example")]
    assert record.fallbacks == 4
    record.secured("a.example", is_resumed=False)
    record.fell_back("a.example", "192.0.2.1", "454 no")
    assert len(notes.said) == 3


def test_a_host_that_no_longer_offers_it_is_in_the_log_once() -> None:
    notes = Notes()
    record = TlsRecord(notes.note)
    record.not_offered("never.example", "192.0.2.1")
    record.secured("a.example", is_resumed=True)
    record.not_offered("a.example", "192.0.2.1")
    record.not_offered("a.example", "192.0.2.1")
    assert notes.said == [("warning", "tls_dropped", "a.example")]
    assert (record.handshakes, record.resumed, record.fallbacks) == (1, 1, 0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_record, "MOST_HOSTS", 2)
    notes = Notes()
    record = TlsRecord(notes.note)
    for host in ("a", "b", "a", "c"):
        record.fell_back(host, "192.0.2.1", "x")
    record.fell_back("a", "192.0.2.1", "x")
    record.fell_back("b", "192.0.2.1", "x")
    assert [host for _, _, host in notes.said] == ["a", "b", "c", "b"]


def test_without_a_log() -> None:
    record = TlsRecord()
    record.fell_back("a.example", "192.0.2.1", "454 no")
    assert record.fallbacks == 1


@pytest.mark.parametrize(("level", "asked"), list(itertools.product(LEVELS, LEVELS)))
def test_a_demand_raises_and_never_lowers(level: str, asked: str) -> None:
    assert raised(level, Demand(asked)) == LEVELS[max(LEVELS.index(level), LEVELS.index(asked))]


def test_a_certificate_that_is_judged_has_to_come() -> None:
    judged = Demand(judge=lambda _: "")
    assert [raised(level, judged) for level in LEVELS] == ["require", "require", "require", "verify"]
    assert raised("none", Demand()) == "none"

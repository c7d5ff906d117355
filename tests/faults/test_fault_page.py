"""The fault table itself: that it is large enough, consistent, and what docs/server-faults.md shows."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

from tests.faults.fault_table import TABLE
from tests.faults.faulty_server import PROPER
from tests.faults.opening_table import OPENING
from tests.faults.words import Fault, Kind, Step, act

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_table_says() -> None:
    written = (ROOT / "docs" / "server-faults.md").read_text(encoding="utf-8")
    assert written == runpy.run_path(str(ROOT / ".ci" / "fault_page.py"))["page"](), "make docs"


def test_no_pair_stands_twice_and_there_are_enough() -> None:
    counted = Counter((pair.kind, pair.step, pair.fault) for pair in TABLE)
    assert [key for key, count in counted.items() if count > 1] == []
    assert len({(pair.step, pair.fault) for pair in TABLE}) >= 300
    assert {pair.step for pair in TABLE} == set(Step)
    assert {pair.kind for pair in TABLE} == set(Kind)
    assert {pair.fault for pair in TABLE} == set(Fault)


def test_whoever_fails_was_refused_for_good_in_its_place() -> None:
    for pair in TABLE:
        if "F" in pair.verdict.outcomes:
            assert pair not in OPENING
            assert 500 <= act(pair.fault, PROPER.get(pair.step, b"250 ok")).code < 600


def test_only_after_the_content_is_it_unknown_who_has_it() -> None:
    for pair in TABLE:
        if pair.verdict.may_be_duplicate:
            assert pair.step in {Step.DOT, Step.CONTENT} or pair.kind is Kind.CHUNKED
            assert not pair.verdict.next_host

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import format_queue_id
from asyncmta.spool.queue_ids import COUNTER_BITS, MAX_BOOT, QueueIds
from tests.unit.spool.spoolkit import JOURNAL


def test_an_id_is_tag_boot_and_counter() -> None:
    ids = QueueIds(JOURNAL, 7)
    first, second = ids.next(), ids.next()
    assert second == first + 1
    assert f"{first >> 56:06x}" == ids.tag
    assert first >> COUNTER_BITS & MAX_BOOT == 7
    assert first & (1 << COUNTER_BITS) - 1 == 0
    assert len(format_queue_id(first)) == 16


def test_the_tag_says_nothing_of_the_journal_id() -> None:
    assert QueueIds(JOURNAL, 1).tag not in JOURNAL.hex()
    assert QueueIds(JOURNAL, 1).tag != QueueIds(bytes(16), 1).tag


def test_a_counter_half_through_asks_for_the_next_boot_number_before_it_needs_it() -> None:
    ids = QueueIds(JOURNAL, 7)
    assert ids.boot() == 7
    half = 1 << COUNTER_BITS - 1
    ids._next += half - 1
    assert ids.boot() == 7
    ids.next()
    assert ids.boot() == 8
    ids._next += half - 1
    assert ids.next() >> COUNTER_BITS & MAX_BOOT == 7
    assert ids.boot() == 8
    assert ids.next() >> COUNTER_BITS & MAX_BOOT == 8


def test_there_is_an_end() -> None:
    ids = QueueIds(JOURNAL, MAX_BOOT - 1)
    assert ids.boot() == MAX_BOOT - 1
    ids._next += 1 << COUNTER_BITS - 1
    with pytest.raises(OverflowError):
        ids.boot()

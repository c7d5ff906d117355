"""Every prefix of a journal, flipped bits, blocks zeroed, swapped or doubled. J09 to J13.

Every 9th prefix, 2,400 bits and 1,200 blocks; every prefix, 100,000 bits and 20,000 blocks with CRASH_LONG=1.
"""

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import QueueId
from tests.crash.lab import damage
from tests.crash.lab.forms import LONG, SEED, check, pick
from tests.crash.lab.report import Row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 120)]


def test_every_prefix_flipped_bits_and_shuffled_blocks() -> None:
    stride, flips, blocks = pick(9, 1), pick(2400, 100_000), pick(1200, 20_000)
    prefixes, flipped, shuffled = damage.rows(0, 1, flips=flips, blocks=blocks, stride=stride, seed=SEED)
    assert prefixes.runs > 1000
    assert (flipped.runs, shuffled.runs) == (flips, blocks)
    for row in (prefixes, flipped, shuffled):
        check(row)


def test_an_octet_that_changed_in_what_is_given_out_is_caught() -> None:
    """The laboratory can fail."""
    (spool,) = damage.spools(1)
    queue_id = min(damage.look(spool.disk, spool.book).readable)
    spool.book.asked[queue_id] = spool.book.asked[queue_id][:-3] + b"?\r\n"
    row = Row("")
    damage.Breaking(spool, row).flips([(spool.last, 8 * len(spool.segments[spool.last]) - 1)])
    assert row.account.altered == [f"{queue_id:x}"]
    assert not row.is_clean


def test_a_message_that_is_gone_in_silence_is_caught() -> None:
    """The laboratory can fail."""
    (spool,) = damage.spools(1)
    breaking = damage.Breaking(spool, Row(""))
    unharmed = damage.look(spool.disk, spool.book)
    assert breaking.judged(unharmed).is_clean
    breaking.everything.add(QueueId(12345))
    assert breaking.judged(unharmed).lost == ["3039"]


def test_an_end_that_is_taken_for_damage_is_caught() -> None:
    """The laboratory can fail: with a segment missing in the middle, prefixes are damaged."""
    (spool,) = damage.spools(1)
    spool.disk.unlink(sorted(spool.segments)[1])
    row = Row("")
    damage.Breaking(spool, row).prefixes(stride=50)
    assert any("is taken for a damaged one" in fault for fault in row.account.faults)

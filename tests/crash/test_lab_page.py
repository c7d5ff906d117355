"""The table of `make crash`, put together from calls that ran apart."""

from __future__ import annotations

import pytest

from tests.crash.lab.collect import BEGIN, END, Place, Result, page_part, read, write_page
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row

KINDS = ("kills", "power", "sabotage")
HERE = Place("2026-11-22", "0123456789ab", "2 cores; a disk")


def result(kind: str = "kills", *, scale: float = 1.0, place: Place = HERE, lost: int = 0) -> Result:
    row = Row(f"the {kind}", 3, Account(acknowledged=1234, lost=["x"] * lost), counts={"carried": 5000}, seconds=61.0)
    return Result(kind, 7, scale, place, [row], [])


def test_what_was_collected_is_read_back_in_the_order_of_the_table(tmp_path) -> None:
    second, first = result("power"), result("kills")
    second.write(tmp_path)
    first.write(tmp_path)
    assert read(tmp_path, KINDS) == [first, second]


def test_the_page_has_date_commit_machine_table_and_notes() -> None:
    text = page_part([result(), result("sabotage", lost=1)], KINDS)
    assert text.startswith("2026-11-22, commit 0123456789ab. 2 cores; a disk. Seeds: kills 7, sabotage 7.\n")
    assert "| the kills | 3    | 1,234        | 0    | 0       | 0          | none        | 61 s |" in text
    assert "- the kills: 5,000 carried.\n- Not run: power." in text
    assert "With a sync left out on purpose" in text
    assert text.index("the kills |") < text.index("With a sync") < text.index("the sabotage |")


def test_a_kind_of_another_commit_or_length_is_marked() -> None:
    text = page_part(
        [result(), result("power", scale=0.05, place=Place("2026-11-23", "fedcba987654-dirty", "one"))], KINDS
    )
    assert "- power ran at 0.05 of its length." in text
    assert "- power ran on 2026-11-23, commit fedcba987654-dirty. one." in text


def test_only_what_stands_between_the_marks_is_written_anew(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_page([result()], KINDS, page=page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n\n2026-11-22")
    assert text.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in text
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="lost its marks"):
        write_page([result()], KINDS, page=page)


def test_sabotage_is_good_where_mail_was_lost_and_everything_else_where_none_was() -> None:
    assert result().is_good
    assert not result(lost=1).is_good
    assert result("sabotage", lost=1).is_good
    assert not result("sabotage").is_good

"""The suppression list as text and as a table."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.suppression import entries
from asyncmta.suppression.entries import (
    InvalidSuppression,
    Suppression,
    Suppressions,
    entry,
    imported,
    key_of_text,
    printed,
    read,
    with_entries,
    without,
)

NOW = 1000.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Bob@Example.ORG", "bob@example.org"),
        ('"bob"@example.org', "bob@example.org"),
        ("@Example.org", "@example.org"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
    ],
)
def test_one_form_for_each_address(text: str, key: str) -> None:
    assert key_of_text(text) == key


@pytest.mark.parametrize("text", ["bob", "@", "", "a b@example.org", "*@example.org@"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidSuppression, match="not an address"):
        key_of_text(text)


@pytest.mark.parametrize("reason", ["x" * 201, "a\nb"])
def test_a_reason_is_one_short_line(reason: str) -> None:
    with pytest.raises(InvalidSuppression, match="reason"):
        entry("a@b.example", reason)


def test_who_is_meant() -> None:
    table = Suppressions(
        [
            entry("bob@a.example", "asked"),
            entry("@b.example"),
            entry("ann@b.example", "over", expires=NOW),
            entry("eve@a.example", expires=NOW + 1),
        ]
    )
    assert len(table) == 4
    assert [each.address for each in table] == ["@b.example", "ann@b.example", "bob@a.example", "eve@a.example"]
    assert table.get("bob@a.example") == Suppression("bob@a.example", "asked")

    def of(text: str, now: float = NOW) -> str | None:
        found = table.of(parse_address(text), now)
        return None if found is None else found.address

    assert of("BOB@A.example") == "bob@a.example"
    assert of("x@a.example") is None
    assert of("x@sub.b.example") is None
    assert of("ann@b.example") == "@b.example"
    assert of("ann@b.example", NOW - 1) == "ann@b.example"
    assert (of("eve@a.example"), of("eve@a.example", NOW + 1)) == ("eve@a.example", None)
    assert Suppressions().of(parse_address("a@b.example"), NOW) is None


def test_a_file_and_back() -> None:
    octets = printed([entry("b@x.example", "ü", 1.0, 2.0), entry("a@x.example")])
    assert octets == (
        b'{"address":"a@x.example"}\n{"address":"b@x.example","reason":"\xc3\xbc","added":1.0,"expires":2.0}\n'
    )
    assert read(octets).entries == (entry("a@x.example"), entry("b@x.example", "ü", 1.0, 2.0))


def test_a_line_that_cannot_be_read_costs_itself_alone() -> None:
    octets = b'{"address":"a@x.example"}\n{"address":"a@x.exa\n\n\xff\n{"address":"nobody"}\n{"address":"@x.example"}\n'
    found = read(octets + b'{"address":"A@x.example","reason":"again"}\n')
    assert found.faults == (2, 4, 5)
    assert found.entries == (Suppression("a@x.example", "again"), Suppression("@x.example"))


def test_changes_leave_out_what_is_over() -> None:
    octets = printed([entry("old@x.example", expires=NOW), entry("a@x.example", "one")])
    changed = with_entries(octets, [entry("a@x.example", "two"), entry("b@x.example")], NOW)
    assert read(changed).entries == (entry("a@x.example", "two"), entry("b@x.example"))
    assert read(without(changed, ["a@x.example", "c@x.example"])).entries == (entry("b@x.example"),)


def test_a_list_with_a_fault_is_not_written_over() -> None:
    with pytest.raises(InvalidSuppression, match="line 1"):
        with_entries(b"half\n", [], NOW)
    with pytest.raises(InvalidSuppression, match="line 1"):
        without(b"half\n", [])


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST", 1)
    with pytest.raises(InvalidSuppression, match="at most 1"):
        with_entries(printed([entry("a@x.example")]), [entry("b@x.example")], NOW)


def test_the_lists_of_others() -> None:
    text = (
        "# from elsewhere\n\na@x.example\n b@x.example , complained \n"
        '{"address":"c@x.example","reason":"own","added":5,"expires":6}\n{"address":"d@x.example"}\n'
    )
    assert imported(text, "import", NOW, 9.0) == [
        Suppression("a@x.example", "import", NOW, 9.0),
        Suppression("b@x.example", "complained", NOW, 9.0),
        Suppression("c@x.example", "own", 5.0, 6.0),
        Suppression("d@x.example", "import", NOW, 9.0),
    ]


@pytest.mark.parametrize("line", ["nobody", "{", '{"address": 1}'])
def test_a_fault_in_the_list_of_others_says_where(line: str) -> None:
    with pytest.raises(InvalidSuppression, match="line 2: "):
        imported(f"a@x.example\n{line}\n", "", NOW, 0.0)

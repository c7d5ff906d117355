"""The text of maildirsize, and names that say sizes."""

from __future__ import annotations

import pytest

from asyncmta.mailboxes.maildirsize import MOST_OCTETS, Limit, Usage, change, limit_in, parse, size_in, written


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        (b"1000S\n", Usage(Limit(1000))),
        (b"1000S,5C\n100 1\n", Usage(Limit(1000, 5), 100, 1)),
        (b"5C,1000S\n 100 1 \n50   1\n-30 -1\n", Usage(Limit(1000, 5), 120, 1, 2)),
        (b"0S\n10 1\n", Usage(Limit(), 10, 1)),
        (b"1000S\n100 1\n50 1", Usage(Limit(1000), 100, 1)),  # somebody is writing
    ],
)
def test_what_it_says(text: bytes, usage: Usage) -> None:
    assert parse(text) == usage
    assert limit_in(text) == usage.limit


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1000S",
        b"1000\n",
        b"-5S\n",
        b"S\n",
        b"1000S\n100\n",
        b"1000S\nx 1\n",
        b"1000S\n1 x\n",
        b"1000S\n1 2 3\n",
        b"1000S\n" + b"1" * 30 + b" 1\n",
        b"1000S\n" + b"1 1\n" * MOST_OCTETS,
        b"\0\0\n",
    ],
)
def test_what_is_to_be_made_anew(text: bytes) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(("text", "limit"), [(b"9S\njunk\n", Limit(9)), (b"9S", None), (b"junk\n", None)])
def test_the_limit_of_what_is_made_anew(text: bytes, limit: Limit | None) -> None:
    assert limit_in(text) == limit


@pytest.mark.parametrize("limit", [Limit(), Limit(5), Limit(0, 7), Limit(5, 7)])
def test_what_is_written_is_read(limit: Limit) -> None:
    usage = Usage(limit, 123, 4)
    assert parse(written(usage)) == usage
    assert bool(limit) == (limit != Limit())
    assert parse(written(usage) + change(-3, -1)) == Usage(limit, 120, 3, 1)


@pytest.mark.parametrize(
    ("limit", "sizes", "admitted"),
    [
        (Limit(), (10**9, 1), [True, True]),
        (Limit(100), (60, 60, 40), [True, False, True]),
        (Limit(100), (100, 1), [True, False]),
        (Limit(0, 2), (1, 1), [True, False]),
    ],
)
def test_who_finds_room(limit: Limit, sizes: tuple[int, ...], admitted: list[bool]) -> None:
    assert Usage(limit, 0, 1).admitted(sizes) == admitted


def test_full_is_when_nothing_finds_room() -> None:
    assert not Usage(Limit(100), 99).is_full
    assert Usage(Limit(100), 100).is_full
    assert Usage(Limit(0, 3), 0, 3).is_full
    assert not Usage(Limit(), 10**15, 10**9).is_full


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("1.x.host,S=12", 12),
        ("1.x.host,S=12,W=13:2,S", 12),
        ("1.x.host,W=13,S=12:2,", 12),
        ("1.x.host", None),
        ("1.x.host:2,S=9", None),
        ("1.x.host,S=", None),
        ("1.x.host,S=-1", None),
        ("1.x.host,S=²", None),
        ("1.x.host,S=" + "9" * 40, None),
    ],
)
def test_sizes_in_names(name: str, size: int | None) -> None:
    assert size_in(name) == size

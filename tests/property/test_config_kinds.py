"""Any value for any key becomes a setting or is `Unfit`; and what is shown of a setting can be read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.config_kinds import Duration, Kind, Size, Unfit
from asyncmta.config_tables import kind_of, known_paths

KINDS = {path: kind for path in known_paths() if (kind := kind_of(tuple(path.split("."))))}
words = st.sampled_from(
    ["5d", "25MiB", "a@b.example", "[::1]:25", "10.0.0.0/8", "*", ".a.example", "x/{local_part}", "none"]
)
texts = st.text(max_size=40) | words | st.lists(words, max_size=3).map(",".join)
scalars = texts | st.integers() | st.booleans() | st.floats() | st.none() | st.dates()
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=2)


@pytest.mark.parametrize("path", KINDS)
@given(value=values, text=texts)
def test_any_value_fits_or_says_why_not(path: str, value: Any, text: str) -> None:
    kind: Kind = KINDS[path]
    for read in (lambda: kind.parse(value), lambda: kind.parse(kind.from_text(text))):
        fault, setting = attempt(read)
        assert fault.isprintable()
        if not fault and not is_masked(kind.show(setting)):
            assert kind.parse(kind.show(setting)) == setting


def is_masked(shown: Any) -> bool:
    """A secret, or a list of them."""
    return any(
        bool(text) and set(text) == {"*"}
        for text in (shown if isinstance(shown, list) else [shown])
        if isinstance(text, str)
    )


def attempt(read: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "", read()
    except Unfit as error:
        return str(error) or "a fault without a word", None


@given(st.integers(min_value=1, max_value=10**9 - 1))
def test_a_number_is_shown_in_its_largest_whole_unit(number: int) -> None:
    duration, size = Duration(0, 10**10), Size(0, 10**15)
    assert duration.parse(duration.show(float(number))) == number
    assert size.parse(size.show(number)) == number

"""inbound/extensions: no text of a client makes it raise, and what is granted keeps to its bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.inbound.extensions import Granted, Wishes, grant, parse_date_time, parse_wishes, print_date_time

VALUES = st.one_of(st.text(max_size=30), st.integers(-100, 100).map(str), st.datetimes().map(lambda at: f"{at}Z"))
VALUES |= st.builds("{};{}{}".format, st.integers(-200, 200), st.sampled_from("RNrnX"), st.sampled_from(["", "T"]))


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["MT-PRIORITY", "HOLDFOR", "HOLDUNTIL", "BY"]), VALUES),
    st.booleans(),
    st.floats(1, 4e9),
)
def test_what_is_granted_keeps_to_its_bounds(found: dict[str, str], believed: bool, now: float) -> None:
    wishes = parse_wishes(found)
    if not isinstance(wishes, Wishes):
        return
    assert -9 <= wishes.priority <= 9
    result = grant(wishes, believed=believed, longest_hold=100.0, now=now)
    if isinstance(result, Granted) and result.timing is not None:
        assert result.timing.release_at == 0.0 or now <= result.timing.release_at <= now + 100
        assert result.timing.priority <= (9 if believed else 0)
        assert result.timing.by_mode in ("", "R", "N", "RT", "NT")
        assert result.timing.deliver_by > now or not result.timing.by_mode.startswith("R")


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 253_402_300_799))
def test_a_printed_date_is_read_back(at: int) -> None:
    assert parse_date_time(print_date_time(at)) == at


@settings(deadline=None, max_examples=300)
@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"))
def test_what_looks_like_a_date_never_raises(text: str) -> None:
    found = parse_date_time(text)
    assert found is None or abs(found) < 1e12

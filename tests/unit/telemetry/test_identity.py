"""Which messages are told, and with which ids."""

from __future__ import annotations

import pytest

from asyncmta.telemetry.identity import (
    Parent,
    bound_of,
    context_of,
    is_sampled,
    parse_traceparent,
    span_id,
    taken_up,
)

FIRST = 0xABCDEF << 56 | 3 << 36


@pytest.mark.parametrize("first", [0, FIRST, FIRST + (1 << 36)])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_kept_for_ids_in_a_row(first: int, share: float) -> None:
    told = sum(is_sampled(first + at, bound_of(share)) for at in range(20_000))
    assert 0.9 * share < told / 20_000 < 1.1 * share


def test_all_and_none() -> None:
    assert all(is_sampled(FIRST + at, bound_of(1.0)) for at in range(1000))
    assert not any(is_sampled(FIRST + at, bound_of(0.0)) for at in range(1000))


def test_the_ids_are_those_of_the_message_and_of_the_mta() -> None:
    one = context_of(FIRST, b"mx.example.org")
    assert one == context_of(FIRST, b"mx.example.org")
    others = [context_of(FIRST + 1, b"mx.example.org"), context_of(FIRST, b"mx.example.net")]
    assert len({one.trace_id, *(each.trace_id for each in others)}) == 3
    assert 0 < one.trace_id < 1 << 128
    assert 0 < one.root < 1 << 64
    assert one.parent == 0


def test_a_trace_that_is_taken_up() -> None:
    context = taken_up(Parent(7, 9), FIRST, b"mx")
    assert (context.trace_id, context.parent) == (7, 9)
    assert context.root == context_of(FIRST, b"mx").root


def test_spans_have_ids_of_their_own() -> None:
    context = context_of(FIRST, b"mx")
    found = {span_id(context, number, started) for number in range(20) for started in (-1, 5)}
    assert len(found) == 40
    assert context.root not in found


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", Parent(int(TRACE, 16), 0x00F067AA0BA902B7)),
        (f"  00-{TRACE}-00f067aa0ba902b7-00 ", Parent(int(TRACE, 16), 0x00F067AA0BA902B7, False)),
        (f"00-{TRACE}-00f067aa0ba902b7-03", Parent(int(TRACE, 16), 0x00F067AA0BA902B7)),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes", Parent(int(TRACE, 16), 0x00F067AA0BA902B7)),
        (f"00-{TRACE}-00f067aa0ba902b7-01-what-comes", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01\n", Parent(int(TRACE, 16), 0x00F067AA0BA902B7)),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_traceparent(text: str, found: Parent | None) -> None:
    assert parse_traceparent(text) == found

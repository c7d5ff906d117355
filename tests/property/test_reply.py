"""mail/reply: any octets are a reply or none, and what is printed is read back the same."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.reply import EnhancedStatus, InvalidReply, Reply, parse_reply, reply

words = st.sampled_from([b"250", b"550", b"354", b"-", b"2.0.0", b"5.1.1", b"4.2.2 ", b"x", b" ", b"\t", b"a" * 700])
breaks = st.sampled_from([b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"\xe2\x80\xa8", b"\xc2\x85"])
whole = st.sampled_from([b"250 2.1.0 ok\r\n", b"550-5.1.1 no\r\n", b"550 5.1.1 no\r\n"])
soup = st.lists(st.one_of(words, breaks, whole, st.binary(max_size=4)), max_size=14).map(b"".join)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check(value: Reply) -> None:
    assert 200 <= value.code <= 599
    assert value.is_positive + value.is_transient + value.is_permanent == 1
    assert value.enhanced is None or value.enhanced.class_ == value.code // 100
    assert value.lines
    assert not any(CONTROL.search(line) for line in value.lines)
    assert value.wire.count(b"\n") == value.wire.count(b"\r\n") == value.wire.count(b"\r") == len(value.lines)


@settings(deadline=None, max_examples=max(800, settings.default.max_examples))
@given(soup)
def test_any_octets_are_a_reply_or_refused(raw: bytes) -> None:
    try:
        value = parse_reply(raw)
    except InvalidReply:
        return
    check(value)
    assert sum(map(len, value.lines)) <= 2048


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(
    st.integers(200, 599),
    st.lists(soup.filter(lambda octets: b"\n" not in octets), min_size=1, max_size=4),
    st.booleans(),
)
def test_the_short_way_reads_what_the_long_way_reads(code: int, texts: list[bytes], status: bool) -> None:
    """A single line goes the short way; with a second one, the long way reads the first."""
    start = b"%d %b" % (code, b"%d.1.2 " % (code // 100) if status else b"")
    single = parse_reply(start + texts[0] + b"\r\n")
    double = parse_reply((start + texts[0]).replace(b" ", b"-", 1) + b"\r\n%d x\r\n" % code)
    check(single)
    assert single.lines == double.lines[:1]
    assert single.enhanced == double.enhanced


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(
    st.integers(200, 599),
    st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
    st.lists(st.text(st.characters(exclude_categories=()), max_size=200), max_size=4),
)
def test_ours_are_well_formed_and_read_back(code: int, status: tuple[int, int] | None, lines: list[str]) -> None:
    enhanced = None if status is None or code // 100 == 3 else f"{code // 100}.{status[0]}.{status[1]}"
    value = reply(code, enhanced, *lines)
    check(value)
    assert all(len(line) <= 512 for line in value.wire.split(b"\r\n"))
    if enhanced is not None:
        assert parse_reply(value.wire) == value
        assert EnhancedStatus.parse(enhanced) == value.enhanced


@given(st.text(max_size=12) | st.from_regex(r"[0-9]\.[0-9]{1,4}\.[0-9]{1,4}"))
def test_enhanced_status_is_read_or_refused(text: str) -> None:
    try:
        status = EnhancedStatus.parse(text)
    except ValueError:
        return
    assert EnhancedStatus.parse(str(status)) == status

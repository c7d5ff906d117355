"""mail/headers: adding a field changes no other octet, hops are counted, and no fact of a client adds a line."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.headers import (
    Arrival,
    delivered_to,
    field,
    header_section,
    hop_count,
    may_have_hops,
    received,
    received_opening,
    return_path,
    rfc5322_date,
    split,
)

BAIT = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\r\n\r\n",
    "\r\nX-Evil: 1",
    "\t",
    " ",
    "(",
    ")",
    "\\",
    '"',
    ";",
    "é",
    "\x85",
    "\u2028",
    "\udc80",
]
hostile = st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=6), st.just("a" * 200)), max_size=8).map("".join)
arrivals = st.builds(
    Arrival, by=hostile, helo=hostile, ip=hostile, name=hostile, protocol=hostile, tls=hostile, login=hostile
)
queue_ids = st.integers(0, 2**80 - 1).map(QueueId)
recipients = st.none() | st.sampled_from(
    [
        parse_address(text, smtputf8=True)
        for text in ('"a b"@example.org', "jürgen@bücher.example", "b@[192.0.2.1]", '"<\\">"@x')
    ]
)
lines = st.sampled_from(
    [
        b"Subject: x",
        b"Received: a",
        b"received :b",
        b" folded",
        b"\tReceived: c",
        b"Received-SPF: d",
        b"Received",
        b"junk",
        b"\xff",
    ]
)
contents = st.lists(lines | st.just(b""), max_size=14).map(lambda each: b"".join(line + b"\r\n" for line in each))


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(arrivals, queue_ids, st.floats(0, 4e9), recipients)
def test_received_is_one_field_whatever_the_client_says(
    arrival: Arrival, queue_id: QueueId, at: float, recipient: object
) -> None:
    octets = received(received_opening(arrival), queue_id=queue_id, at=at, recipient=recipient)  # type: ignore[arg-type]
    rows = octets.split(b"\r\n")
    assert rows.pop() == b""
    assert rows[0].startswith(b"Received: ")
    assert all(row.startswith(b"\t") for row in rows[1:])
    assert all(len(row) <= 998 for row in rows)
    assert not any(octet < 32 and octet not in (9, 10, 13) for octet in octets)
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert octets.count(b";") == 1 or recipient is not None
    message = email.message_from_bytes(octets + b"Subject: kept\r\n\r\nbody", policy=email.policy.compat32)
    assert message.keys() == ["Received", "Subject"]
    assert hop_count(octets) == 1


@settings(deadline=None, max_examples=max(300, settings.default.max_examples))
@given(contents, st.integers(0, 5), arrivals)
def test_adding_fields_changes_no_other_octet(content: bytes, times: int, arrival: Arrival) -> None:
    address = parse_address("a@example.org")
    added = received(received_opening(arrival), queue_id=QueueId(1), at=0.0) * times
    whole = return_path(address) + delivered_to(address) + added + content
    assert whole.endswith(content)
    old_section, old_body = split(content)
    section, body = split(whole)
    assert section == whole[: len(whole) - len(content)] + old_section
    assert body == old_body
    assert hop_count(section) == times + hop_count(old_section)


@settings(deadline=None, max_examples=max(300, settings.default.max_examples))
@given(contents | st.binary(max_size=60))
def test_split_loses_nothing_but_the_empty_line(content: bytes) -> None:
    section, body = split(content)
    assert section == header_section(content)
    assert content in (section + b"\r\n" + body, section)
    assert b"\r\n\r\n" not in section
    assert not section.startswith(b"\r\n")


@given(st.lists(st.sampled_from([b"Received:", b"\n", b"\r\n", b"received :", b"x"]), max_size=60).map(b"".join))
def test_who_need_not_be_counted_has_no_more(content: bytes) -> None:
    for most in range(1, 12):
        assert may_have_hops(content, most) or hop_count(header_section(content)) <= most


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(st.binary(max_size=200) | contents, st.sampled_from(["Subject", "Received", "X"]))
def test_field_of_any_octets_is_one_harmless_line(section: bytes, name: str) -> None:
    value = field(section, name)
    assert value is None or not any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in value)
    assert hop_count(section) >= (field(section, "Received") is not None)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_time_has_a_date(unix: float) -> None:
    assert len(rfc5322_date(unix)) == 31

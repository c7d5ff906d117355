from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from asyncmta.mail.envelope import Origin, QueueId, Timing
from asyncmta.mail.outcome import Outcome
from asyncmta.spool.codec import Undecodable, decode, encode
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted, Attempted, Carried, Record, Removed, Reported, Retired
from tests.unit.spool.spoolkit import LATER, NEVER, OK, accepted, content_of, envelope


def metadata_of(record: object) -> object:
    draft = encode(record)  # type: ignore[arg-type]
    return msgspec.msgpack.decode(draft.metadata[: draft.metadata_size])


def carried(octets: bytes, *, packed: bool) -> Carried:
    """A message of 50 octets with these behind its record."""
    return msgspec.structs.replace(Entry.of(accepted(5, b"x" * 50), 1, 1).carried((octets,)), packed=packed)


def test_the_octets_of_an_accepted_are_those_of_the_format_document() -> None:
    record = accepted(5, b"Subject: x\r\n")
    sender, recipient = ["alice", "example.org", "example.org"], ["r0", "example.net", "example.net"]
    assert metadata_of(record) == [
        1000.5,
        [sender, [[recipient, 0, None, False]], "7BIT", False, False, None, None, None, None, False],
        [12, record.content.digest, False, 12, False],
        "client.example [192.0.2.1]",
        None,
        False,
    ]
    assert encode(record).kind == 16


def test_equal_outcomes_are_written_once() -> None:
    outcomes: dict[int, Outcome] = {0: OK, 1: LATER, 2: OK, 3: NEVER}
    groups = metadata_of(Attempted(QueueId(5), 1.0, outcomes))[1]  # type: ignore[index]
    assert [group[0] for group in groups] == [[0, 2], [1], [3]]
    thousand: dict[int, Outcome] = dict.fromkeys(range(1000), OK)
    assert encode(Attempted(QueueId(5), 1.0, thousand)).size < 3000


def test_a_queue_id_in_metadata_is_ten_octets() -> None:
    assert metadata_of(Reported(QueueId(5), 1.0, (0,), QueueId(1 << 79))) == [1.0, [0], b"\x80" + bytes(9)]
    assert metadata_of(Reported(QueueId(5), 1.0, (0,), None)) == [1.0, [0], None]


def test_retired_has_no_metadata_at_all() -> None:
    assert encode(Retired(QueueId(5))).metadata == b""


def test_elements_of_a_later_minor_version_are_ignored() -> None:
    octets = msgspec.msgpack.encode([7.5, "root", "something new", {"more": 1}])
    assert decode(22, 5, octets) == Removed(QueueId(5), 7.5, "root")


@pytest.mark.parametrize("kind", [0, 1, 2, 4, 15, 25, 255])
def test_an_unknown_kind_is_undecodable(kind: int) -> None:
    with pytest.raises(Undecodable, match=f"kind {kind}"):
        decode(kind, 5, b"\x90")


@pytest.mark.parametrize("kind", [3, 16, 17, 18, 19, 20, 21, 22, 24])
@pytest.mark.parametrize("octets", [b"", b"\xc1", b"\x90", b"\x91\xa1\xff", b"\x92\xcb", b"\x81\x01\x02"])
def test_metadata_that_makes_no_sense_is_undecodable(kind: int, octets: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(kind, 5, octets)


@pytest.mark.parametrize(
    "record", [accepted(5), Attempted(QueueId(5), 1.0, {0: OK}), Entry.of(accepted(5), 1, 1).carried()]
)
def test_an_unknown_flag_is_undecodable(record: Record) -> None:
    draft = encode(record)
    for flags in (2, 3, 0x80, 0xFF):
        with pytest.raises(Undecodable, match=f"flags {flags:#x}"):
            decode(draft.kind, 5, draft.metadata[: draft.metadata_size], flags=flags)


@pytest.mark.parametrize("kind", [3, 17, 18, 19, 20, 21, 22, 23])
def test_what_has_no_content_cannot_be_packed(kind: int) -> None:
    with pytest.raises(Undecodable, match="flags 0x1"):
        decode(kind, 5, b"\x91\x01", flags=1)


def test_packed_content_is_a_flag_and_nothing_else_in_the_record() -> None:
    plain, packed = carried(b"x" * 50, packed=False), carried(b"packed", packed=True)
    assert (encode(plain).flags, encode(packed).flags) == (0, 1)
    assert metadata_of(plain) == metadata_of(packed)
    draft = encode(packed)
    assert decode(24, 5, draft.metadata[: draft.metadata_size], flags=1) == msgspec.structs.replace(packed, parts=())


def test_an_accepted_may_be_packed_too() -> None:
    """This program writes none, and reads it."""
    record = accepted(5)
    draft = encode(record)
    found = decode(16, 5, draft.metadata[: draft.metadata_size], flags=1)
    assert found == msgspec.structs.replace(record, parts=())


@pytest.mark.parametrize("octets", [b"", b"x" * 50, b"x" * 51])
def test_what_is_not_smaller_is_not_packed(octets: bytes) -> None:
    with pytest.raises(ValueError, match="not packed"):
        encode(carried(octets, packed=True))


def test_parts_that_are_not_the_content_are_not_written() -> None:
    wire = b"Subject: x\r\n"
    short = Accepted(QueueId(5), 1.0, envelope(), content_of(wire), "", None, False, (wire[:-1],))
    twice = Accepted(QueueId(5), 1.0, envelope(), content_of(wire), "", None, True, (wire,))
    for record in (short, twice):
        with pytest.raises(ValueError, match="not the content"):
            encode(record)
    assert encode(Accepted(QueueId(5), 1.0, envelope(), content_of(wire), "", None, True)).content_size == 0


def test_what_the_sender_said_of_time_stands_behind_the_envelope_of_version_1_0() -> None:
    record = accepted(5, b"Subject: x\r\n")
    timed = structs.replace(record, envelope=structs.replace(record.envelope, timing=Timing(-3, 7.5, 9.5, "RT")))
    metadata = metadata_of(timed)
    assert metadata[1][7] == [-3, 7.5, 9.5, "RT"]  # type: ignore[index]
    draft = encode(timed)
    found = decode(16, 5, draft.metadata[: draft.metadata_size])
    assert isinstance(found, Accepted)
    assert found.envelope == timed.envelope


def test_an_envelope_of_version_1_0_has_no_timing_and_one_of_a_later_version_may_say_more() -> None:
    sender, recipient, content = ["a", "b.c", "b.c"], ["r", "d.e", "d.e"], [12, b"d" * 16, False, 12, False]
    old = [1.5, [sender, [[recipient, 0, None, False]], "7BIT", False, False, "HDRS", "x"], content, "", None, False]
    found = decode(16, 5, msgspec.msgpack.encode(old))
    assert isinstance(found, Accepted)
    assert (found.envelope.envid, found.envelope.timing) == ("x", None)
    old[1] += [[4, 7.5, 0.0, "", "something new"], ["id", 3.0, "new"], True, "more"]  # type: ignore[operator]
    found = decode(16, 5, msgspec.msgpack.encode(old))
    assert isinstance(found, Accepted)
    assert (found.envelope.timing, found.envelope.origin) == (Timing(4, 7.5), Origin("id", 3.0))
    assert found.envelope.verp

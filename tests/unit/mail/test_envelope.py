"""mail/envelope: queue ids as text, and values that compare and travel as such."""

from __future__ import annotations

import msgspec
import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    QUEUE_ID_LENGTH,
    Consignment,
    Content,
    ContentUnavailable,
    Envelope,
    QueueId,
    Recipient,
    format_queue_id,
    parse_queue_id,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0" * 16),
        (1, "0" * 15 + "1"),
        (32, "0" * 14 + "10"),
        (2**40, "0" * 7 + "1" + "0" * 8),
        (2**80 - 1, "z" * 16),
    ],
)
def test_queue_id_is_sixteen_letters_and_digits(number: int, text: str) -> None:
    assert format_queue_id(QueueId(number)) == text
    assert parse_queue_id(text) == parse_queue_id(text.upper()) == number
    assert len(text) == QUEUE_ID_LENGTH


def test_text_order_is_number_order() -> None:
    numbers = [QueueId(3**power) for power in range(50)]
    texts = [format_queue_id(number) for number in numbers]
    assert sorted(texts) == texts
    assert [parse_queue_id(text) for text in texts] == numbers


def test_a_number_beyond_eighty_bits_is_a_bug() -> None:
    with pytest.raises(IndexError):
        format_queue_id(QueueId(2**80))


@pytest.mark.parametrize(
    "text",
    ["", "0" * 15, "0" * 17, "0" * 15 + "u", "0" * 15 + "i", "0" * 15 + "-", "0" * 15 + "\u212a", "0" * 15 + " "],
)
def test_what_is_no_queue_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="queue id"):
        parse_queue_id(text)


def test_envelope_is_a_value_that_travels() -> None:
    recipient = Recipient(parse_address("b@example.net"), NOTIFY_FAILURE | NOTIFY_DELAY, "rfc822;b@example.net")
    envelope = Envelope(
        parse_address("a@example.org"), (recipient, Recipient(parse_address("c@example.net"))), ret="FULL"
    )
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(envelope), type=Envelope)
    assert again == envelope
    assert hash(again) == hash(envelope)
    assert again.recipients[0].orcpt == "rfc822;b@example.net"
    bounce = msgspec.msgpack.decode(msgspec.msgpack.encode(Envelope(None, ())), type=Envelope)
    assert bounce.reverse_path is None


def test_older_records_with_fewer_fields_still_decode() -> None:
    address = ["a", "example.org", "example.org"]
    old = msgspec.msgpack.decode(msgspec.msgpack.encode([None, [[address]]]), type=Envelope)
    assert old == Envelope(None, (Recipient(parse_address("a@example.org")),))


def test_notify_values_can_be_summed() -> None:
    assert len({NOTIFY_SUCCESS, NOTIFY_FAILURE, NOTIFY_DELAY, NOTIFY_NEVER}) == 4
    assert NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY | NOTIFY_NEVER == 15


def test_consignments_are_compared_by_identity() -> None:
    content = Content(3, b"\0" * 16, False, 3)
    make = lambda: Consignment(QueueId(1), "local:example.org", Envelope(None, ()), (0,), content, 1.0)  # noqa: E731
    first, second = make(), make()
    assert first != second
    assert len({first, second, first}) == 2


def test_missing_content_is_an_error_of_its_own() -> None:
    assert issubclass(ContentUnavailable, Exception)

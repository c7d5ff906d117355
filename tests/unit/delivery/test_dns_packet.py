"""The head of a DNS answer: what is absent, for sure."""

from __future__ import annotations

import struct

import pytest

from asyncmta.delivery.dns_packet import Absence, Present, absence, question, sure
from asyncmta.delivery.exchange import NoData, NoSuchDomain, TemporaryFailure

ASKED = question(0x1234, "Mx.Example", "AAAA") or b""
RESPONSE = 0x8180


def answer(
    flags: int, answers: int = 0, *, number: int = 0x1234, questions: int = 1, rest: bytes = ASKED[12:]
) -> bytes:
    return struct.pack(">HHHHHH", number, flags, questions, answers, 0, 0) + rest


def test_a_question() -> None:
    assert ASKED == b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02Mx\x07Example\x00\x00\x1c\x00\x01"
    assert (question(1, "example", "MX") or b"").endswith(b"\x00\x0f\x00\x01")


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, "ä.example", ".".join(["a" * 49] * 6)])
def test_what_cannot_be_asked_for(name: str) -> None:
    assert question(1, name, "A") is None


def test_the_longest_name() -> None:
    assert question(1, ".".join(["a" * 49] * 5), "A") is not None


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (answer(RESPONSE), NoData()),
        (answer(RESPONSE | 3), NoSuchDomain()),
        (answer(RESPONSE, 2), Present()),
        (answer(RESPONSE | 0x0200), Present()),
        (answer(RESPONSE, rest=ASKED[12:].upper()), NoData()),
        (answer(RESPONSE) + b"more", NoData()),
    ],
)
def test_answers(packet: bytes, expected: Absence) -> None:
    assert absence(packet, ASKED) == expected


@pytest.mark.parametrize(
    "packet", [answer(RESPONSE | code) for code in (1, 2, 4, 5, 9, 15)] + [answer(RESPONSE | 3, 1)]
)
def test_answers_that_are_no_word_about_absence(packet: bytes) -> None:
    assert isinstance(absence(packet, ASKED), TemporaryFailure)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ASKED,  # the question itself
        answer(RESPONSE)[:-1],
        answer(RESPONSE, number=0x1235),
        answer(RESPONSE | 0x2000),
        answer(RESPONSE, questions=0),
        answer(RESPONSE, rest=ASKED[12:].replace(b"Mx", b"My")),
        answer(RESPONSE, rest=ASKED[12:].replace(b"\x1c", b"\x01")),
    ],
)
def test_what_is_no_answer_to_the_question(packet: bytes) -> None:
    assert absence(packet, ASKED) is None


def test_what_is_sure_after_a_second_look() -> None:
    assert sure(NoData()) == NoData()
    assert sure(NoSuchDomain()) == NoSuchDomain()
    assert isinstance(sure(Present()), TemporaryFailure)
    failed = sure(TemporaryFailure("code 5"))
    assert isinstance(failed, TemporaryFailure)
    assert "code 5" in failed.reason

"""What the end of a command means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.sysexits import MOST_WORDS, fault, outcome_of, words
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (0, Delivered, "250 2.0.0 delivered to a command"),
        (64, Deferred, "451 4.3.5 "),
        (65, Failed, "550 5.6.0 "),
        (66, Deferred, "451 4.3.0 "),
        (67, Failed, "550 5.1.1 the command refused: no such user"),
        (68, Failed, "550 5.1.2 "),
        (69, Failed, "550 5.3.0 "),
        (70, Deferred, "451 4.3.0 "),
        (71, Deferred, "451 4.3.0 "),
        (72, Deferred, "451 4.3.5 "),
        (73, Deferred, "451 4.2.0 "),
        (74, Deferred, "451 4.3.0 "),
        (75, Deferred, "451 4.3.0 the command did not take it: try again later"),
        (76, Failed, "550 5.5.0 "),
        (77, Failed, "550 5.7.1 "),
        (78, Deferred, "451 4.3.5 "),
        (1, Deferred, "451 4.3.0 the command did not take it: unknown exit status 1"),
        (127, Deferred, "451 4.3.0 "),
        (255, Deferred, "451 4.3.0 "),
        (-9, Deferred, "451 4.3.0 the command did not take it: ended by signal 9"),
    ],
)
def test_the_table(status: int, kind: type, said: str) -> None:
    outcome = outcome_of(status, b"")
    assert type(outcome) is kind
    assert str(outcome.reply).startswith(said)


def test_what_it_wrote_is_the_text() -> None:
    outcome = outcome_of(67, b"\n  lookup: alice is gone\r\nsorry\n\nx\ny\n")
    assert outcome.reply.text == "the command refused: lookup: alice is gone; sorry; x"
    assert outcome_of(0, b"stored as 17\n").reply.text == "delivered to a command: stored as 17"


def test_what_does_not_print_is_not_repeated() -> None:
    assert words(b"a\0b\x1b[31m\xff\n") == "a?b?[31m\N{REPLACEMENT CHARACTER}"
    assert words(b"") == words(b" \n\n") == ""
    assert len(words(b"x" * 4096)) == 200


@given(st.integers(-64, 300), st.binary(max_size=300))
def test_every_end_has_an_outcome_of_its_class(status: int, output: bytes) -> None:
    outcome = outcome_of(status, output)
    assert outcome.reply.code // 100 == {Delivered: 2, Deferred: 4, Failed: 5}[type(outcome)]
    assert words(output).isprintable()
    assert words(output).count("; ") <= MOST_WORDS + output.count(b"; ")


def test_a_fault_of_ours_is_transient() -> None:
    assert fault("the command could not be run: x").cause is Cause.INTERNAL
    assert fault("too long", Cause.TIMEOUT).reply.code == 451

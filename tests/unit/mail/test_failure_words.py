"""Classes of failures: what big receivers say, and what the cause or the numbers say alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.mail.failure_class import FailureClass
from asyncmta.mail.failure_words import LONGEST, classify
from asyncmta.mail.outcome import Cause
from asyncmta.mail.reply import Reply, parse_reply, reply

TABLE = Path(__file__).with_name("replies_of_providers.txt")
CASES = [line.split("\t", 1) for line in TABLE.read_text("utf-8").splitlines() if line and line[0] != "#"]


def read(text: str) -> Reply:
    return parse_reply((text[:3] + " " + text[4:] + "\r\n").encode())


def test_there_are_many_and_each_once() -> None:
    assert len(CASES) >= 150
    assert len({text for _, text in CASES}) == len(CASES)


@pytest.mark.parametrize(("wanted", "text"), CASES)
def test_what_receivers_say(wanted: str, text: str) -> None:
    assert classify(read(text)) is FailureClass(wanted)


@pytest.mark.parametrize(
    ("cause", "wanted"),
    [
        (Cause.EXPIRED, FailureClass.EXPIRED),
        (Cause.CONNECT, FailureClass.NETWORK),
        (Cause.TIMEOUT, FailureClass.NETWORK),
        (Cause.TLS, FailureClass.TLS),
        (Cause.STORAGE, FailureClass.SYSTEM),
        (Cause.INTERNAL, FailureClass.SYSTEM),
        (Cause.LOOP, FailureClass.LOOP),
        (Cause.POLICY, FailureClass.POLICY),
        (Cause.DNS, FailureClass.NO_DOMAIN),
        (Cause.REFUSED, FailureClass.NO_MAILBOX),
    ],
)
def test_the_cause_comes_first(cause: Cause, wanted: FailureClass) -> None:
    assert classify(reply(550, "5.1.1", "User unknown"), cause) is wanted


def test_a_domain_that_cannot_be_asked_about_now() -> None:
    assert classify(reply(451, "4.4.3", "later"), Cause.DNS) is FailureClass.NETWORK


def test_what_is_about_the_address_itself() -> None:
    assert {each for each in FailureClass if each.is_hard} == {
        FailureClass.NO_MAILBOX,
        FailureClass.NO_DOMAIN,
        FailureClass.DISABLED,
    }


def test_no_reply_keeps_it_busy() -> None:
    """A stranger writes the text; what is behind the first thousand characters is not read."""
    said = Reply(550, None, ("user " * 10_000 + "unknown", "x" * LONGEST + " spam"))
    assert classify(said) is FailureClass.OTHER

"""mail/outcome: values that travel through the journal as what they were."""

from __future__ import annotations

import msgspec
import pytest

from asyncmta.mail.outcome import (
    NOWHERE,
    Cause,
    Deferred,
    Delivered,
    Failed,
    Outcome,
    Place,
    Postponed,
    Scope,
)
from asyncmta.mail.reply import reply

PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")


@pytest.mark.parametrize(
    "outcome",
    [
        Delivered(reply(250, "2.0.0", "OK"), PLACE),
        Delivered(reply(250, None), discarded=True),
        Deferred(Cause.TIMEOUT, reply(451, "4.4.1", "Silence"), Scope.SITE, PLACE),
        Failed(Cause.REFUSED, reply(550, "5.1.1", "No", "such"), Scope.RECIPIENT, PLACE),
    ],
)
def test_outcome_travels(outcome: Outcome) -> None:
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=Outcome)
    assert again == outcome
    assert type(again) is type(outcome)
    assert hash(again) == hash(outcome)


def test_defaults_are_the_narrowest() -> None:
    failed = Failed(Cause.DNS, reply(550, "5.1.2"))
    assert (failed.scope, failed.place) == (Scope.RECIPIENT, NOWHERE)
    assert Place("", "", "") == NOWHERE


def test_numbers_in_the_journal_never_change() -> None:
    assert [cause.value for cause in Cause] == list(range(1, 11))
    assert (Cause.REFUSED, Cause.EXPIRED, Cause.POLICY) == (1, 8, 10)
    assert [scope.value for scope in Scope] == [1, 2, 3]


def test_postponed_says_until_when() -> None:
    assert Postponed(5.0, "suspended") == Postponed(until=5.0, reason="suspended")

"""Before all transports: who is left out, and how what became of the others is put together with that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from asyncmta.delivery.exit_door import ExitDoor, Stopped
from asyncmta.mail import replies
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered, Postponed, Recorded, Result
from asyncmta.mail.reply import reply

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
DISCARDED = Delivered(replies.DISCARDED, discarded=True)


def judge(recipient: Address, sender: Address | None) -> Stopped | None:
    assert sender is None
    return None if recipient.domain_key == "good.example" else Stopped("sandboxed", DISCARDED)


class Taker:
    def __init__(self, answer: Callable[[Consignment], Result]) -> None:
        self.taken: list[Consignment] = []
        self.answer = answer

    def deliver(self, consignments: Sequence[Consignment], done: Callable[..., None]) -> None:
        self.taken += consignments
        for each in consignments:
            done(each, self.answer(each))


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, level: str, event: str, /, *, error: Any = None, **facts: Any) -> None:
        self.said.append(f"{event} {facts['recipient']}")


def consignment(*addresses: str) -> Consignment:
    recipients = tuple(Recipient(parse_address(each)) for each in addresses)
    ordinals = tuple(range(len(recipients)))
    return Consignment(QueueId(1), "mx:x", Envelope(None, recipients), ordinals, Content(1, b"", False, 1), 0.0, 0)


def taken(each: Consignment) -> Result:
    return dict.fromkeys(each.ordinals, TAKEN)


def run(taker: Taker, *given: Consignment) -> tuple[list[tuple[Consignment, Result]], list[str]]:
    answers: list[tuple[Consignment, Result]] = []
    notes = Notes()
    ExitDoor(judge=judge, transport=taker, maillog=notes).deliver(given, lambda *said: answers.append(said))
    return answers, notes.said


def test_who_is_allowed_passes_as_it_is() -> None:
    one = consignment("a@good.example")
    taker = Taker(taken)
    answers, said = run(taker, one)
    assert taker.taken == [one]
    assert (answers, said) == ([(one, {0: TAKEN})], [])


def test_nobody_of_it_is_allowed() -> None:
    one = consignment("a@bad.example", "b@bad.example")
    taker = Taker(taken)
    answers, said = run(taker, one)
    assert taker.taken == []
    assert answers == [(one, {0: DISCARDED, 1: DISCARDED})]
    assert said == ["sandboxed a@bad.example", "sandboxed b@bad.example"]


@pytest.mark.parametrize("recorded", [False, True])
def test_some_are_and_the_answer_is_for_all(recorded: bool) -> None:
    whole, other = consignment("a@bad.example", "b@good.example"), consignment("c@good.example")

    def answer(each: Consignment) -> Result:
        return Recorded({1: TAKEN}, frozenset({1})) if recorded and each is not other else taken(each)

    taker = Taker(answer)
    answers, said = run(taker, whole, other)
    assert [each.ordinals for each in taker.taken] == [(1,), (0,)]
    both = {0: DISCARDED, 1: TAKEN}
    assert answers == [(whole, Recorded(both, frozenset({1})) if recorded else both), (other, {0: TAKEN})]
    assert said == ["sandboxed a@bad.example"]


def test_what_is_postponed_comes_back_whole() -> None:
    whole, later = consignment("a@bad.example", "b@good.example"), Postponed(9.0, "busy")
    answers, said = run(Taker(lambda _: later), whole)
    assert (answers, said) == ([(whole, later)], [])

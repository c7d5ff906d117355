"""The queue handed over: what goes to the other relay, what is kept of its refusals, how it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncmta.handing_off import MOST_REASONS, MOST_UNSURE, HandingOff
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Postponed, Recorded, Result
from asyncmta.mail.reply import reply
from asyncmta.pausing import HAND_OVER
from asyncmta.routing import Mx, Routing, Smarthost

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"))
RELAY = Smarthost("r.example:25", ("r.example:25",))


class Taker:
    """A transport that takes note, and answers what it was given."""

    def __init__(self, answer: Result | None = None) -> None:
        self.taken: list[str] = []
        self.answer = answer

    def deliver(self, consignments: Sequence[Consignment], done: Callable[[Consignment, Result], None]) -> None:
        for consignment in consignments:
            self.taken.append(consignment.destination)
            done(consignment, {0: TAKEN} if self.answer is None else self.answer)


class Holder:
    """A transport that answers when it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple[Consignment, Callable[[Consignment, Result], None]]] = []

    def deliver(self, consignments: Sequence[Consignment], done: Callable[[Consignment, Result], None]) -> None:
        self.held += [(consignment, done) for consignment in consignments]

    def answer(self, result: Result) -> None:
        consignment, done = self.held.pop(0)
        done(consignment, result)


class Journal:
    """Says that it is durable when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Callable[[object], None]] = []

    def sync(self, then: Callable[[object], None]) -> None:
        self.asked.append(then)


def at_once(then: Callable[[object], None]) -> None:
    then(None)


def consignment(destination: str) -> Consignment:
    return Consignment(QueueId(1), destination, Envelope(None, ()), (0,), Content(1, b"", False, 1), 0.0)


def hand(handing_off: HandingOff, *destinations: str) -> list[Result]:
    results: list[Result] = []
    handing_off.deliver([consignment(each) for each in destinations], lambda _, result: results.append(result))
    return results


def test_nothing_is_in_the_way_while_nothing_is_handed_over() -> None:
    usual, remote = Taker(), Taker()
    handing_off = HandingOff(transport=usual, remote=remote, sync=at_once)
    assert hand(handing_off, "mx:a.example", HAND_OVER) == [{0: TAKEN}] * 2
    assert (usual.taken, remote.taken) == (["mx:a.example", HAND_OVER], [])
    assert handing_off.progress(left=3, held=1) is None
    assert handing_off.route_of("mx:a.example", Routing()) == Mx("a.example")


def test_what_goes_to_the_other_relay_and_what_was_in_hand_already() -> None:
    usual, remote = Taker(), Taker()
    handing_off = HandingOff(transport=usual, remote=remote, sync=at_once)
    handing_off.begin(RELAY, 2)
    assert hand(handing_off, HAND_OVER) == [{0: TAKEN}]
    assert hand(handing_off, HAND_OVER, "mx:a.example") == [{0: TAKEN}] * 2
    assert hand(handing_off, "mx:b.example") == [{0: TAKEN}]
    assert (usual.taken, remote.taken) == (["mx:a.example", "mx:b.example"], [HAND_OVER, HAND_OVER])
    assert handing_off.route_of(HAND_OVER, Routing()) is RELAY
    progress = handing_off.progress(left=1, held=0)
    assert progress is not None
    assert (progress.to, progress.total, progress.left, progress.taken, progress.reasons) == (
        "r.example:25",
        2,
        1,
        2,
        {},
    )
    handing_off.begin(RELAY, 9)
    assert (handing_off.total, handing_off.taken) == (2, 2)
    handing_off.end()
    assert handing_off.progress(left=1, held=0) is None
    assert handing_off.route_of(HAND_OVER, Routing()) is RELAY  # for what is on its way to a session


def test_a_refusal_is_kept_and_reported_to_nobody() -> None:
    remote = Taker({0: NEVER})
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=at_once)
    handing_off.begin(RELAY, 1)
    kept = Deferred(NEVER.cause, NEVER.reply)
    assert hand(handing_off, HAND_OVER) == [{0: kept}]
    remote.answer = Recorded({0: NEVER}, frozenset())
    assert hand(handing_off, HAND_OVER) == [Recorded({0: kept}, frozenset())]
    remote.answer = Postponed(5.0, "no session is free")
    assert hand(handing_off, HAND_OVER) == [remote.answer]
    assert handing_off.reasons == {str(NEVER.reply): 2, "no session is free": 1}
    assert handing_off.taken == 0


def test_reasons_are_bounded() -> None:
    remote = Taker()
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=at_once)
    handing_off.begin(RELAY, 1)
    for number in range(MOST_REASONS + 5):
        remote.answer = Postponed(5.0, f"reason {number}")
        hand(handing_off, HAND_OVER)
    remote.answer = Postponed(5.0, "reason 0")
    hand(handing_off, HAND_OVER)
    assert len(handing_off.reasons) == MOST_REASONS
    assert handing_off.reasons["reason 0"] == 2


def test_no_more_is_unsure_than_that() -> None:
    """What is answered makes room only when it is durable; and all that was answered meanwhile is one sync."""
    remote, journal = Holder(), Journal()
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=journal.sync)
    handing_off.begin(RELAY, 100)
    results: list[Result] = []
    for _ in range(2 * MOST_UNSURE):
        results += hand(handing_off, HAND_OVER)
    assert (len(remote.held), results) == (MOST_UNSURE, [])
    remote.answer({0: TAKEN})
    assert (len(remote.held), len(journal.asked)) == (MOST_UNSURE - 1, 1)
    remote.answer({0: TAKEN})
    remote.answer({0: NEVER})
    assert (len(remote.held), len(journal.asked)) == (MOST_UNSURE - 3, 1)
    journal.asked.pop()(None)
    assert (len(remote.held), len(journal.asked)) == (MOST_UNSURE - 2, 1)
    journal.asked.pop()(None)
    assert (len(remote.held), len(journal.asked)) == (MOST_UNSURE, 0)
    remote.answer(Postponed(5.0, "no session is free"))  # nothing is noted of it
    assert (len(remote.held), len(journal.asked)) == (MOST_UNSURE, 0)


def test_who_is_answered_at_once_leaves_room_at_once() -> None:
    remote = Taker()
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=at_once)
    handing_off.begin(RELAY, 100)
    for _ in range(3 * MOST_UNSURE):
        assert hand(handing_off, HAND_OVER) == [{0: TAKEN}]
    assert len(remote.taken) == 3 * MOST_UNSURE


def test_who_waits_for_his_turn_is_given_back_at_the_end() -> None:
    handing_off = HandingOff(transport=Taker(), remote=Holder(), sync=Journal().sync)
    handing_off.begin(RELAY, 100)
    results: list[Result] = []
    for _ in range(MOST_UNSURE + 2):
        handing_off.deliver([consignment(HAND_OVER)], lambda _, result: results.append(result))
    handing_off.end()
    assert [type(each) for each in results] == [Postponed, Postponed]


def test_nothing_sets_out_while_the_mta_stops() -> None:
    remote = Holder()
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=Journal().sync)
    handing_off.begin(RELAY, 100)
    handing_off.let_go()
    (result,) = hand(handing_off, HAND_OVER)
    assert isinstance(result, Postponed)
    assert remote.held == []


def test_what_cannot_be_recorded_lets_nothing_more_set_out() -> None:
    remote, journal = Holder(), Journal()
    handing_off = HandingOff(transport=Taker(), remote=remote, sync=journal.sync)
    handing_off.begin(RELAY, 100)
    for _ in range(MOST_UNSURE + 1):
        hand(handing_off, HAND_OVER)
    for _ in range(MOST_UNSURE):
        remote.answer({0: TAKEN})
        journal.asked.pop()("the disk is full")
    assert (remote.held, journal.asked) == ([], [])
    handing_off.begin(RELAY, 100)
    journal.asked.pop()(None)
    assert len(remote.held) == 1

"""Who is given what: the choice of the transport by route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from asyncmta.delivery.dispatch import Dispatch
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Outcome, Postponed
from asyncmta.mail.reply import reply
from asyncmta.routing import Discard, Hold, Local, Mx, Pipe, Reject, Route, Smarthost
from asyncmta.testing.clock import FakeClock

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
NOT_NOW = Deferred(Cause.REFUSED, reply(450, "4.2.1", "later"))
NO = reply(550, "5.7.1", "by a rule")
ROUTES: dict[str, Route] = {
    "local:example.org": Local("example.org"),
    "local:example.com": Local("example.com"),
    "mx:example.net": Mx("example.net"),
    "smarthost:0": Smarthost("s", ("relay.example",)),
    "lmtp:0": Smarthost("l", ("unix:/run/lmtp",), protocol="lmtp"),
    "pipe:0": Pipe(("/bin/cat",)),
    "elsewhere": Mx("example.net"),
    "discard": Discard(),
    "hold": Hold(),
    "reject:3": Reject(NO),
}


class Taker:
    """A transport that takes note, and answers at once."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.breaks_after: int | None = None
        self.done: Callable[..., None] | None = None
        self.answer: Outcome = TAKEN

    def deliver(self, consignments: Sequence[Consignment], done: Callable[..., None]) -> None:
        self.taken.append([consignment.destination for consignment in consignments])
        self.done = done
        for at, consignment in enumerate(consignments):
            if at == self.breaks_after:
                raise ZeroDivisionError
            done(consignment, dict.fromkeys(consignment.ordinals, self.answer))


class Dispatched:
    def __init__(self, log: Any) -> None:
        self.local, self.remote, self.pipe = Taker(), Taker(), Taker()
        self.log, self.clock = log, FakeClock()
        self.answers: list[tuple[str, Any]] = []
        self.consignments: list[Consignment] = []
        self.dispatch = Dispatch(
            route_of=ROUTES.__getitem__,
            local=self.local,
            remote=self.remote,
            pipe=self.pipe,
            clock=self.clock,
            maillog=log,
            finals=frozenset({"lmtp:0"}),
        )

    def done(self, consignment: Consignment, result: Any) -> None:
        self.answers.append((consignment.destination, result))

    def deliver(self, *destinations: str) -> None:
        self.consignments = [
            Consignment(QueueId(1), name, Envelope(None, ()), (at,), Content(1, b"", False, 1), 0.0)
            for at, name in enumerate(destinations)
        ]
        self.dispatch.deliver(self.consignments, self.done)


@pytest.fixture
def dispatched(log: Any) -> Dispatched:
    return Dispatched(log)


@pytest.mark.parametrize("destination", ["mx:example.net", "smarthost:0", "lmtp:0", "elsewhere"])
def test_the_network(dispatched: Dispatched, destination: str) -> None:
    dispatched.deliver(destination)
    assert (dispatched.local.taken, dispatched.remote.taken) == ([], [[destination]])
    assert dispatched.answers == [(destination, {0: TAKEN})]


def test_a_mailbox(dispatched: Dispatched) -> None:
    dispatched.deliver("local:example.org")
    assert (dispatched.local.taken, dispatched.remote.taken) == ([["local:example.org"]], [])


def test_a_command(dispatched: Dispatched) -> None:
    dispatched.deliver("pipe:0")
    assert (dispatched.pipe.taken, dispatched.remote.taken, dispatched.local.taken) == ([["pipe:0"]], [], [])


def test_consignments_of_one_message_stay_together(dispatched: Dispatched) -> None:
    dispatched.deliver("local:example.org", "mx:example.net", "discard", "local:example.com", "smarthost:0", "pipe:0")
    assert dispatched.local.taken == [["local:example.org", "local:example.com"]]
    assert dispatched.remote.taken == [["mx:example.net", "smarthost:0"]]
    assert dispatched.pipe.taken == [["pipe:0"]]
    assert len(dispatched.answers) == 6
    dispatched.deliver("discard", "hold")
    assert len(dispatched.remote.taken) == len(dispatched.local.taken) == 1


def test_discard_counts_as_delivered_and_says_so(dispatched: Dispatched) -> None:
    dispatched.deliver("discard")
    ((_, result),) = dispatched.answers
    assert isinstance(result[0], Delivered)
    assert result[0].discarded
    assert [event for _, event, _ in dispatched.log.notes] == ["discarded"]


def test_reject_fails_with_its_reply(dispatched: Dispatched) -> None:
    dispatched.deliver("reject:3")
    assert dispatched.answers == [("reject:3", {0: Failed(Cause.POLICY, NO)})]


def test_hold_tries_nothing(dispatched: Dispatched) -> None:
    dispatched.deliver("hold")
    ((_, result),) = dispatched.answers
    assert isinstance(result, Postponed)
    assert result.until > dispatched.clock.now()


def test_an_unknown_destination_is_a_bug_and_an_outcome(dispatched: Dispatched) -> None:
    dispatched.deliver("what:ever", "mx:example.net")
    results = dict(dispatched.answers)
    assert isinstance(results["what:ever"][0], Deferred)
    assert results["what:ever"][0].cause is Cause.INTERNAL
    assert results["mx:example.net"] == {1: TAKEN}
    assert isinstance(dispatched.log.bugs[0], KeyError)


def test_a_transport_that_breaks_leaves_nobody_unanswered(dispatched: Dispatched) -> None:
    dispatched.remote.breaks_after = 1
    dispatched.deliver("mx:example.net", "smarthost:0")
    results = dict(dispatched.answers)
    assert results["mx:example.net"] == {0: TAKEN}
    assert results["smarthost:0"][1].cause is Cause.INTERNAL
    assert isinstance(dispatched.log.bugs[0], ZeroDivisionError)
    assert dispatched.remote.done is not None
    dispatched.remote.done(dispatched.consignments[1], {1: TAKEN})
    assert len(dispatched.answers) == 2


def test_what_a_final_next_hop_took_is_delivered_and_not_relayed(dispatched: Dispatched) -> None:
    """Row W-177: unless the transport is marked final."""
    relayed = Delivered(reply(250, "2.0.0", "ok"), handover=Handover.RELAYED)
    passed_on = Delivered(reply(250, "2.0.0", "ok"), handover=Handover.PASSED_ON)
    for destination, answer, handover in (
        ("lmtp:0", relayed, Handover.FINAL),
        ("lmtp:0", passed_on, Handover.PASSED_ON),
        ("smarthost:0", relayed, Handover.RELAYED),
    ):
        dispatched.remote.answer = answer
        dispatched.deliver(destination)
        (outcome,) = dispatched.answers[-1][1].values()
        assert outcome.handover is handover
    dispatched.remote.answer = NOT_NOW
    dispatched.deliver("lmtp:0")
    assert dispatched.answers[-1] == ("lmtp:0", {0: NOT_NOW})


def test_one_that_goes_over_the_network_alone_is_handed_through(dispatched: Dispatched) -> None:
    """What breaks there is for whoever asked, who knows what has been answered."""
    dispatched.remote.breaks_after = 0
    with pytest.raises(ZeroDivisionError):
        dispatched.deliver("mx:example.net")
    assert dispatched.answers == []
    dispatched.deliver("lmtp:0")
    ((_, result),) = dispatched.answers
    assert result[0].cause is Cause.INTERNAL

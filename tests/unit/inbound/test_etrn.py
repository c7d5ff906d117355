"""inbound/etrn: who may have a queue run, and how often."""

from __future__ import annotations

from asyncmta.inbound import etrn
from asyncmta.inbound.etrn import CLIENTS, MOST, WITHIN, Turns
from asyncmta.inbound.session import client_at
from tests.dialogs.player import World


class Queue:
    def __init__(self) -> None:
        self.started: list[tuple[str, bool]] = []

    def __call__(self, domain: str, below: bool) -> bool | None:
        self.started.append((domain, below))
        return True


def test_each_client_is_heard_a_few_times_a_minute() -> None:
    queue = Queue()
    turns = Turns(queue)
    answers = [turns.ask("10.0.0.1", "a.example", below=False, now=5.0) for _ in range(MOST + 5)]
    assert answers == [True] * MOST + [False] * 5
    assert len(queue.started) == MOST
    assert turns.ask("10.0.0.2", "a.example", below=True, now=5.0)
    assert queue.started[-1] == ("a.example", True)
    assert not turns.ask("::ffff:10.0.0.1", "a.example", below=False, now=4.0 + WITHIN)
    assert turns.ask("10.0.0.1", "a.example", below=False, now=5.0 + WITHIN)


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    turns = Turns(Queue())
    for _ in range(MOST):
        turns.ask("10.0.0.1", "a.example", below=False, now=1_000.0)
    assert not turns.ask("10.0.0.1", "a.example", below=False, now=1_000.0)
    assert turns.ask("10.0.0.1", "a.example", below=False, now=10.0)


def test_what_is_kept_of_clients_is_bounded() -> None:
    turns = Turns(Queue())
    for number in range(CLIENTS + 10):
        turns.ask(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "a.example", below=False, now=5.0)
    assert len(turns._asked) == CLIENTS
    assert "10.0.0.0" not in turns._asked
    assert "10.0.39.25" in turns._asked


def test_who_is_not_known_may_not() -> None:
    acceptance = World(etrn="yes", etrn_from="192.0.2.0/24").acceptance()
    assert client_at(acceptance, "192.0.2.1", 1).may_turn
    assert not client_at(acceptance, "192.0.2.1", 1, is_known=False).may_turn
    assert client_at(acceptance, "10.0.0.1", 1).may_turn


def test_it_is_offered_where_there_is_a_queue() -> None:
    assert etrn.offered(World(client="10.0.0.1").player().conversation.state) == ()
    assert etrn.offered(World(client="10.0.0.1", etrn="yes").player().conversation.state) == ("ETRN",)
    assert etrn.offered(World(etrn="yes").player().conversation.state) == ()

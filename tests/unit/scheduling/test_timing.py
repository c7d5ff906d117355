"""The wishes of senders: who goes first, and who does not go yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from asyncmta.mail.envelope import QueueId, Timing
from asyncmta.mail.headers import rfc5322_date
from asyncmta.mail.outcome import Cause, Outcome, Postponed
from asyncmta.scheduling.agenda import Agenda
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import LEAD, due_again, lead_of, settle, wait_for_release
from asyncmta.scheduling.task import Lane, Task
from asyncmta.spool.ledger import Entry
from tests.unit.scheduling.schedulingkit import DAY, LATER, OK, Post
from tests.unit.scheduling.test_tags import entry

STEADY = RetrySchedule(jitter=0.0)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post(in_hand=2, quantum=1, share=2).start()
    yield made
    await made.stop()


def scheduled(release_at: float, **rest: object) -> Entry:
    return entry("a@one.example", timing=Timing(release_at=release_at, **rest))  # type: ignore[arg-type]


# -- priority ---------------------------------------------------------------------------------------------------------


def task(queue_id: int, *, priority: int = 0, due: float = 0.0, lane: Lane = Lane.FRESH, to: str = "mx:a") -> Task:
    return Task(QueueId(queue_id), to, (0,), lane, due, priority * LEAD)


def test_a_high_priority_goes_before_and_a_low_one_after() -> None:
    agenda = Agenda()
    for queue_id, priority in enumerate([0, -1, 9, -9, 1, 4]):
        agenda.add(task(queue_id, priority=priority))
    assert [each.queue_id for each in agenda.take(0.0, 6)] == [2, 5, 4, 0, 1, 3]


def test_an_urgent_retry_goes_before_what_is_fresh() -> None:
    agenda = Agenda()
    agenda.add(task(1))
    agenda.add(task(2, priority=4, lane=Lane.RETRY))
    assert [each.queue_id for each in agenda.take(0.0, 2)] == [2, 1]


def test_no_flood_of_urgent_mail_starves_the_least_urgent() -> None:
    agenda = Agenda()
    agenda.add(task(1, priority=-9, lane=Lane.RETRY))
    for second in range(3_000):
        agenda.add(task(second + 10, priority=9, due=float(second)))
        agenda.add(task(second + 10_000, priority=9, due=float(second)))
        (taken,) = agenda.take(float(second), 1)
        if taken.queue_id == 1:
            break
        agenda.release(taken)
    assert taken.queue_id == 1
    assert second <= 2 * (18 * LEAD + 120) + 1


def test_the_rest_of_a_long_task_keeps_its_priority() -> None:
    agenda = Agenda(quantum=2)
    agenda.add(Task(QueueId(1), "mx:one.example", tuple(range(6)), Lane.FRESH, 0.0, 9 * LEAD))
    agenda.add(task(2))
    order = []
    for _ in range(4):
        for taken in agenda.take(0.0, 2):
            order.append(taken.queue_id)
            assert taken.lead == (9 * LEAD if taken.queue_id == 1 else 0.0)
            agenda.release(taken)
    assert order == [1, 1, 1, 2]


def test_nothing_that_is_ready_and_more_urgent_is_overtaken_by_a_new_message() -> None:
    agenda = Agenda()
    agenda.add(task(1, priority=1))
    agenda.add(task(2))
    (first,) = agenda.take(0.0, 1)
    agenda.release(first)
    assert not agenda.begin(task(3, due=1.0, to="mx:b"))
    assert agenda.begin(task(4, priority=1, due=1.0, to="mx:b"))


async def test_messages_that_wait_for_room_go_by_their_priority(post: Post) -> None:
    post.transport.script = lambda _: None
    for name in ("x", "y"):
        await post.accept(f"a@{name}.example")
    for number, priority in enumerate((0, -4, 4)):
        await post.accept(f"a@d{number}.example", timing=Timing(priority) if priority else None)
    while post.transport.running:
        post.transport.finish(OK)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [destination for destination, _ in post.transport.seen][2:] == [
        "mx:d2.example",
        "mx:d0.example",
        "mx:d1.example",
    ]


async def test_a_retry_keeps_its_priority(post: Post) -> None:
    post.transport.script = lambda _: LATER
    queue_id = await post.accept("a@one.example", timing=Timing(4))
    await post.idle()
    found = post.store.peek(queue_id)
    assert found is not None
    assert lead_of(found) == 4 * LEAD
    assert lead_of(entry("a@one.example")) == 0.0


# -- a later release --------------------------------------------------------------------------------------------------


async def test_it_is_not_tried_before_its_release(post: Post) -> None:
    release = post.clock.now() + 3 * DAY
    queue_id = await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.idle()
    assert post.transport.calls == []
    assert post.store.entry(queue_id) is None, "it waits as a row"
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert (row.state, row.reason) == ("deferred", f"to be released at {rfc5322_date(release)}")
    assert row.recipients[0].next_due == pytest.approx(release)
    await post.advance(3 * DAY - 1)
    assert post.transport.calls == []
    await post.advance(1.1)
    assert post.transport.seen == [("mx:one.example", (0,))]
    assert post.queued() == []


async def test_several_destinations_wait_on_the_agenda(post: Post) -> None:
    release = post.clock.now() + DAY
    queue_id = await post.accept("a@one.example", "b@two.example", timing=Timing(release_at=release))
    await post.idle()
    assert post.transport.calls == []
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert row.reason.startswith("to be released at")
    assert post.scheduler.retry(destination="mx:one.example") == 0
    await post.idle()
    assert post.transport.calls == []
    await post.advance(DAY + 0.1)
    assert sorted(post.transport.seen) == [("mx:one.example", (0,)), ("mx:two.example", (1,))]


@pytest.mark.parametrize("recipients", [["a@one.example"], ["a@one.example", "b@two.example"]])
async def test_a_restart_does_not_release_it(recipients: list[str]) -> None:
    post = await Post().start()
    release = post.clock.now() + DAY
    await post.accept(*recipients, timing=Timing(release_at=release))
    await post.idle()
    post.clock.advance(DAY / 2)
    post = await (await post.again()).start()
    await post.scheduler.loaded()
    await post.idle()
    assert post.transport.calls == []
    assert post.scheduler.next_due() == pytest.approx(release, abs=0.01)
    await post.advance(DAY / 2 + 0.1)
    assert len(post.transport.seen) == len(recipients)
    await post.stop()


async def test_an_operator_releases_it_and_a_destination_does_not(post: Post) -> None:
    release = post.clock.now() + DAY
    first = await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.accept("b@one.example", timing=Timing(release_at=release))
    await post.idle()
    assert post.scheduler.retry(destination="mx:one.example") == 0
    await post.idle()
    assert post.transport.calls == []
    assert post.scheduler.retry([first]) == 1
    await post.idle()
    assert len(post.transport.calls) == 1
    assert post.scheduler.retry() == 1
    await post.idle()
    assert len(post.transport.calls) == 2
    assert post.queued() == []


async def test_released_by_an_operator_it_does_not_wait_for_the_day_again(post: Post) -> None:
    release = post.clock.now() + DAY
    queue_id = await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.idle()
    post.transport.script = lambda _: LATER
    post.scheduler.retry([queue_id])
    await post.idle()
    due = post.scheduler.next_due()
    assert due is not None
    assert due < post.clock.now() + 600
    assert post.scheduler.view(queue_id).reason == ""  # type: ignore[union-attr]


async def test_hold_and_release_do_not_bring_it_forward(post: Post) -> None:
    release = post.clock.now() + DAY
    queue_id = await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.idle()
    assert await post.scheduler.hold([queue_id]) == 1
    assert await post.scheduler.release([queue_id]) == 1
    await post.idle()
    assert post.transport.calls == []
    await post.advance(DAY + 0.1)
    assert len(post.transport.calls) == 1


async def test_its_lifetime_begins_with_its_release() -> None:
    post = await Post().start()
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else LATER
    release = post.clock.now() + 20 * DAY
    queue_id = await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.advance(20 * DAY + 0.1)
    assert len(post.transport.calls) == 1
    await post.live(lambda: queue_id not in post.queued())
    assert post.clock.now() == pytest.approx(release + 5 * DAY, abs=1)
    assert [line["event"] for line in post.log("expired")] == ["expired"]
    await post.stop()


async def test_a_destination_that_is_suspended_when_it_is_released(post: Post) -> None:
    release = post.clock.now() + DAY
    answers: list[Outcome | Postponed] = [Postponed(release + 100, "resting"), OK]
    post.transport.script = lambda _: answers.pop(0)
    await post.accept("a@one.example", timing=Timing(release_at=release))
    await post.advance(DAY + 0.1)
    assert len(answers) == 1
    await post.advance(101)
    assert answers == []


def test_when_it_is_due_again() -> None:
    born = 1.0
    late = scheduled(10 * DAY)
    assert wait_for_release(late, 4 * DAY) == 6 * DAY
    assert wait_for_release(late, 11 * DAY) == 0.0
    assert wait_for_release(entry("a@one.example"), 1.0) == 0.0
    late.attempts = 1
    assert wait_for_release(late, 4 * DAY) == 0.0
    assert due_again(late, 10 * DAY, schedule=STEADY, local=False) == 10 * DAY + 400
    early = due_again(late, 8 * DAY, schedule=STEADY, local=False)
    assert early == pytest.approx(8 * DAY + 400 + 40 * (8 * DAY - born) ** 0.5)
    assert due_again(late, 15 * DAY - 5, schedule=STEADY, local=False) == 15 * DAY


def test_it_expires_a_lifetime_after_its_release() -> None:
    late = scheduled(10 * DAY)
    before = settle(late, (0,), {0: LATER}, schedule=STEADY, now=15 * DAY - 1, local=False)
    assert (before.failures, before.deferred) == ({}, (0,))
    after = settle(late, (0,), {0: LATER}, schedule=STEADY, now=15 * DAY, local=False)
    assert after.failures[0].cause is Cause.EXPIRED

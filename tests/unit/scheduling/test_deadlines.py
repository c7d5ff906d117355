"""Deadlines of senders (RFC 2852): returned by then, or told of."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncmta.mail.envelope import Consignment, Timing
from asyncmta.mail.outcome import Cause, Deferred, Outcome, Postponed
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import due_again, is_to_be_told, is_too_late, settle
from asyncmta.spool.failures import JournalFailed
from tests.unit.scheduling.schedulingkit import DAY, LATER, OK, Post, Result
from tests.unit.scheduling.test_tags import entry

STEADY = RetrySchedule(jitter=0.0)
HOUR = 3_600.0


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    made.transport.script = later_but_reports
    yield made
    await made.stop()


def later_but_reports(consignment: Consignment) -> Outcome | Result | None:
    return OK if consignment.envelope.reverse_path is None else LATER


def by(post: Post, mode: str, seconds: float = HOUR) -> Timing:
    return Timing(deliver_by=post.clock.now() + seconds, by_mode=mode)


# -- returned ---------------------------------------------------------------------------------------------------------


async def test_what_is_not_delivered_in_time_is_returned(post: Post) -> None:
    timing = by(post, "R")
    queue_id = await post.accept("a@one.example", timing=timing)
    await post.live(lambda: queue_id not in post.queued())
    assert post.clock.now() == pytest.approx(timing.deliver_by, abs=0.1)
    assert [line["event"] for line in post.log("expired")] == ["expired"]
    assert len(post.dsns()) == 1


async def test_no_attempt_is_begun_when_its_time_is_over(post: Post) -> None:
    queue_id = await post.accept("a@one.example", timing=by(post, "R"))
    await post.idle()
    tried = len(post.transport.calls)
    await post.advance(2 * HOUR)
    assert post.queued() == []
    assert [call for call in post.transport.calls[tried:] if call[0].queue_id == queue_id] == []
    assert len(post.dsns()) == 1


async def test_a_restart_keeps_the_deadline() -> None:
    post = await Post().start()
    post.transport.script = later_but_reports
    timing = by(post, "R")
    queue_id = await post.accept("a@one.example", timing=timing)
    await post.idle()
    post = await (await post.again()).start()
    post.transport.script = later_but_reports
    await post.scheduler.loaded()
    await post.live(lambda: queue_id not in post.queued())
    assert post.clock.now() == pytest.approx(timing.deliver_by, abs=0.1)
    await post.stop()


async def test_a_suspended_destination_does_not_make_it_miss_its_deadline(post: Post) -> None:
    timing = by(post, "R")
    resting = Postponed(post.clock.now() + 2 * HOUR, "resting")
    post.transport.script = lambda each: OK if each.envelope.reverse_path is None else resting
    queue_id = await post.accept("a@one.example", timing=timing)
    await post.live(lambda: queue_id not in post.queued())
    assert post.clock.now() == pytest.approx(timing.deliver_by, abs=0.1)


# -- told -------------------------------------------------------------------------------------------------------------


async def test_the_sender_is_told_once_and_the_message_is_tried_on(post: Post) -> None:
    timing = by(post, "N")
    queue_id = await post.accept("a@one.example", timing=timing)
    await post.live(lambda: bool(post.dsns()))
    assert post.clock.now() == pytest.approx(timing.deliver_by, abs=0.1)
    assert queue_id in post.queued()
    assert post.store.entry(queue_id) is None, "it waits as a row again"
    assert [line["level"] for line in post.log("delay_reported")] == ["info"]
    await post.advance(4 * DAY)
    assert len(post.dsns()) == 1
    await post.live(lambda: not post.queued())
    assert len(post.dsns()) == 2, "the second one says that it has failed"
    assert post.clock.now() > timing.deliver_by + 3 * DAY


async def test_it_is_told_also_after_a_restart_and_only_once() -> None:
    post = await Post().start()
    post.transport.script = later_but_reports
    await post.accept("a@one.example", "b@two.example", timing=by(post, "N"))
    await post.idle()
    post.clock.advance(2 * HOUR)
    post = await (await post.again()).start()
    post.transport.script = later_but_reports
    await post.scheduler.loaded()
    await post.live(lambda: bool(post.dsns()))
    post = await (await post.again()).start()
    post.transport.script = later_but_reports
    await post.advance(DAY)
    assert post.dsns() == []
    await post.stop()


async def test_who_was_delivered_at_the_last_moment_is_not_told_of(post: Post) -> None:
    queue_id = await post.accept("a@one.example", "b@two.example", timing=by(post, "N"))
    await post.idle()
    post.transport.script = lambda each: OK if each.destination != "mx:two.example" else LATER
    await post.live(lambda: bool(post.dsns()))
    found = post.store.peek(queue_id)
    assert found is not None
    assert (found.warned, found.pending()) == (True, (1,))


async def test_a_report_that_cannot_be_written_is_written_later(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    await post.accept("a@one.example", timing=by(post, "N"))
    await post.idle()
    commit, refusals = post.store.commit, []

    async def refuse(*records: object) -> None:
        refusals.append(records)
        raise JournalFailed("no space", full=True)

    monkeypatch.setattr(post.store, "commit", refuse)
    post.clock.advance(HOUR + 0.1)
    while not refusals:
        await post.clock.settle(5)
    assert post.dsns() == []
    monkeypatch.setattr(post.store, "commit", commit)
    await post.advance(61)
    assert len(post.dsns()) == 1


# -- decisions --------------------------------------------------------------------------------------------------------


def test_when_it_is_too_late_and_when_the_sender_is_to_be_told() -> None:
    returned = entry("a@one.example", timing=Timing(deliver_by=100.0, by_mode="RT"))
    told = entry("a@one.example", timing=Timing(deliver_by=100.0, by_mode="NT"))
    plain = entry("a@one.example")
    assert [is_too_late(returned, at) for at in (99.9, 100.0)] == [False, True]
    assert [is_to_be_told(told, at) for at in (99.9, 100.0)] == [False, True]
    assert not any(is_too_late(each, 1e9) for each in (told, plain))
    assert not any(is_to_be_told(each, 1e9) for each in (returned, plain))
    told.warned = True
    assert not is_to_be_told(told, 100.0)
    late = entry("a@one.example", timing=Timing(deliver_by=0.5, by_mode="N"))
    assert not is_to_be_told(late, 100.0), "whoever sent it to us after its deadline has told of it"


def test_there_is_an_attempt_at_the_deadline() -> None:
    for mode in ("R", "N"):
        message = entry("a@one.example", timing=Timing(deliver_by=200.0, by_mode=mode))
        assert due_again(message, 1.0, schedule=STEADY, local=False) == 200.0
        settled = settle(message, (0,), Postponed(900.0, "resting"), schedule=STEADY, now=1.0, local=False)
        assert settled.due == 200.0
    assert due_again(message, 200.0, schedule=STEADY, local=False) > 600.0
    settled = settle(message, (0,), Postponed(900.0, "resting"), schedule=STEADY, now=200.0, local=False)
    assert settled.due == 900.0


def test_at_the_deadline_a_deferral_is_a_failure_where_it_is_to_be_returned() -> None:
    message = entry("a@one.example", timing=Timing(deliver_by=200.0, by_mode="R"))
    result: dict[int, Outcome] = {0: LATER}
    assert settle(message, (0,), result, schedule=STEADY, now=199.0, local=False).due == 200.0
    failed = settle(message, (0,), result, schedule=STEADY, now=200.0, local=False).failures[0]
    assert (failed.cause, failed.reply) == (Cause.EXPIRED, LATER.reply)
    assert isinstance(LATER, Deferred)

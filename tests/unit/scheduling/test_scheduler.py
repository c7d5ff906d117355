"""The scheduler over a real store: what is tried when, and what follows."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator

import pytest

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Outcome, Postponed
from asyncmta.scheduling.scheduler import SchedulerSettings
from asyncmta.spool.records import Attempted
from tests.unit.scheduling.schedulingkit import DAY, LATER, NEVER, OK, WIRE, Post, Result


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post().start()
    yield made
    await made.stop()


# -- the way of most messages -----------------------------------------------------------------------------------------


async def test_a_new_message_reaches_the_transport_within_add(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example", add=False)
    assert post.transport.calls == []
    post.scheduler.add(queue_id)
    ((consignment,),) = post.transport.calls
    assert consignment.queue_id == queue_id
    assert (consignment.destination, consignment.ordinals) == ("mx:one.example", (0,))
    assert (consignment.accepted_at, consignment.attempts) == (post.clock.now(), 0)
    assert consignment.content.size > 0
    assert not post.scheduler.is_idle
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    assert [line["event"] for line in post.log("delivered", "retired", "bounced")] == ["delivered", "retired"]


async def test_a_thousand_recipients_in_a_hundred_domains_are_one_call(post: Post) -> None:
    post.transport.script = lambda _: None
    await post.accept(*(f"r{number}@d{number % 100}.example" for number in range(1_000)))
    (call,) = post.transport.calls
    assert len(call) == 100
    assert all(len(consignment.ordinals) == 10 for consignment in call)
    assert sorted(ordinal for consignment in call for ordinal in consignment.ordinals) == list(range(1_000))


async def test_the_same_message_added_twice_is_tried_once(post: Post) -> None:
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    post.scheduler.add(queue_id)
    several = await post.accept("a@one.example", "b@two.example")
    post.scheduler.add(several)
    assert len(post.transport.calls) == 2


async def test_an_unknown_message_is_not_added(post: Post) -> None:
    post.scheduler.add(post.store.next_queue_id())
    assert post.transport.calls == []


# -- again ------------------------------------------------------------------------------------------------------------


async def test_a_deferred_message_is_tried_again_when_it_is_due(post: Post) -> None:
    post.transport.script = lambda _: LATER
    await post.accept("a@one.example")
    await post.idle()
    due = post.scheduler.next_due()
    assert due is not None
    assert 360 <= due - post.clock.now() <= 440
    await post.advance(due - post.clock.now() - 1)
    assert len(post.transport.calls) == 1
    post.transport.script = lambda _: OK
    await post.advance(1)
    assert [call[0].attempts for call in post.transport.calls] == [0, 1]
    assert post.queued() == []
    (line,) = post.log("deferred")
    assert line["reply"] == "450 4.2.1 come back later"


async def test_only_the_deferred_recipients_are_tried_again(post: Post) -> None:
    post.transport.script = lambda _: {0: OK, 1: LATER, 2: OK, 3: LATER}
    await post.accept("a@one.example", "b@one.example", "c@one.example", "d@one.example")
    post.transport.script = lambda _: OK
    await post.advance(500)
    assert post.transport.seen == [("mx:one.example", (0, 1, 2, 3)), ("mx:one.example", (1, 3))]


async def test_after_the_lifetime_the_sender_is_told_what_was_last_said(post: Post) -> None:
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else LATER
    began = post.clock.now()
    await post.accept("a@one.example")
    steps = await post.live(until=lambda: not post.queued())
    assert 30 <= steps <= 40
    assert post.clock.now() - began == pytest.approx(5 * DAY, abs=1)
    (line,) = post.log("expired")
    assert line["reply"] == "450 4.2.1 come back later"
    ((dsn,),) = post.dsns()
    assert str(dsn.envelope.recipients[0].address) == "me@sender.example"


async def test_what_has_to_wait_does_so_without_its_content_in_memory(post: Post) -> None:
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else None
    deferred, mixed = await post.accept("a@one.example"), await post.accept("a@one.example", "b@one.example")
    assert isinstance(post.store.read_content(deferred), tuple)
    post.transport.finish({0: LATER, 1: NEVER})
    await post.idle()
    for queue_id in (deferred, mixed):
        content = post.store.read_content(queue_id)
        assert not isinstance(content, tuple)
        assert b"".join([chunk async for chunk in content]) == WIRE


async def test_what_was_postponed_comes_back_then_and_leaves_no_record(post: Post) -> None:
    until = post.clock.now() + 77
    post.transport.script = lambda _: Postponed(until, "suspended")
    queue_id = await post.accept("a@one.example")
    await post.idle()
    assert post.scheduler.next_due() == pytest.approx(until, abs=1e-3)
    entry = post.store.peek(queue_id)
    assert entry is not None
    assert entry.attempts == 0
    post.transport.script = lambda _: OK
    await post.advance(77)
    assert post.queued() == []


async def test_what_is_only_postponed_expires_too(post: Post) -> None:
    post.transport.script = lambda consignment: (
        OK if consignment.envelope.reverse_path is None else Postponed(post.clock.now() + DAY, "suspended")
    )
    await post.accept("a@one.example")
    assert await post.live(until=lambda: not post.queued()) == 5
    (line,) = post.log("expired")
    assert "suspended" in line["reply"]
    assert len(post.dsns()) == 1


# -- failures and their reports ---------------------------------------------------------------------------------------


async def test_local_and_remote_failures_of_one_pass_are_one_report(post: Post) -> None:
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else None
    await post.accept("a@here.example", "b@remote.example", "c@slow.example")
    post.transport.finish(NEVER, of="local:here.example")
    post.transport.finish(NEVER, of="mx:remote.example")
    await asyncio.sleep(0.01)
    assert post.dsns() == [], "the pass has not ended"
    post.transport.finish(OK, of="mx:slow.example")
    await post.idle()
    (dsn,) = post.dsns()
    assert len(dsn) == 1
    (line,) = post.log("bounced")
    assert line["recipients"] == 2
    assert post.queued() == []


async def test_one_report_for_each_pass_and_never_anybody_twice(post: Post) -> None:
    """Seed Q-10: two refused at first, one at the third try, one expired, one delivered at last."""
    tries = 0

    def script(consignment: Consignment) -> Outcome | Result:
        nonlocal tries
        if consignment.envelope.reverse_path is None:
            return OK
        tries += 1
        answers: dict[int, Outcome] = {0: NEVER, 1: NEVER, 2: NEVER if tries == 3 else LATER, 3: LATER, 4: LATER}
        if tries == 20:
            answers[4] = OK
        return {ordinal: answers[ordinal] for ordinal in consignment.ordinals}

    post.transport.script = script
    await post.accept(*(f"r{number}@one.example" for number in range(5)))
    await post.live(until=lambda: not post.queued())
    assert [line["recipients"] for line in post.log("bounced")] == [2, 1, 1]
    assert len(post.dsns()) == 3
    assert len(post.log("failed")) == 3
    assert len(post.log("expired")) == 1


async def test_a_dsn_that_fails_is_not_answered(post: Post) -> None:
    post.transport.script = lambda _: NEVER
    await post.accept("a@one.example")
    await post.idle()
    assert len(post.transport.calls) == 2, "the message and its DSN"
    assert [line["discarded"] for line in post.log("bounced")] == [False, True]
    assert post.queued() == []
    assert len(post.log("retired")) == 2


async def test_a_failure_is_durable_together_with_its_report(post: Post) -> None:
    post.transport.script = lambda consignment: NEVER if consignment.envelope.reverse_path is not None else None
    queue_id = await post.accept("a@one.example")
    async with asyncio.timeout(5):
        await post.scheduler.until(lambda: len(post.transport.calls) == 2)
    assert len(post.queued()) == 1, "the DSN alone: message and report were applied by one commit"
    assert queue_id not in post.queued()
    following = await (await post.again()).start()
    await following.idle()
    ((dsn,),) = following.transport.calls
    assert dsn.envelope.reverse_path is None
    await following.stop()


async def test_failures_that_cannot_be_recorded_are_kept_and_told_later(post: Post) -> None:
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else None
    queue_id = await post.accept("a@one.example")
    await post.store.flush()
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    post.transport.finish(NEVER)
    await asyncio.sleep(0.05)
    assert len(post.log("report_failed")) == 1
    assert queue_id in post.queued()
    assert not post.scheduler.is_idle
    await post.advance(60)
    assert len(post.dsns()) == 1
    assert post.queued() == []


# -- limits -----------------------------------------------------------------------------------------------------------


async def test_no_more_are_in_hand_than_there_is_room_for() -> None:
    post = await Post(in_hand=40, quantum=10).start()
    post.transport.script = lambda _: None
    for number in range(60):
        await post.accept(f"a@d{number}.example")
    assert len(post.transport.running) == 40
    consignment, done = post.transport.running.pop(0)
    done(consignment, {0: OK})
    await asyncio.sleep(0)
    assert len(post.transport.running) == 39, "it waits for room for a quantum"
    for consignment, done in [post.transport.running.pop(0) for _ in range(9)]:
        done(consignment, {0: OK})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(post.transport.running) == 40
    post.transport.script = lambda _: OK
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    await post.stop()


async def test_a_destination_has_its_share_and_others_go_by() -> None:
    post = await Post(share=5, quantum=2).start()
    post.transport.script = lambda consignment: None if consignment.destination == "mx:hole.example" else OK
    for number in range(20):
        await post.accept(f"r{number}@hole.example")
    await post.accept("a@other.example")
    assert len(post.transport.running) == 5
    assert post.transport.seen[-1] == ("mx:other.example", (0,))
    post.transport.script = lambda _: OK
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    await post.stop()


async def test_a_long_list_does_not_keep_a_single_message_waiting() -> None:
    post = await Post(in_hand=60, quantum=30).start()
    post.transport.script = lambda _: None
    await post.accept(*(f"r{number}@list.example" for number in range(300)))
    await post.accept("a@single.example")
    (consignment, done) = post.transport.running.pop(0)
    assert len(consignment.ordinals) == 60
    done(consignment, dict.fromkeys(consignment.ordinals, OK))
    for _ in range(3):
        await asyncio.sleep(0)
    assert ("mx:single.example", (0,)) in post.transport.seen
    post.transport.script = lambda _: OK
    post.transport.finish(OK)
    await post.idle()
    assert post.queued() == []
    await post.stop()


async def test_when_output_is_far_behind_new_mail_has_to_wait() -> None:
    post = await Post(in_hand=1, quantum=1, high_water=3).start()
    post.transport.script = lambda _: None
    for number in range(4):
        await post.accept(f"a@d{number}.example")
        assert post.scheduler.pressure() is None
    await post.accept("a@last.example")
    pressure = post.scheduler.pressure()
    assert pressure is not None
    assert (pressure.code, str(pressure.enhanced)) == (451, "4.3.2")
    post.transport.script = lambda _: OK
    post.transport.finish(OK)
    await post.idle()
    assert post.scheduler.pressure() is None
    await post.stop()


@pytest.mark.parametrize("wrong", [{"quantum": 0}, {"in_hand": 10}, {"share": 0}, {"high_water": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SchedulerSettings(**wrong)


# -- transports that break the rules ----------------------------------------------------------------------------------


async def test_a_transport_that_raises_defers_that_message_only(post: Post) -> None:
    def script(consignment: Consignment) -> Outcome:
        if consignment.destination == "mx:bug.example":
            raise RuntimeError("a bug")
        return OK

    post.transport.script = script
    queue_id = await post.accept("a@fine.example", "b@bug.example", "c@fine.example")
    await post.accept("a@other.example")
    await post.idle()
    assert len(post.log("transport_failed")) == 1
    assert post.queued() == [queue_id]
    entry = post.store.entry(queue_id)
    assert entry is not None
    assert {outcome.cause for _, outcome in entry.last.values()} == {Cause.INTERNAL}
    assert 1 in entry.pending()
    assert set(entry.last) == set(entry.pending()), "whoever was not settled when it raised is deferred"


async def test_an_attempt_that_is_settled_twice_counts_once(post: Post) -> None:
    post.transport.script = lambda _: None
    await post.accept("a@one.example")
    ((consignment, done),) = post.transport.running
    done(consignment, {0: OK})
    done(consignment, {0: NEVER})
    await post.idle()
    assert post.queued() == []
    assert len(post.log("settled_twice")) == 1
    assert post.dsns() == []


async def test_a_message_that_memory_does_not_hold_is_recalled(post: Post) -> None:
    post.transport.script = lambda _: LATER
    queue_id = await post.accept("a@one.example")
    await post.idle()
    post.store.packed = frozenset([queue_id])
    post.transport.script = lambda _: OK
    await post.advance(500)
    assert len(post.transport.calls) == 2
    post.store.packed = frozenset()
    assert post.queued() == []


async def test_a_message_that_has_gone_is_forgotten(post: Post) -> None:
    post.transport.script = lambda _: LATER
    queue_id = await post.accept("a@one.example")
    await post.idle()
    post.store._ledger.discard(queue_id)
    await post.advance(500)
    assert len(post.transport.calls) == 1
    assert post.scheduler.next_due() is None


# -- starting and stopping --------------------------------------------------------------------------------------------


async def test_a_restart_goes_on_where_the_ledger_says() -> None:
    first = await Post().start()
    first.transport.script = lambda consignment: OK if consignment.destination == "mx:good.example" else LATER
    deferred = await first.accept("a@bad.example", "b@good.example")
    await first.idle()
    due = first.scheduler.next_due()
    never_tried = await first.accept("a@new.example", add=False)
    second = await (await first.again()).start()
    await second.idle()
    assert [call[0].queue_id for call in second.transport.calls] == [never_tried]
    assert second.scheduler.next_due() == pytest.approx(due, abs=1e-3), "jitter and all"
    await second.advance(500)
    assert [call[0].queue_id for call in second.transport.calls] == [never_tried, deferred]
    assert second.transport.seen[-1] == ("mx:bad.example", (0,))
    assert second.queued() == []
    await second.stop()


async def test_overdue_mail_is_spread_after_a_restart() -> None:
    first = await Post().start()
    first.transport.script = lambda _: LATER
    for number in range(400):
        await first.accept(f"a@d{number}.example")
    await first.idle()
    second = await first.again()
    second.clock.advance(DAY)
    await second.start()
    counts = []
    for _ in range(3):
        await second.idle()
        counts.append(len(second.transport.calls))
        second.clock.advance(1)
    assert counts[0] < 10
    assert 190 <= counts[1] <= 210
    assert counts[2] == 400
    await second.stop()


async def test_a_failure_that_was_never_reported_is_reported_at_start() -> None:
    first = await Post().start()
    first.transport.script = lambda _: None
    queue_id = await first.accept("a@one.example", "b@two.example")
    await first.store.commit(Attempted(queue_id, first.clock.now(), {0: NEVER}))
    second = await (await first.again()).start()
    await second.idle()
    assert len(second.dsns()) == 1
    assert ("mx:two.example", (1,)) in second.transport.seen
    assert second.queued() == []
    await second.stop()


async def test_new_mail_is_tried_while_a_full_queue_is_loaded() -> None:
    first = await Post().start()
    first.transport.script = lambda _: None
    for number in range(50):
        await first.accept(f"a@d{number}.example", add=False)
    second = await (await first.again()).open()
    second.transport.script = lambda _: None
    second.scheduler.start()
    assert second.transport.calls == [], "start does not load in its own turn"
    await second.accept("a@new.example")
    await asyncio.sleep(0.01)
    assert len(second.transport.calls) == 51
    second.transport.finish(OK)
    await second.idle()
    await second.stop()


async def test_a_stop_waits_for_what_is_in_hand_and_takes_nothing_more() -> None:
    post = await Post().start()
    post.transport.script = lambda _: None
    await post.accept("a@one.example")
    stopping = asyncio.create_task(post.scheduler.stop(30))
    await post.clock.settle()
    assert not stopping.done()
    await post.accept("a@two.example")
    assert len(post.transport.calls) == 1
    post.transport.finish(LATER)
    await asyncio.wait_for(stopping, 5)
    await post.store.flush()
    assert len(post.queued()) == 2
    assert len(post.log("deferred")) == 1
    await post.stop()


async def test_a_stop_gives_up_after_its_grace() -> None:
    post = await Post().start()
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    stopping = asyncio.create_task(post.scheduler.stop(30))
    await post.clock.settle()
    post.clock.advance(29)
    await post.clock.settle()
    assert not stopping.done()
    post.clock.advance(1)
    await asyncio.wait_for(stopping, 5)
    assert post.queued() == [queue_id]
    await post.stop()


async def test_a_stop_waits_for_the_report_of_what_has_failed() -> None:
    post = await Post().start()
    post.transport.script = lambda _: None
    queue_id = await post.accept("a@one.example")
    stopping = asyncio.create_task(post.scheduler.stop(30))
    await post.clock.settle()
    post.transport.finish(NEVER)
    await asyncio.wait_for(stopping, 5)
    (left,) = post.queued()
    assert left != queue_id, "it is the DSN, which the next start tries"
    await post.stop()

"""What is told, and when: at the end of a pass or a while after its first failure, once, also across a crash."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from asyncmta.mail.envelope import NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS, Consignment
from asyncmta.mail.outcome import Delivered, Handover, Outcome, Recorded
from asyncmta.mail.reply import reply
from asyncmta.spool.records import Attempted
from tests.unit.scheduling.schedulingkit import DAY, LATER, NEVER, OK, Post

Make = Callable[..., Post]


@pytest.fixture
async def make():
    made: list[Post] = []

    async def start(**settings):
        post = await Post(**settings).start()
        made.append(post)
        return post

    yield start
    for post in made:
        await post.stop()


def slow(consignment: Consignment) -> Outcome | None:
    """DSNs arrive, gone.example fails at once, the others stay in hand."""
    if consignment.envelope.reverse_path is None:
        return OK
    return NEVER if consignment.destination == "mx:gone.example" else None


async def told(post: Post) -> list[list[str]]:
    """Of whom each DSN tells, from the records: ordinals by DSN."""
    return [line["recipients"] for line in post.log("bounced")]


async def test_news_does_not_wait_for_a_slow_site(make):
    post = await make(report_after=60.0)
    post.transport.script = slow
    queue_id = await post.accept("a@gone.example", "b@slow.example", "c@slower.example")
    await post.clock.settle()
    assert post.dsns() == []
    post.clock.advance(59)
    await post.clock.settle()
    assert post.dsns() == []
    post.clock.advance(2)
    await post.scheduler.until(lambda: len(post.dsns()) == 1)
    assert await told(post) == [1]
    assert post.store.entry(queue_id).failed() == {}
    post.transport.finish(NEVER, of="mx:slow.example")
    post.clock.advance(3_600)
    await post.clock.settle()
    assert len(post.dsns()) == 1, "what fails later in the pass waits for its end"
    post.transport.finish(NEVER)
    await post.idle()
    assert await told(post) == [1, 2]
    assert post.queued() == []


async def test_without_a_delay_the_pass_is_waited_for(make):
    post = await make(report_after=0.0)
    post.transport.script = slow
    await post.accept("a@gone.example", "b@slow.example")
    post.clock.advance(DAY)
    await post.clock.settle()
    assert post.dsns() == []
    post.transport.finish(OK)
    await post.idle()
    assert await told(post) == [1]


async def test_a_pass_that_ended_in_time_is_told_of_once(make):
    post = await make(report_after=60.0)
    post.transport.script = slow
    for number in range(3):
        await post.accept("a@gone.example", f"b@slow{number}.example")
    post.transport.finish(OK)
    await post.idle()
    post.clock.advance(120)
    await post.idle()
    assert await told(post) == [1, 1, 1]


async def test_two_passes_and_two_timers(make):
    post = await make(report_after=60.0)
    post.transport.script = slow
    await post.accept("a@gone.example", "b@slow.example")
    post.clock.advance(30)
    await post.accept("a@gone.example", "b@slower.example")
    post.clock.advance(31)
    await post.scheduler.until(lambda: len(post.dsns()) == 1)
    post.clock.advance(30)
    await post.scheduler.until(lambda: len(post.dsns()) == 2)
    post.transport.finish(OK)
    await post.idle()
    assert await told(post) == [1, 1]


async def test_a_report_in_the_middle_that_cannot_be_written_is_not_lost(make):
    post = await make(report_after=60.0)
    post.transport.script = slow
    await post.accept("a@gone.example", "b@slow.example")
    post.disk.fail_at(1, errno.ENOSPC, only=("writev",))
    post.clock.advance(61)
    await post.scheduler.until(lambda: bool(post.log("report_failed")))
    post.transport.finish(NEVER)
    post.clock.advance(61)
    await post.idle()
    assert sum(await told(post)) == 2
    assert post.queued() == []


@pytest.mark.parametrize("notify", [NOTIFY_SUCCESS, NOTIFY_SUCCESS | NOTIFY_FAILURE])
async def test_a_delivery_is_told_of_with_the_failures_of_its_pass(make, notify):
    post = await make()
    post.transport.script = lambda consignment: (
        OK if consignment.envelope.reverse_path is None or consignment.destination == "mx:one.example" else NEVER
    )
    queue_id = await post.accept("a@one.example", "b@two.example", notify=notify)
    await post.idle()
    (line,) = post.log("bounced")
    assert line["recipients"] == 2
    assert line["action"] == "failed, delivered"
    assert line.get("reason") == (None if notify & NOTIFY_FAILURE else "its sender does not want to know")
    assert post.queued() == []
    assert post.store.entry(queue_id) is None or post.store.entry(queue_id).is_closed


async def test_a_delivery_nobody_asked_about_is_told_to_nobody(make):
    post = await make()
    for notify in (0, NOTIFY_NEVER, NOTIFY_FAILURE):
        await post.accept("a@one.example", notify=notify)
    await post.accept("a@one.example", notify=NOTIFY_SUCCESS, sender=None)
    await post.idle()
    assert post.log("bounced") == []


async def test_an_expansion_that_is_recorded_is_told_of(make):
    """As the forwarder does it: its record is in the journal before the attempt ends."""
    post = await make()
    queue_id = await post.accept("a@here.example", notify=NOTIFY_SUCCESS, add=False)
    expanded = Delivered(reply(250, "2.1.5", "expanded to 3"), handover=Handover.EXPANDED, owed=True)
    await post.store.commit(Attempted(queue_id, post.clock.now(), {0: expanded}))
    post.transport.script = lambda consignment: (
        OK if consignment.envelope.reverse_path is None else Recorded({0: expanded}, frozenset({0}))
    )
    entry = post.store.entry(queue_id)
    assert not entry.is_closed
    post.scheduler.put(entry, (0,))
    await post.idle()
    (line,) = post.log("bounced")
    assert (line["recipients"], line["action"], line["discarded"]) == (1, "delivered", False)
    assert post.queued() == []


@pytest.mark.parametrize("crash", [True, False])
async def test_what_is_owed_survives_its_process(make, crash):
    post = await make(report_after=0.0)
    post.transport.script = lambda consignment: OK if consignment.destination == "mx:one.example" else None
    queue_id = await post.accept("a@one.example", "b@two.example", notify=NOTIFY_SUCCESS)
    await post.store.flush()
    assert list(post.store.entry(queue_id).owed()) == [0]
    following = await (await post.again(crash=crash)).start()
    await following.idle()
    assert following.transport.seen[0][0] == "mx:two.example"
    assert sum(line["recipients"] for line in following.log("bounced")) == 2
    assert following.queued() == []
    await following.stop()


async def test_soft_means_that_nothing_fails_before_its_lifetime(make):
    post = await make(soft=True)
    post.transport.script = lambda consignment: OK if consignment.envelope.reverse_path is None else NEVER
    await post.accept("a@one.example")
    await post.idle()
    (line,) = post.log("deferred")
    assert line["reply"].startswith("550 5.1.1")
    assert post.log("failed", "bounced") == []
    await post.live(lambda: post.queued() == [])
    assert len(post.log("expired")) == 1
    assert await told(post) == [1]


async def test_a_warning_and_a_failure_of_one_pass_are_two_reports_and_no_more(make):
    post = await make(warn_after=3_600.0)
    post.transport.script = lambda consignment: (
        OK if consignment.envelope.reverse_path is None else dict.fromkeys(consignment.ordinals, LATER)
    )
    await post.accept("a@one.example", "b@one.example")
    await post.live(lambda: bool(post.log("delay_reported")))
    post.transport.script = lambda consignment: (
        OK if consignment.envelope.reverse_path is None else {at: (NEVER, LATER)[at] for at in consignment.ordinals}
    )
    await post.live(lambda: bool(post.log("bounced")))
    await post.live(lambda: post.queued() == [])
    assert len(post.log("delay_reported")) == 1
    assert await told(post) == [1, 1]


async def test_a_bounce_is_never_late(make):
    post = await make(warn_after=60.0)
    post.transport.script = lambda _: LATER
    await post.accept("a@one.example", sender=None)
    await post.live(lambda: post.queued() == [])
    assert post.log("delay_reported") == []
    assert post.dsns() == [call for call in post.transport.calls if call]

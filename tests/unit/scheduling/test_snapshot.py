"""What people are shown of a message, in each state that it can be in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.scheduling.snapshot import RecipientRow, damaged_row
from asyncmta.spool.records import Attempted
from asyncmta.spool.recovery import Damage
from tests.unit.scheduling.schedulingkit import LATER, NEVER, OK, WIRE, Post


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = await Post(in_hand=2, quantum=2, share=2).start()
    yield made
    await made.stop()


async def test_a_message_that_waits_says_for_what_and_until_when(post: Post) -> None:
    post.transport.script = lambda _: {0: OK, 1: LATER}
    queue_id = await post.accept("a@one.example", "b@one.example")
    await post.idle()
    due = post.scheduler.next_due()
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert due is not None
    assert row.queue_id == format_queue_id(queue_id)
    assert (row.state, row.sender, row.size, row.attempts, row.total) == (
        "deferred",
        "me@sender.example",
        len(WIRE),
        1,
        2,
    )
    (recipient,) = row.recipients
    assert recipient == RecipientRow(
        address="b@one.example",
        state="deferred",
        next_hop="mx:one.example",
        last_reply="450 4.2.1 come back later",
        next_due=recipient.next_due,
    )
    assert recipient.next_due == pytest.approx(due)
    assert msgspec.json.decode(msgspec.json.encode(row))["recipients"][0]["address"] == "b@one.example"


async def test_messages_in_hand_are_active_and_those_without_room_are_ready(post: Post) -> None:
    post.transport.script = lambda _: None
    for number in range(3):
        await post.accept(f"a@d{number}.example")
    assert [row.state for row in post.scheduler.rows()] == ["active", "active", "ready"]
    ready = list(post.scheduler.rows())[2].recipients[0]
    assert (ready.state, ready.last_reply, ready.next_due) == ("ready", None, pytest.approx(post.clock.now()))


async def test_who_has_failed_is_shown_as_failed_until_the_report(post: Post) -> None:
    post.transport.script = lambda consignment: NEVER if consignment.destination == "mx:one.example" else None
    queue_id = await post.accept("a@one.example", "b@two.example", sender=None)
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert row.sender is None
    assert {each.address: (each.state, each.last_reply) for each in row.recipients} == {
        "a@one.example": ("failed", "550 5.1.1 no such user"),
        "b@two.example": ("active", None),
    }
    assert row.state == "active"
    post.transport.finish(NEVER)
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert row.state == "active"
    await post.idle()
    assert post.scheduler.view(queue_id) is None


async def test_an_unknown_message_is_not_shown(post: Post) -> None:
    assert post.scheduler.view(QueueId(7)) is None
    assert list(post.scheduler.rows()) == []


async def test_a_message_of_which_only_reports_are_left_is_active(post: Post) -> None:
    queue_id = await post.accept("a@one.example", add=False)
    await post.store.commit(Attempted(queue_id, post.clock.now(), {0: NEVER}))
    row = post.scheduler.view(queue_id)
    assert row is not None
    assert (row.state, row.recipients[0].state) == ("active", "failed")


def test_a_damaged_message_is_shown_with_the_reason() -> None:
    row = damaged_row(Damage(1, 0, 0, "a bad checksum", QueueId(5)))
    assert (row.queue_id, row.state, row.reason) == (format_queue_id(QueueId(5)), "damaged", "a bad checksum")

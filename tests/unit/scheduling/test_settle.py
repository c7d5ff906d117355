"""What follows from an attempt, case by case."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Place, Postponed, Recorded, Scope
from asyncmta.mail.reply import reply
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import INTERNAL, Plan, due_again, plan, settle, softened
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted, Attempted

BIRTH = 1_750_000_000.0
DAY = 86_400.0
QUEUE_ID = QueueId(0x1234_5678_9ABC)
PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")
SCHEDULE = RetrySchedule()
STEADY = RetrySchedule(jitter=0.0)

OK = Delivered(reply(250, "2.0.0", "taken"), PLACE)
LATER = Deferred(Cause.REFUSED, reply(450, "4.2.1", "greylisted"), Scope.RECIPIENT, PLACE)
NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"), Scope.RECIPIENT, PLACE)


def entry(people: int = 3, *, sender: str | None = "me@example.org", last: dict[int, float] | None = None) -> Entry:
    recipients = tuple(Recipient(parse_address(f"r{number}@example.net")) for number in range(people))
    envelope = Envelope(parse_address(sender) if sender else None, recipients)
    made = Entry.of(Accepted(QUEUE_ID, BIRTH, envelope, Content(1, b"", False, 1), "192.0.2.9", None), 1, 0)
    made.last = {ordinal: (at, LATER) for ordinal, at in (last or {}).items()}
    return made


def test_a_mixture_is_settled_recipient_by_recipient() -> None:
    now = BIRTH + 5
    result: dict[int, Outcome] = {0: OK, 1: LATER, 2: NEVER}
    settled = settle(entry(), (0, 1, 2), result, schedule=STEADY, now=now, local=False)
    assert settled.attempted == Attempted(QUEUE_ID, now, {0: OK, 1: LATER})
    assert settled.failures == {2: NEVER}
    assert settled.deferred == (1,)
    assert settled.due == pytest.approx(now + 400 + 2 * 20 * 5**0.5)


def test_when_all_are_delivered_nobody_is_due() -> None:
    settled = settle(entry(), (0, 2), {0: OK, 2: OK}, schedule=SCHEDULE, now=BIRTH, local=False)
    assert settled.attempted == Attempted(QUEUE_ID, BIRTH, {0: OK, 2: OK})
    assert (settled.failures, settled.deferred, settled.due) == ({}, (), None)


def test_failures_wait_for_their_report_and_are_not_noted() -> None:
    settled = settle(entry(), (0, 1), {0: NEVER, 1: NEVER}, schedule=SCHEDULE, now=BIRTH, local=False)
    assert settled.attempted is None
    assert settled.failures == {0: NEVER, 1: NEVER}


def test_local_mail_is_tried_again_sooner() -> None:
    settled = settle(entry(), (0,), {0: LATER}, schedule=STEADY, now=BIRTH, local=True)
    assert settled.due == BIRTH + 100


def test_whom_the_transport_forgot_is_deferred() -> None:
    settled = settle(entry(), (0, 1), {0: OK}, schedule=SCHEDULE, now=BIRTH, local=False)
    assert settled.attempted == Attempted(QUEUE_ID, BIRTH, {0: OK, 1: INTERNAL})
    assert settled.deferred == (1,)


def test_whom_the_transport_was_not_given_is_not_settled() -> None:
    settled = settle(entry(), (0,), {0: OK, 1: NEVER}, schedule=SCHEDULE, now=BIRTH, local=False)
    assert settled.attempted == Attempted(QUEUE_ID, BIRTH, {0: OK})
    assert settled.failures == {}


def test_when_the_lifetime_is_over_a_deferral_is_a_failure_with_the_reply_that_was_heard() -> None:
    now = BIRTH + 5 * DAY
    settled = settle(entry(), (0, 1), {0: OK, 1: LATER}, schedule=SCHEDULE, now=now, local=False)
    assert settled.failures == {1: Failed(Cause.EXPIRED, LATER.reply, LATER.scope, PLACE)}
    assert settled.attempted == Attempted(QUEUE_ID, now, {0: OK, 1: LATER}), "the deferral is history all the same"
    assert (settled.deferred, settled.due) == ((), None)


def test_a_dsn_expires_sooner() -> None:
    dsn = entry(1, sender=None)
    assert settle(dsn, (0,), {0: LATER}, schedule=SCHEDULE, now=BIRTH + DAY, local=False).failures
    assert settle(dsn, (0,), {0: LATER}, schedule=SCHEDULE, now=BIRTH + DAY - 1, local=False).due == BIRTH + DAY


def test_what_was_postponed_comes_back_and_leaves_no_record() -> None:
    settled = settle(entry(), (0, 1), Postponed(BIRTH + 90, "suspended"), schedule=SCHEDULE, now=BIRTH + 9, local=False)
    assert settled.attempted is None
    assert (settled.deferred, settled.due) == ((0, 1), BIRTH + 90)


def test_nothing_is_postponed_beyond_its_lifetime() -> None:
    settled = settle(entry(), (0,), Postponed(BIRTH + 9 * DAY, "x"), schedule=SCHEDULE, now=BIRTH + DAY, local=False)
    assert settled.due == BIRTH + 5 * DAY


def test_what_was_only_postponed_expires_with_the_last_reply_or_with_the_reason() -> None:
    tried = entry(2, last={1: BIRTH + 60})
    settled = settle(
        tried, (0, 1), Postponed(BIRTH + 9 * DAY, "suspended"), schedule=SCHEDULE, now=BIRTH + 5 * DAY, local=False
    )
    assert settled.failures[1] == Failed(Cause.EXPIRED, LATER.reply, LATER.scope, PLACE)
    assert settled.failures[0].cause is Cause.EXPIRED
    assert settled.failures[0].reply.text == "It could not be tried: suspended"
    assert (settled.attempted, settled.deferred, settled.due) == (None, (), None)


def test_a_restart_finds_the_due_time_that_was_computed_before_it() -> None:
    now = BIRTH + 12_345.678
    settled = settle(entry(), (0, 1), {0: LATER, 1: OK}, schedule=SCHEDULE, now=now, local=False)
    after = entry(last={0: now})
    (planned,) = plan(
        after, (0,), destination_of=lambda _: "mx:x", is_local=lambda _: False, schedule=SCHEDULE, now=now + 5
    )
    assert planned == Plan("mx:x", (0,), settled.due)


def test_recipients_are_planned_by_destination_and_attempt() -> None:
    known = entry(5, last={1: BIRTH + 10, 2: BIRTH + 20, 3: BIRTH + 10, 4: BIRTH + 10})
    plans = plan(
        known,
        (0, 1, 2, 3, 4),
        destination_of=lambda ordinal: "local:x" if ordinal == 4 else "mx:x",
        is_local=lambda name: name == "local:x",
        schedule=STEADY,
        now=BIRTH + 100,
    )
    assert plans == [
        Plan("mx:x", (0,), None),
        Plan("mx:x", (1, 3), due_again(known, BIRTH + 10, schedule=STEADY, local=False)),
        Plan("mx:x", (2,), due_again(known, BIRTH + 20, schedule=STEADY, local=False)),
        Plan("local:x", (4,), due_again(known, BIRTH + 10, schedule=STEADY, local=True)),
    ]


def test_a_stamp_from_the_future_does_not_delay() -> None:
    known = entry(1, last={0: BIRTH + 365 * DAY})
    (planned,) = plan(
        known, (0,), destination_of=lambda _: "mx:x", is_local=lambda _: False, schedule=STEADY, now=BIRTH
    )
    assert planned.due == BIRTH + 400


def test_softly_nothing_fails_and_the_words_are_kept() -> None:
    later = Deferred(NEVER.cause, NEVER.reply, NEVER.scope, NEVER.place)
    assert softened({0: OK, 1: LATER, 2: NEVER}) == {0: OK, 1: LATER, 2: later}
    assert softened(Recorded({0: OK, 1: NEVER}, frozenset({0}))) == Recorded({0: OK, 1: later}, frozenset({0}))
    postponed = Postponed(1.0, "later")
    assert softened(postponed) is postponed

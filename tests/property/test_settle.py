"""Settling, for any mixture of outcomes at any age: everybody is accounted for once, and whoever is pending is due."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Postponed
from asyncmta.mail.reply import reply
from asyncmta.scheduling.retry import RetrySchedule
from asyncmta.scheduling.settle import plan, settle
from asyncmta.spool.ledger import Ledger
from asyncmta.spool.records import Accepted, Attempted, Reported

PEOPLE = 6
BIRTH = 1_750_000_000.0
QUEUE_ID = QueueId(77)
SCHEDULE = RetrySchedule(lifetime=10_000.0, bounce_lifetime=5_000.0)

RECIPIENTS = tuple(Recipient(parse_address(f"r{number}@example.net")) for number in range(PEOPLE))
SENDER = parse_address("me@example.org")

causes = st.sampled_from([cause for cause in Cause if cause is not Cause.EXPIRED])
outcomes = st.one_of(
    st.builds(Delivered, st.just(reply(250, "2.0.0", "ok"))),
    st.builds(Deferred, causes, st.just(reply(451, "4.0.0", "later"))),
    st.builds(Failed, causes, st.just(reply(550, "5.0.0", "never"))),
)
ordinals = st.sets(st.integers(0, PEOPLE - 1), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
results: st.SearchStrategy[dict[int, Outcome] | Postponed] = st.one_of(
    st.dictionaries(st.integers(0, PEOPLE), outcomes), st.builds(Postponed, st.floats(BIRTH, 2e9), st.just("suspended"))
)
ages = st.floats(0, 12_000)


def ledger(reverse_path_is_null: bool) -> Ledger:
    made = Ledger()
    envelope = Envelope(None if reverse_path_is_null else SENDER, RECIPIENTS)
    made.apply(Accepted(QUEUE_ID, BIRTH, envelope, Content(1, b"", False, 1), "192.0.2.9", None))
    return made


@settings(deadline=None)
@given(ordinals, results, ages, st.booleans(), st.booleans())
def test_everybody_is_accounted_for_once(
    attempt: tuple[int, ...], result: dict[int, Outcome] | Postponed, age: float, null: bool, local: bool
) -> None:
    entry = ledger(null).get(QUEUE_ID)
    assert entry is not None
    now = BIRTH + age
    settled = settle(entry, attempt, result, schedule=SCHEDULE, now=now, local=local)
    noted = settled.attempted.outcomes if settled.attempted is not None else {}
    delivered = [ordinal for ordinal, outcome in noted.items() if isinstance(outcome, Delivered)]
    assert sorted([*delivered, *settled.deferred, *settled.failures]) == list(attempt)
    assert (settled.due is not None) == bool(settled.deferred)
    end = SCHEDULE.expires_at(BIRTH, bounce=null)
    assert settled.due is None or settled.due <= end
    assert not settled.deferred or now < end
    for ordinal, failed in settled.failures.items():
        if failed.cause is Cause.EXPIRED:
            assert now >= end
            last = noted.get(ordinal)
            assert last is None or (isinstance(last, Deferred) and last.reply == failed.reply)


@settings(deadline=None)
@given(st.lists(st.tuples(ordinals, results, st.floats(0, 2_000)), max_size=8), st.booleans())
def test_the_ledger_takes_what_is_settled_and_a_restart_plans_the_rest(
    attempts: list[tuple[tuple[int, ...], dict[int, Outcome] | Postponed, float]], null: bool
) -> None:
    """Several attempts, each at those of its recipients that are still pending, as the scheduler does it."""
    kept = ledger(null)
    entry = kept.get(QUEUE_ID)
    assert entry is not None
    now = BIRTH
    dues: dict[int, float] = {}
    for chosen, result, pause in attempts:
        attempt = tuple(ordinal for ordinal in chosen if ordinal in entry.pending())
        now += pause
        if not attempt:
            continue
        settled = settle(entry, attempt, result, schedule=SCHEDULE, now=now, local=False)
        if settled.attempted is not None:
            kept.apply(settled.attempted)
        if settled.failures:
            kept.apply(Attempted(QUEUE_ID, now, dict(settled.failures)))
            kept.apply(Reported(QUEUE_ID, now, tuple(settled.failures), None))
        if settled.due is not None and not isinstance(result, Postponed):
            dues.update(dict.fromkeys(settled.deferred, settled.due))
    planned = plan(
        entry,
        entry.pending(),
        destination_of=lambda ordinal: f"mx:{ordinal % 2}",
        is_local=lambda _: False,
        schedule=SCHEDULE,
        now=now,
    )
    assert sorted(ordinal for each in planned for ordinal in each.ordinals) == sorted(entry.pending())
    for each in planned:
        for ordinal in each.ordinals:
            assert each.due == dues.get(ordinal)

"""Events as numbers: what is counted under which key, and that peers cannot make up keys."""

from __future__ import annotations

import pytest

from asyncmta import logline
from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Place
from asyncmta.mail.reply import Reply, reply
from asyncmta.tally import REASONS, STAGES, Tally, class_of, reason_of, version_of


def some(counts):
    """Those that are not 0."""
    return {key: count for key, count in counts.items() if count}


ALICE = parse_address("alice@example.org")
OK = reply(250, "2.0.0", "taken")
LATER = reply(451, "4.3.0", "later")
NO = reply(550, "5.1.1", "nobody")


def test_what_is_accepted():
    tally = Tally()
    tally.accepted(tls="", recipients=2, size=100)
    tally.accepted(tls="TLSv1.3 TLS_AES_256_GCM_SHA384", recipients=1, size=50)
    tally.accepted(tls="TLSv1.3", recipients=1, size=50)
    told = tally.read()
    assert some(told.accepted) == {("none",): 1, ("TLSv1.3",): 2}
    assert (told.recipients, told.octets) == (4, 200)


@pytest.mark.parametrize(
    ("tls", "version"),
    [("", "none"), ("TLSv1.2 X", "TLSv1.2"), ("SSLv3", "other"), ("tlsv1.3", "other"), (" ", "other")],
)
def test_versions_of_tls(tls, version):
    assert version_of(tls) == version


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (reply(550, "5.1.1", "nobody"), "address"),
        (reply(452, "4.2.2", "full"), "mailbox"),
        (reply(452, "4.3.1", "disk"), "system"),
        (reply(554, "5.4.6", "loop"), "network"),
        (reply(503, "5.5.1", "order"), "protocol"),
        (reply(554, "5.6.0", "content"), "content"),
        (reply(550, "5.7.1", "relay"), "policy"),
        (reply(550, "5.0.0", "what"), "other"),
        (reply(550, "5.99.1", "what"), "other"),
        (Reply(421, None, ("bye",)), "other"),
    ],
)
def test_reasons_are_subjects_of_enhanced_codes(said, reason):
    assert reason_of(said) == reason
    assert reason in REASONS


def test_refusals_by_stage_class_and_reason():
    tally = Tally()
    tally.refused("RCPT", NO)
    tally.refused("RCPT", NO)
    tally.refused("greeting", Reply(421, None, ("busy",)))
    assert tally.read().refused == {("RCPT", "5xx", "address"): 2, ("greeting", "4xx", "other"): 1}


def test_strangers_make_no_keys():
    """Ten thousand made-up commands and codes are some dozen numbers."""
    tally = Tally()
    for number in range(10_000):
        tally.refused(f"X{number}", reply(500 + number % 100, f"5.{number % 1000}.{number % 1000}", f"no {number}"))
        tally.accepted(tls=f"TLSv{number}", recipients=1, size=1)
        tally.attempted(0.1, Reply(200 + number % 400, None, (str(number),)))
    told = tally.read()
    assert len(told.refused) <= len(REASONS)
    assert all(stage == "other" for stage, _, _ in told.refused)
    assert len(told.accepted) <= 6
    assert set(some(told.attempts)) == {("2xx",), ("3xx",), ("4xx",), ("5xx",)}


def test_attempts_by_the_last_reply():
    tally = Tally()
    tally.attempted(0.2, OK)
    tally.attempted(30.0, None)
    told = tally.read()
    assert some(told.attempts) == {("2xx",): 1, ("none",): 1}
    assert (told.transfer.count, told.transfer.total) == (2, 30.2)
    assert class_of(LATER) == "4xx"


def test_outcomes_and_how_long_it_took():
    tally = Tally()
    tally.settled(Delivered(OK), 3.0)
    tally.settled(Delivered(OK, discarded=True), 1.0)
    tally.settled(Deferred(Cause.TIMEOUT, LATER), 5.0)
    tally.settled(Failed(Cause.REFUSED, NO), 7.0)
    tally.settled(Failed(Cause.EXPIRED, NO), 9.0, expired=True)
    told = tally.read()
    assert some(told.outcomes) == {
        ("delivered", "none"): 1,
        ("discarded", "none"): 1,
        ("deferred", "timeout"): 1,
        ("failed", "refused"): 1,
        ("expired", "expired"): 1,
    }
    assert (told.total.count, told.total.total) == (2, 4.0)


def test_reports_and_retired():
    tally = Tally()
    tally.bounced(is_told=True)
    tally.bounced(is_told=False)
    tally.retired()
    told = tally.read()
    assert some(told.bounced) == {("queued",): 1, ("dropped",): 1}
    assert told.retired == 1


def test_what_was_read_does_not_change():
    tally = Tally()
    before = tally.read()
    tally.refused("RCPT", NO)
    tally.retired()
    assert (before.refused, before.retired) == ({}, 0)
    assert len(STAGES) == len(set(STAGES))


def test_a_batch_of_rows_comes_to_what_each_event_does():
    """And facts of a wrong type, or events that are noted, are no events."""
    envelope, place = Envelope(ALICE, (Recipient(ALICE),)), Place("mx.test")
    attempts = [OK, LATER, NO, None]
    outcomes = [Delivered(OK), Delivered(OK, place, discarded=True)]
    one, batch = Tally(), Tally()
    rows = [(0.0, "info", "accepted", logline.accepted, (1, envelope, 7, Source("c", tls="TLSv1.3 X")))]
    one.accepted(tls="TLSv1.3 X", recipients=1, size=7)
    for said in attempts:
        rows.append((0.0, "info", "attempt", logline.attempt, (1, "mx:a", place, (1, 1.5, said))))
        one.attempted(1.5, said)
    for outcome in outcomes:
        rows.append((0.0, "info", "delivered", logline.settled, (1, ALICE, outcome, 2.5, None)))
        one.settled(outcome, 2.5)
    rows.append((0.0, "info", "retired", logline.retired, (1, 2.5)))
    one.retired()
    others = [
        (0.0, "info", "deferred", logline.settled, (1, ALICE, Deferred(Cause.DNS, LATER), 2.5, None)),
        (0.0, "info", "delivered", logline.noted, ({},)),
        (0.0, "info", "delivered", logline.settled, (1, ALICE, outcomes[0], "odd", None)),
        (0.0, "info", "attempt", logline.attempt, (1, "mx:a", place, None)),
    ]
    batch.take([*others, *rows])
    assert batch.read() == one.read()
    batch.take([])
    assert batch.read() == one.read()

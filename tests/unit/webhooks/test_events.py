"""Events from the journal's records."""

from __future__ import annotations

import json

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Origin, QueueId, Recipient, format_queue_id
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Place, Scope
from asyncmta.mail.reply import reply
from asyncmta.spool.records import Accepted, Attempted, Held, Record, Reported
from asyncmta.webhooks.events import KINDS, About, Head, Refusal, events_of, head, kind_of, lines, refused

ALL = frozenset(KINDS)
ID = QueueId(77)
TEXT = format_queue_id(ID)
PEOPLE = tuple(Recipient(parse_address(f"{name}@b.example")) for name in ("x", "y"))
ENVELOPE = Envelope(parse_address("me@a.example"), PEOPLE)
ABOUT = About(ENVELOPE, 100.0)
PLACE = Place("mx.b.example", "192.0.2.1", "TLSv1.3")
TAKEN = Delivered(reply(250, "2.0.0", "ok"), PLACE)
LATER = Deferred(Cause.REFUSED, reply(451, "4.7.1", "Greylisted"), Scope.RECIPIENT, PLACE)
NO = Failed(Cause.REFUSED, reply(550, "5.1.1", "User unknown"), Scope.RECIPIENT, PLACE)
OVER = Failed(Cause.EXPIRED, reply(451, None, "Not now"))


def test_an_attempt_is_an_event_for_each_recipient() -> None:
    found = events_of(Attempted(ID, 100.5, {0: TAKEN, 1: NO}), ABOUT, ALL)
    assert [json.loads(line) for line in lines(found).splitlines()] == [
        {
            "id": f"{TEXT}-0-delivered-18894",
            "event": "delivered",
            "ts": 100.5,
            "queue_id": TEXT,
            "sender": "me@a.example",
            "recipient": "x@b.example",
            "reply": "250 2.0.0 ok",
            "enhanced": "2.0.0",
            "remote_host": "mx.b.example",
            "remote_ip": "192.0.2.1",
            "tls": "TLSv1.3",
            "delay": 0.5,
        },
        {
            "id": f"{TEXT}-1-failed-18894",
            "event": "failed",
            "ts": 100.5,
            "queue_id": TEXT,
            "sender": "me@a.example",
            "recipient": "y@b.example",
            "class": "no_mailbox",
            "hard": True,
            "reply": "550 5.1.1 User unknown",
            "enhanced": "5.1.1",
            "remote_host": "mx.b.example",
            "remote_ip": "192.0.2.1",
            "tls": "TLSv1.3",
            "delay": 0.5,
        },
    ]


@pytest.mark.parametrize(
    ("outcome", "kind", "failure"),
    [
        (TAKEN, "delivered", ""),
        (LATER, "deferred", "greylisted"),
        (NO, "failed", "no_mailbox"),
        (OVER, "expired", "expired"),
    ],
)
def test_kinds_and_classes(outcome: Outcome, kind: str, failure: str) -> None:
    assert kind_of(outcome) == kind
    [found] = events_of(Attempted(ID, 100.0, {0: outcome}), ABOUT, ALL)
    assert (found.kind, found.failure) == (kind, failure)
    assert events_of(Attempted(ID, 100.0, {0: outcome}), ABOUT, ALL - {kind}) == []


def test_what_a_route_discards_and_what_was_forwarded() -> None:
    about = About(Envelope(None, PEOPLE, origin=Origin("0abc", 50.0)), 200.0)
    [found] = events_of(Attempted(ID, 100.0, {1: Delivered(TAKEN.reply, discarded=True)}), about, ALL)
    assert (found.discarded, found.forwarded_from, found.sender, found.delay) == (True, "0abc", "", 0.0)


def accepted(envelope: Envelope, login: str | None = None) -> Accepted:
    return Accepted(ID, 100.0, envelope, Content(9, b"", False, 9), "192.0.2.9", login)


def test_a_message_that_is_ours() -> None:
    [found] = events_of(accepted(ENVELOPE, "me"), ABOUT, ALL)
    assert (found.id, found.kind, found.recipients, found.recipient) == (
        f"{TEXT}-accepted",
        "accepted",
        2,
        "x@b.example",
    )
    assert (found.size, found.client, found.login) == (9, "192.0.2.9", "me")
    [found] = events_of(accepted(Envelope(None, ())), ABOUT, ALL)
    assert (found.recipient, found.login) == ("", "")
    assert events_of(accepted(ENVELOPE), ABOUT, frozenset()) == []


def test_a_report() -> None:
    dsn = QueueId(78)
    [found] = events_of(Reported(ID, 101.0, (1,), dsn), ABOUT, ALL)
    assert (found.kind, found.recipient, found.dsn, found.discarded) == (
        "bounced",
        "y@b.example",
        format_queue_id(dsn),
        False,
    )
    [found] = events_of(Reported(ID, 101.0, (), None), ABOUT, ALL)
    assert (found.recipient, found.dsn, found.discarded) == ("", "", True)
    assert events_of(Reported(ID, 101.0, (1,), dsn), ABOUT, frozenset()) == []


@pytest.mark.parametrize("record", [Held(ID, 100.0)])
def test_what_is_no_event(record: Record) -> None:
    assert events_of(record, ABOUT, ALL) == []


def test_the_same_record_has_the_same_ids_and_another_one_others() -> None:
    one, two = Attempted(ID, 100.0, {0: LATER}), Attempted(ID, 160.0, {0: LATER})
    assert events_of(one, ABOUT, ALL) == events_of(one, ABOUT, ALL)
    ids = {event.id for record in (one, two) for event in events_of(record, ABOUT, ALL)}
    assert len(ids) == 2


def test_a_refusal_is_bounded_whatever_was_said() -> None:
    said = Refusal("192.0.2.9", "RCPT", reply(550, "5.7.1", "no"), "rule 0", (None, "x" * 9999))
    found = refused(said, 100.0, 3)
    assert (found.kind, found.sender, len(found.recipient), found.by) == ("refused", None, 500, "rule 0")
    said = Refusal("192.0.2.9", "MAIL", reply(550, None, "no"), "", (parse_address("a@b.example"), None))
    found = refused(said, 100.0, 4)
    assert (found.id, found.sender, found.recipient, found.enhanced) == ("refused-186a0-4", "a@b.example", "", "")


def test_a_line_that_is_no_event() -> None:
    [line] = lines(events_of(accepted(ENVELOPE), ABOUT, ALL)).splitlines()
    assert head(line) == Head(f"{TEXT}-accepted", "accepted", 100.0, TEXT)
    assert head(line[:-5]) is None
    assert head(b"\xff") is None
    assert head(b'{"began":1.0}') is None

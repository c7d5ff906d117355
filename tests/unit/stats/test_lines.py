"""What a line says, and that nothing in it can do harm."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.maillog import MailLog
from asyncmta.stats.lines import Fact, Kind, Skip, domain_of, read, sender_of
from asyncmta.stats.reasons import Reason

TS = "2026-11-21T10:00:01.250Z"
AT = 1795255201250
ALICE = parse_address("Alice@Example.ORG")
BOB = parse_address("bob@Example.net")
OK = reply(250, "2.0.0", "queued")
NO = reply(550, "5.1.1", "no such user")
ID = QueueId(12345)


class FixedClock:
    def now(self) -> float:
        return AT / 1000


def said(say) -> bytes:
    """The line that the MTA itself writes."""
    stream = io.BytesIO()
    log = MailLog(clock=FixedClock(), stream=stream, format="json")
    say(log)
    log.close()
    return stream.getvalue().rstrip(b"\n")


def line(**facts: object) -> bytes:
    return json.dumps({"ts": TS, "level": "info", **facts}).encode()


DELIVERED = {"event": "delivered", "recipient": "bob@example.net", "reply": "250 ok", "enhanced": "", "delay": 1.5}
PATHS = (ALICE, BOB)
ENVELOPE = Envelope(ALICE, (Recipient(BOB), Recipient(ALICE)))
REFUSED = Reason("refused", "5.1.1", "5xx", "no such user")


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (
            lambda log: log.accepted(queue_id=ID, envelope=ENVELOPE, size=4096, source=Source("192.0.2.1")),
            (Kind.ACCEPTED, "Alice@example.org", None, 4096, 2),
        ),
        (
            lambda log: log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK), delay=1.2345),
            (Kind.DELIVERED, "example.net", None, 1235, 1),
        ),
        (
            lambda log: log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK, discarded=True), delay=-5.0),
            (Kind.DISCARDED, "example.net", None, 0, 1),
        ),
        (
            lambda log: log.deferred(queue_id=ID, recipient=BOB, outcome=Deferred(Cause.TIMEOUT, NO), delay=2.0),
            (Kind.DEFERRED, "example.net", Reason("timeout", "5.1.1", "5xx", "no such user"), 2000, 1),
        ),
        (
            lambda log: log.failed(queue_id=ID, recipient=BOB, outcome=Failed(Cause.REFUSED, NO), delay=2.0),
            (Kind.FAILED, "example.net", REFUSED, 2000, 1),
        ),
        (
            lambda log: log.expired(queue_id=ID, recipient=BOB, outcome=Failed(Cause.REFUSED, NO), delay=2.0),
            (Kind.EXPIRED, "example.net", REFUSED, 2000, 1),
        ),
        (
            lambda log: log.refused(client="192.0.2.7", stage="RCPT", reply=NO, recipient="<junk"),
            (Kind.REFUSED, "192.0.2.7", Reason("RCPT", "5.1.1", "5xx", "no such user"), 0, 1),
        ),
        (
            lambda log: log.refused_by("rule 3", client="c", stage="MAIL", reply=NO, helo="h", paths=PATHS),
            (Kind.REFUSED, "c", Reason("MAIL (rule 3)", "5.1.1", "5xx", "no such user"), 0, 1),
        ),
        (
            lambda log: log.bounced(queue_id=ID, dsn=None, reverse_path=ALICE, recipients=3),
            (Kind.BOUNCED, "Alice@example.org", None, 1, 3),
        ),
        (
            lambda log: log.note("info", "forwarded", queue_id=ID, recipient=BOB, forwarded_as="x", recipients=4),
            (Kind.FORWARDED, "example.net", None, 0, 4),
        ),
        (
            lambda log: log.note("info", "removed", queue_id=ID, by="operator"),
            (Kind.REMOVED, "", None, 0, 0),
        ),
    ],
)
def test_each_event_as_the_mta_writes_it(say, expected):
    fact = read(said(say))
    assert isinstance(fact, Fact)
    assert fact.at == AT
    assert (fact.kind, fact.name, fact.reason, fact.number, fact.recipients) == expected


def test_attempt():
    fact = read(line(event="attempt", destination="mx:example.net", recipients=2, seconds=0.25))
    assert isinstance(fact, Fact)
    assert (fact.kind, fact.name, fact.number, fact.recipients) == (Kind.ATTEMPT, "mx:example.net", 250, 2)


def test_what_is_not_counted_is_no_fault():
    assert read(said(lambda log: log.retired(queue_id=ID, delay=1.0))) is Skip.OTHER
    assert read(said(lambda log: log.note("info", "listening", address="127.0.0.1", recipients=["x"]))) is Skip.OTHER
    assert read(line(event="of a version to come")) is Skip.OTHER


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2026-11-21 10:00:01 [info] delivered",
        b"{",
        line(**DELIVERED)[:-7],
        line(**DELIVERED) + b"}",
        b"[1]",
        b"{}",
        b'{"log": 5}',
        b'{"log": "{\\"log\\": \\"{}\\"}"}',
        b'{"log": "no line of ours"}',
        line(**DELIVERED).replace(b"bob", b"\xff\xfe"),
        line(**DELIVERED).replace(b"bob", b"\\ud800"),
        line(**DELIVERED | {"delay": "1.5"}),
        line(**DELIVERED | {"delay": True}),
        line(**DELIVERED | {"delay": None}),
        line(**DELIVERED | {"delay": 1e300}),
        line(**DELIVERED).replace(b"1.5", b"1e999"),
        line(**DELIVERED).replace(b"1.5", b"NaN"),
        line(**DELIVERED | {"recipient": ["bob@example.net"]}),
        line(**DELIVERED | {"recipient": None}),
        line(**DELIVERED | {"discarded": "yes"}),
        line(**DELIVERED | {"ts": "yesterday"}),
        line(**DELIVERED | {"ts": "2026-11-21T10:00:01.250"}),
        line(**DELIVERED | {"ts": 1795255201}),
        line(**DELIVERED | {"ts": "1969-12-31T23:59:59Z"}),
        line(**DELIVERED | {"ts": "2100-01-01T00:00:00Z"}),
        line(**DELIVERED | {"ts": "0001-01-01T00:00:00+23:59"}),
        line(**DELIVERED | {"ts": "9999-12-31T23:59:59-23:59"}),
        line(event="accepted", reverse_path="a@b.example", recipients=-1, size=1),
        line(event="accepted", reverse_path="a@b.example", recipients=1, size=1 << 60),
        line(event="accepted", reverse_path="a@b.example", recipients=1.5, size=1),
        line(event="accepted"),
        line(event="accepted", reverse_path="a@b.example", recipients=1, size=10**400),
        line(event=["delivered"]),
        b"[" * 100_000,
        b'{"event":' + b"[" * 100_000,
        b'{"log": "' + b'{\\"log\\":' * 10_000,
    ],
)
def test_what_is_broken_is_said_to_be(text):
    assert read(text) is Skip.BROKEN


@given(st.binary())
def test_any_octets_give_an_answer(octets):
    assert isinstance(read(octets), Fact | Skip)


@given(
    st.dictionaries(
        st.sampled_from(("ts", "event", "recipient", "reply", "enhanced", "delay", "cause", "client", "stage", "log")),
        st.one_of(
            st.sampled_from((TS, "delivered", "refused", "failed", "bob@example.net")),
            st.text(),
            st.integers(),
            st.floats(),
            st.none(),
            st.lists(st.text()),
        ),
    )
)
def test_any_object_gives_an_answer(facts):
    assert isinstance(read(json.dumps(facts).encode()), Fact | Skip)


def test_what_a_collector_puts_around_a_line_changes_nothing():
    plain = read(line(**DELIVERED))
    assert isinstance(plain, Fact)
    assert read(b"mta-1  | " + line(**DELIVERED)) == plain
    assert read(b"Nov 21 10:00:01 host asyncmta[7]: " + line(**DELIVERED) + b"\r") == plain
    docker = {"log": line(**DELIVERED).decode() + "\n", "stream": "stdout", "time": "2026-11-21T10:00:01.3Z"}
    assert read(json.dumps(docker).encode()) == plain
    assert read(json.dumps(docker | {"log": line(event="ready").decode()}).encode()) is Skip.OTHER


def test_the_key_is_of_the_line():
    first, same, other = (read(line(**DELIVERED | {"queue_id": queue_id})) for queue_id in ("a", "a", "b"))
    assert isinstance(first, Fact)
    assert isinstance(other, Fact)
    assert first == same
    assert first.key != other.key
    assert -(1 << 63) <= first.key < 1 << 63


def test_names():
    assert domain_of("Bob@Example.NET") == "example.net"
    assert domain_of('"a@b"@example.net') == "example.net"
    assert domain_of("<>") == ""
    assert len(domain_of("x@" + "long" * 1000)) == 320
    assert sender_of("<>") == "<>"
    assert sender_of("Bob@Example.NET") == "Bob@example.net"
    assert len(sender_of("long" * 1000)) == 320

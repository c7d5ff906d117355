"""Each event of the mail log is counted once, whether its line is written or not."""

from __future__ import annotations

import io
import json

import pytest

from asyncmta.counted_log import CountedLog
from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.testing.clock import FakeClock

ALICE = parse_address("alice@example.org")
ID = QueueId(12345)
OK, NO = reply(250, "2.0.0", "taken"), reply(550, "5.1.1", "nobody")


def say_everything(log: CountedLog) -> None:
    log.accepted(queue_id=ID, envelope=Envelope(ALICE, (Recipient(ALICE),)), size=7, source=Source("192.0.2.1"))
    log.refused(client="192.0.2.1", stage="RCPT", reply=NO)
    log.refused_by("rule", client="192.0.2.1", stage="MAIL", reply=NO, helo="", paths=(None, None))
    log.login_refused(client="192.0.2.1", reply=reply(535, "5.7.8", "no"), helo="", login="alice")
    log.attempt(queue_id=ID, destination="mx:a", place=NOWHERE, recipients=1, seconds=1.5, reply=OK)
    log.delivered(queue_id=ID, recipient=ALICE, outcome=Delivered(OK), delay=2.5)
    log.deferred(queue_id=ID, recipient=ALICE, outcome=Deferred(Cause.DNS, NO), delay=1.0, next_due=9.0)
    log.failed(queue_id=ID, recipient=ALICE, outcome=Failed(Cause.REFUSED, NO), delay=1.0)
    log.expired(queue_id=ID, recipient=ALICE, outcome=Failed(Cause.EXPIRED, NO), delay=1.0)
    log.bounced(queue_id=ID, dsn=ID, reverse_path=ALICE, recipients=1)
    log.bounced(queue_id=ID, dsn=None, reverse_path=None, recipients=1, reason="no sender")
    log.retired(queue_id=ID, delay=3.0)


@pytest.mark.parametrize(("level", "lines"), [("info", 12), ("error", 0)])
def test_each_event_is_counted_once(level, lines):
    stream = io.BytesIO()
    log = CountedLog(clock=FakeClock(), stream=stream, format="json", level=level)
    say_everything(log)
    log.close()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == lines
    told = log.tally.read()
    assert {key: count for key, count in told.accepted.items() if count} == {("none",): 1}
    assert (told.recipients, told.octets, told.retired) == (1, 7, 1)
    assert told.refused == {
        ("RCPT", "5xx", "address"): 1,
        ("MAIL", "5xx", "address"): 1,
        ("AUTH", "5xx", "policy"): 1,
    }
    assert {key: count for key, count in told.attempts.items() if count} == {("2xx",): 1}
    assert {key: count for key, count in told.outcomes.items() if count} == {
        ("delivered", "none"): 1,
        ("deferred", "dns"): 1,
        ("failed", "refused"): 1,
        ("expired", "expired"): 1,
    }
    assert told.bounced == {("queued",): 1, ("dropped",): 1}
    assert (told.transfer.total, told.total.total) == (1.5, 2.5)
    assert log.lost == 0


def test_lines_that_are_lost_are_counted():
    class Broken(io.BytesIO):
        def write(self, _):
            raise OSError(5, "input/output error")

    log = CountedLog(clock=FakeClock(), stream=Broken(), format="json")
    say_everything(log)
    log.close()
    assert log.lost == 12
    assert log.tally.read().retired == 1

"""Spans of a message's trace: which there are, how they hang together, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.logline import Source
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, Origin, QueueId, Recipient, format_queue_id
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Place
from asyncmta.mail.reply import reply
from asyncmta.telemetry import tracer as module
from asyncmta.telemetry.spans import Span
from asyncmta.telemetry.tracer import Tracer

ALICE, BOB = parse_address("alice@example.org"), parse_address("bob@example.net")
OK, LATER = reply(250, "2.0.0", "taken"), reply(451, "4.3.0", "later")
ONE, COPY = QueueId(1 << 60), QueueId((1 << 60) + 1)
ENVELOPE = Envelope(ALICE, (Recipient(BOB),))
COPIED = Envelope(ALICE, (Recipient(BOB),), origin=Origin(format_queue_id(ONE), 1.0))
SOURCE = Source("192.0.2.1", at=100.0)
CALL = f"00-{7:032x}-{9:016x}-"


class Kit(Tracer):
    def __init__(self, sample: float = 1.0) -> None:
        self.told: list[Span] = []
        super().__init__(sample=sample, key=b"mx", plain=True, put=self.told.append)

    def names(self) -> list[str]:
        return [span.name for span in self.told]


def consigned(queue_id: QueueId = ONE, attempts: int = 0, envelope: Envelope = ENVELOPE) -> Consignment:
    return Consignment(queue_id, "mx:example.net", envelope, (0,), Content(0, b"", False, 0), 100.0, attempts)


def passed(kit: Kit, at: float, attempts: int = 0, result: Any = None, envelope: Envelope = ENVELOPE) -> None:
    """One attempt, from `at` on, of two seconds."""
    consignment = consigned(attempts=attempts, envelope=envelope)
    context = kit.context(consignment.queue_id, envelope)
    assert context is not None
    kit.begin(context, consignment, at)
    kit.attempted(ONE, "mx:example.net", (Place("mx"), 1.5, OK), at + 2)
    kit.end(consignment, result or {0: Delivered(OK)}, at + 2)


def test_a_message_from_first_to_last() -> None:
    kit = Kit()
    kit.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    passed(kit, 110.0, result={0: Deferred(Cause.REFUSED, LATER)})
    passed(kit, 200.0, attempts=1)
    kit.retired(ONE)
    assert [(span.name, span.start, span.end) for span in kit.told] == [
        ("accept", 100.0, 101.0),
        ("queue", 100.0, 110.0),
        ("attempt", 110.5, 112.0),
        ("deliver", 110.0, 112.0),
        ("queue", 112.0, 200.0),
        ("attempt", 200.5, 202.0),
        ("deliver", 200.0, 202.0),
    ]
    accept, _, first, deferred, waited, second, delivered = kit.told
    assert {span.trace_id for span in kit.told} == {accept.trace_id}
    assert {span.parent for span in (waited, deferred, delivered)} == {accept.span_id}
    assert (first.parent, second.parent) == (deferred.span_id, delivered.span_id)
    assert len({span.span_id for span in kit.told}) == len(kit.told)
    assert (deferred.error, delivered.error) == ("refused", "")
    assert [span.attributes["asyncmta.attempt"] for span in (deferred, delivered)] == [1, 2]


def test_after_a_restart_its_wait_is_not_known_and_the_rest_goes_on() -> None:
    before, after = Kit(), Kit()
    before.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    passed(after, 200.0, attempts=3)
    assert after.names() == ["attempt", "deliver"]
    assert after.told[1].parent == before.told[0].span_id


def test_what_is_not_sampled_leaves_nothing() -> None:
    kit = Kit(0.0)
    kit.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    assert kit.context(ONE, ENVELOPE) is None
    kit.attempted(ONE, "mx:example.net", (NOWHERE, 1.0, OK), 5.0)
    kit.end(consigned(), {0: Delivered(OK)}, 5.0)
    kit.reported(ONE, COPY, 1, 5.0)
    kit.retired(ONE)
    assert kit.told == []


def test_a_copy_belongs_to_what_it_is_a_copy_of() -> None:
    kit = Kit()
    kit.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    kit.accepted(COPY, (COPIED, 7, Source("")), 102.0)
    original, copy = kit.told
    assert copy.trace_id == original.trace_id
    assert (copy.parent, copy.start) == (original.span_id, 102.0)
    assert copy.span_id != original.span_id


@pytest.mark.parametrize(("flags", "sample", "count"), [("01", 0.0, 2), ("00", 1.0, 0)])
def test_whoever_hands_it_in_decides(flags: str, sample: float, count: int) -> None:
    kit = Kit(sample)
    kit.take_up(ONE, CALL + flags)
    kit.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    kit.accepted(COPY, (COPIED, 7, Source("")), 102.0)
    assert len(kit.told) == count
    assert {span.trace_id for span in kit.told} <= {7}
    if count:
        assert kit.told[0].parent == 9


def test_a_report_belongs_to_the_trace_of_what_it_reports() -> None:
    kit = Kit()
    kit.reported(ONE, None, 1, 5.0)
    assert kit.told == []
    passed(kit, 110.0, envelope=COPIED)
    kit.reported(ONE, None, 1, 120.0)
    kit.reported(ONE, COPY, 1, 121.0)
    one, other = kit.told[-2:]
    assert (one.name, one.attributes["asyncmta.report"], other.attributes["asyncmta.report"]) == (
        "report",
        "",
        format_queue_id(COPY),
    )
    assert one.trace_id == kit.told[0].trace_id


def test_what_is_no_traceparent_changes_nothing() -> None:
    kit = Kit(0.0)
    kit.take_up(ONE, "00-nothing")
    kit.accepted(ONE, (ENVELOPE, 7, SOURCE), 101.0)
    assert kit.told == []


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    kit = Kit(0.0)
    for at in range(5):
        kit.take_up(QueueId(at), CALL + "01")
    assert [at for at in range(5) if kit.context(QueueId(at), ENVELOPE) is not None] == [3, 4]
    kit = Kit()
    for at in range(5):
        consignment = consigned(QueueId(at))
        context = kit.context(QueueId(at), ENVELOPE)
        assert context is not None
        kit.begin(context, consignment, 1.0)
        kit.end(consignment, {0: Deferred(Cause.DNS, LATER)}, 2.0)
    assert kit.kept() == (2, 0)


def test_several_destinations_of_one_message() -> None:
    kit = Kit()
    context = kit.context(ONE, ENVELOPE)
    assert context is not None
    one, other = consigned(), Consignment(ONE, "local:", ENVELOPE, (0,), Content(0, b"", False, 0), 100.0)
    kit.begin(context, one, 101.0)
    kit.begin(context, other, 101.0)
    kit.end(other, {0: Delivered(OK)}, 102.0)
    kit.attempted(ONE, "mx:example.net", (NOWHERE, 1.0, None), 103.0)
    kit.end(one, {0: Delivered(OK)}, 103.0)
    assert kit.names() == ["queue", "queue", "deliver", "attempt", "deliver"]
    assert kit.told[3].parent == kit.told[4].span_id
    assert kit.told[3].error == "silence"
    kit.attempted(ONE, "mx:example.net", (NOWHERE, 1.0, LATER), 104.0)
    assert len(kit.told) == 5


def test_a_refused_attempt_is_an_error() -> None:
    kit = Kit()
    context = kit.context(ONE, ENVELOPE)
    assert context is not None
    kit.begin(context, consigned(), 101.0)
    kit.attempted(ONE, "mx:example.net", (NOWHERE, 1.0, LATER), 103.0)
    assert (kit.told[-1].error, kit.told[-1].attributes["error.type"]) == ("451", "451")

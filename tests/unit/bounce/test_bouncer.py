"""The records that tell a sender, or nobody: as the ledger takes them, and the DSN as its reader sees it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage, Message
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.bounce.audience import MARK, NO_SENDER, NOT_WANTED, Audiences
from asyncmta.bounce.bouncer import MAX_RETURNED, Bouncer, BounceRecords
from asyncmta.bounce.original import MAX_HEADERS
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Content,
    ContentUnavailable,
    Envelope,
    QueueId,
    Recipient,
    Timing,
    format_queue_id,
)
from asyncmta.mail.headers import rfc5322_date
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Outcome, Place, Scope
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest, is_dotted, stuff, unstuff
from asyncmta.spool.ledger import Entry, Ledger
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Record, Reported, Warned

BIRTH = 1_750_000_000.0
NOW = BIRTH + 500
MESSAGE = QueueId(1)
DSN = QueueId(1_000)
PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")
NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"), Scope.RECIPIENT, PLACE)
LATER = Deferred(Cause.REFUSED, reply(450, "4.2.1", "come back later"), Scope.RECIPIENT, PLACE)
EXPIRED = Failed(Cause.EXPIRED, LATER.reply, LATER.scope, PLACE)
CONTENT = b"From: me@sender.example\r\nSubject: the subject\r\n\r\nthe body\r\n..\r\n"


class MemoryLarge:
    """Content above the limit, as the store takes it."""

    def __init__(self) -> None:
        self.wire = b""

    def write(self, octets: bytes) -> None:
        self.wire += octets

    async def finish(self) -> Content:
        dotted = is_dotted(self.wire)
        return Content(len(unstuff(self.wire)), digest([self.wire], dotted), dotted, len(self.wire))


class Desk:
    """A ledger with one message, and a bouncer that reads its content."""

    def __init__(
        self,
        people: int = 3,
        *,
        sender: str | None = "me@sender.example",
        notify: Callable[[int], int] = lambda _: 0,
        content: bytes = CONTENT,
        ret: str | None = None,
        requiretls: bool = False,
        timing: Timing | None = None,
        audiences: Audiences | None = None,
    ) -> None:
        recipients = tuple(Recipient(parse_address(f"r{at}@example.net"), notify(at)) for at in range(people))
        envelope = Envelope(
            parse_address(sender, smtputf8=True) if sender is not None else None,
            recipients,
            ret=ret,
            requiretls=requiretls,
            timing=timing,
        )
        self.wire = stuff(content)
        self.parts: tuple[bytes, ...] | AsyncIterator[bytes] = (self.wire,)
        dotted = is_dotted(self.wire)
        known = Content(len(content), digest([self.wire], dotted), dotted, len(self.wire))
        self.ledger = Ledger()
        self.ledger.apply(Accepted(MESSAGE, BIRTH, envelope, known, "192.0.2.9", None))
        self.large = MemoryLarge()
        ids = count(DSN)
        self.bouncer = Bouncer(
            read_content=lambda _: self.parts,
            next_queue_id=lambda: QueueId(next(ids)),
            begin_large=lambda _: self.large,
            hostname="mta.example",
            postmaster=parse_address("postmaster@mta.example"),
            audiences=audiences,
        )

    @property
    def entry(self) -> Entry:
        entry = self.ledger.get(MESSAGE)
        assert entry is not None
        return entry

    def attempt(self, outcomes: dict[int, Outcome]) -> None:
        self.ledger.apply(Attempted(MESSAGE, BIRTH + 60, outcomes))

    async def report(self, failures: dict[int, Failed]) -> BounceRecords:
        made = await self.bouncer.report(self.entry, failures, NOW)
        for record in made.records:
            self.ledger.apply(record)
        return made


def accepted(records: BounceRecords) -> Accepted:
    (found,) = [record for record in records.records if isinstance(record, Accepted)]
    return found


def read(records: BounceRecords) -> EmailMessage:
    """The DSN as its receiver sees it."""
    wire = b"".join(accepted(records).parts)
    return email.message_from_bytes(unstuff(wire), policy=email.policy.default)  # type: ignore[return-value]


def blocks(dsn: EmailMessage) -> list[Message]:
    """The fields of each recipient."""
    (part,) = [part for part in dsn.walk() if part.get_content_type() == "message/delivery-status"]
    return part.get_payload()[1:]  # type: ignore[return-value,index]


def returned(dsn: EmailMessage) -> tuple[str, str]:
    part = list(dsn.iter_parts())[2]
    return part.get_content_type(), part.as_string().partition("\n\n")[2]


async def test_all_failures_of_a_pass_are_one_dsn_in_one_commit() -> None:
    desk = Desk()
    desk.attempt({2: Delivered(reply(250, "2.0.0", "ok"))})
    made = await desk.report({0: NEVER, 1: NEVER})
    assert [type(record) for record in made.records] == [Attempted, Accepted, Reported]
    assert made.records[2] == Reported(MESSAGE, NOW, (0, 1), DSN)
    assert made.dsn == DSN
    assert desk.entry.is_closed
    dsn = read(made)
    assert dsn.get_content_type() == "multipart/report"
    assert [block["Final-Recipient"] for block in blocks(dsn)] == ["rfc822; r0@example.net", "rfc822; r1@example.net"]
    assert [block["Last-Attempt-Date"] for block in blocks(dsn)] == ["Sun, 15 Jun 2025 15:15:00 +0000"] * 2
    assert returned(dsn) == ("text/rfc822-headers", "From: me@sender.example\nSubject: the subject\n")


async def test_a_sender_whom_we_rewrote_is_told_himself() -> None:
    desk = Desk(sender="SRS0=abcd=JL=sender.example=me@mta.example")
    desk.bouncer._way_back = lambda address: parse_address("me@sender.example")
    made = await desk.report({0: NEVER})
    assert str(accepted(made).envelope.recipients[0].address) == "me@sender.example"
    assert read(made)["To"] == "me@sender.example"


async def test_a_dsn_is_a_message_that_cannot_be_answered_and_can_be_sent() -> None:
    made = await Desk().report({0: NEVER})
    taken = accepted(made)
    assert taken.queue_id == DSN
    assert taken.envelope.reverse_path is None
    assert [str(each.address) for each in taken.envelope.recipients] == ["me@sender.example"]
    assert (taken.at, taken.login, taken.large) == (NOW, None, False)
    (wire,) = taken.parts
    content = unstuff(wire)
    assert wire == stuff(content)
    assert wire.endswith(b"\r\n")
    assert taken.content == Content(
        len(content), digest([wire], taken.content.dotted), is_dotted(wire), len(wire), not content.isascii()
    )
    assert taken.envelope.body == "7BIT"
    assert content.startswith(b"Received: by mta.example id " + format_queue_id(DSN).encode())
    assert read(made)["Message-ID"] == f"<{format_queue_id(DSN)}@mta.example>"


async def test_the_null_reverse_path_is_not_answered() -> None:
    desk = Desk(sender=None)
    made = await desk.report({0: NEVER, 1: NEVER, 2: NEVER})
    assert made.dsn is None
    assert made.records[1:] == (Reported(MESSAGE, NOW, (0, 1, 2), None),)
    assert desk.entry.is_closed


async def test_who_asked_for_silence_is_not_told() -> None:
    desk = Desk(6, notify=lambda at: (0, NOTIFY_NEVER, NOTIFY_FAILURE, NOTIFY_SUCCESS, NOTIFY_DELAY, 6)[at])
    made = await desk.report(dict.fromkeys(range(6), NEVER))
    assert made.records[2:] == (Reported(MESSAGE, NOW, (0, 2, 5), DSN), Reported(MESSAGE, NOW, (1, 3, 4), None))
    assert len(blocks(read(made))) == 3
    assert desk.entry.is_closed


async def test_a_failure_that_is_in_the_journal_already_is_only_reported() -> None:
    desk = Desk()
    desk.attempt({0: NEVER})
    made = await desk.report(desk.entry.failed())
    assert [type(record) for record in made.records] == [Accepted, Reported]
    assert desk.entry.pending() == (1, 2)
    assert desk.entry.failed() == {}


async def test_the_numbers_are_those_of_the_ledger() -> None:
    desk = Desk(5)
    desk.attempt({0: Delivered(reply(250, "2.0.0", "ok")), 1: NEVER})
    await desk.report(desk.entry.failed())
    made = await desk.report({2: NEVER})
    text = next(read(made).iter_parts()).get_content()
    numbers = {line.partition(":")[0]: line.split()[-1] for line in text.splitlines() if ":  " in line}
    assert {
        name: numbers[name]
        for name in ("Recipients handed to this server", "Delivered", "Reported before", "Still being tried")
    } == {
        "Recipients handed to this server": "5",
        "Delivered": "1",
        "Reported before": "1",
        "Still being tried": "2",
    }


async def test_an_expired_recipient_is_told_with_its_last_attempt() -> None:
    desk = Desk()
    desk.attempt({0: LATER})
    never = Failed(Cause.EXPIRED, reply(451, "4.4.7", "It could not be tried: suspended"), Scope.MESSAGE)
    first, second = blocks(read(await desk.report({0: EXPIRED, 1: never})))
    assert first["Status"] == second["Status"] == "4.4.7"
    assert first["Diagnostic-Code"] == "smtp; 450 4.2.1 come back later"
    assert first["Last-Attempt-Date"] == "Sun, 15 Jun 2025 15:07:40 +0000"
    assert second["Last-Attempt-Date"] is None
    assert "could not be tried" in second["Diagnostic-Code"]


# -- what is returned of the message ----------------------------------------------------------------------------------


async def test_the_whole_message_is_returned_to_who_asks() -> None:
    made = await Desk(ret="FULL").report({0: NEVER})
    kind, text = returned(read(made))
    assert kind == "message/rfc822"
    assert text.replace("\n", "\r\n").encode().endswith(CONTENT)


async def test_requiretls_is_passed_on_and_only_the_headers_are_returned() -> None:
    made = await Desk(ret="FULL", requiretls=True).report({0: NEVER})
    assert returned(read(made))[0] == "text/rfc822-headers"
    assert accepted(made).envelope.requiretls


async def test_of_a_message_that_is_too_long_the_headers_are_returned() -> None:
    desk = Desk(ret="FULL", content=CONTENT + b"x" * 70 + b"\r\n" * (MAX_RETURNED // 2))
    assert returned(read(await desk.report({0: NEVER})))[0] == "text/rfc822-headers"


async def test_a_header_section_that_is_too_long_is_cut_behind_a_line() -> None:
    desk = Desk(content=b"X-Long: " + b"y" * 60 + b"\r\n" + b"X-More: 1234567890\r\n" * 10_000 + b"\r\nbody\r\n")
    made = await desk.report({0: NEVER})
    _, text = returned(read(made))
    assert MAX_HEADERS - 1_000 < len(text) + text.count("\n") <= MAX_HEADERS
    assert set(text.splitlines()[1:]) == {"X-More: 1234567890"}


async def test_dots_are_unstuffed() -> None:
    made = await Desk(ret="FULL", content=b"Subject: x\r\n\r\n.one\r\n..two\r\n").report({0: NEVER})
    assert returned(read(made))[1].endswith("\n.one\n..two\n")


async def test_a_report_above_the_limit_of_the_journal_goes_where_large_content_goes() -> None:
    content = b"Subject: large\r\n\r\n" + b"z" * 70 + b"\r\n" + b"line\r\n" * (INLINE_LIMIT // 6)
    desk = Desk(ret="FULL", content=content)
    made = await desk.report({0: NEVER})
    taken = accepted(made)
    assert taken.large
    assert taken.parts == ()
    assert taken.content.wire_size == len(desk.large.wire) > INLINE_LIMIT
    assert content in unstuff(desk.large.wire)


async def chunks(*parts: bytes, then: Exception | None = None, log: list[str] | None = None) -> AsyncIterator[bytes]:
    try:
        for part in parts:
            yield part
        if then is not None:
            raise then
    finally:
        if log is not None:
            log.append("closed")


class PlainIterator:
    """An iterator of chunks that is no generator."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def __aiter__(self) -> PlainIterator:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop(0)


async def test_of_content_on_disk_no_more_is_read_than_the_headers() -> None:
    desk, log = Desk(), []
    desk.parts = chunks(b"Subject: a\r\nTo: b", b"\r\n\r", b"\nbody", then=AssertionError("read on"), log=log)
    assert returned(read(await desk.report({0: NEVER})))[1] == "Subject: a\nTo: b\n"
    assert log == ["closed"]


async def test_content_on_disk_is_returned_whole_where_it_is_wanted() -> None:
    desk = Desk(ret="FULL")
    desk.parts = PlainIterator(b"Subject: a\r\n\r\nbo", b"dy\r\n")
    assert returned(read(await desk.report({0: NEVER})))[1].endswith("Subject: a\n\nbody\n")


async def test_content_in_several_parts_is_joined_as_far_as_the_headers_go() -> None:
    desk = Desk()
    desk.parts = (b"Received: x\r\n", b"Subject: a\r\n\r\nbody\r\n", b"more\r\n")
    assert returned(read(await desk.report({0: NEVER})))[1] == "Received: x\nSubject: a\n"


@pytest.mark.parametrize("parts", [(), (b"",)])
async def test_a_message_without_content_is_reported_too(parts: tuple[bytes, ...]) -> None:
    desk = Desk(content=b"")
    desk.parts = parts
    assert returned(read(await desk.report({0: NEVER})))[1] == ""


@pytest.mark.parametrize("full", [False, True])
async def test_content_that_cannot_be_read_does_not_silence_the_report(full: bool) -> None:
    desk = Desk(ret="FULL" if full else None)
    desk.parts = chunks(b"Subj", then=ContentUnavailable("damaged"))
    made = await desk.report({0: NEVER})
    assert len(blocks(read(made))) == 1
    assert returned(read(made))[1].strip() == ""


async def test_a_sender_with_a_foreign_script_is_told_in_it() -> None:
    made = await Desk(sender="ärger@sender.example").report({0: NEVER})
    taken = accepted(made)
    assert taken.envelope.smtputf8
    assert taken.envelope.body == "8BITMIME"
    assert taken.content.eight_bit


# -- for any mixture --------------------------------------------------------------------------------------------------

notifies = st.lists(st.sampled_from([0, NOTIFY_NEVER, *range(1, 8)]), min_size=1, max_size=6)


@given(notifies, st.booleans(), st.data())
async def test_everybody_is_marked_once_and_the_null_reverse_path_never_yields_a_dsn(
    notify: list[int], null: bool, data: st.DataObject
) -> None:
    desk = Desk(len(notify), sender=None if null else "me@sender.example", notify=notify.__getitem__)
    failing = data.draw(st.sets(st.integers(0, len(notify) - 1), min_size=1))
    before = data.draw(st.sets(st.sampled_from(sorted(failing))))
    if before:
        desk.attempt(dict.fromkeys(before, NEVER))
    made = await desk.report(dict.fromkeys(failing, NEVER))
    reports: list[Record] = [record for record in made.records if isinstance(record, Reported)]
    marked = [ordinal for record in reports if isinstance(record, Reported) for ordinal in record.ordinals]
    assert sorted(marked) == sorted(failing)
    assert desk.entry.failed() == {}
    assert set(desk.entry.pending()) == set(range(len(notify))) - failing
    told = [each for each in failing if notify[each] == 0 or notify[each] & NOTIFY_FAILURE]
    assert (made.dsn is not None) == (bool(told) and not null)
    if made.dsn is not None:
        assert len(blocks(read(made))) == len(told)


async def test_a_report_has_the_priority_of_its_message_and_no_time_of_it() -> None:
    for timing, expected in ((Timing(5, release_at=9.0), Timing(5)), (Timing(0, release_at=9.0), None), (None, None)):
        assert accepted(await Desk(1, timing=timing).report({0: NEVER})).envelope.timing == expected


# -- deadlines (RFC 2852) ---------------------------------------------------------------------------------------------


async def test_a_deadline_that_was_the_end_says_so() -> None:
    desk = Desk(1, timing=Timing(deliver_by=NOW, by_mode="R"))
    desk.attempt({0: LATER})
    dsn = read(await desk.report({0: EXPIRED}))
    (block,) = blocks(dsn)
    assert (block["Action"], block["Status"]) == ("failed", "5.4.7")
    (part,) = [part for part in dsn.walk() if part.get_content_type() == "message/delivery-status"]
    assert part.get_payload()[0]["Deliver-By-Date"] == rfc5322_date(NOW)  # type: ignore[index]


async def test_a_lifetime_that_ends_before_the_deadline_is_no_deadline() -> None:
    desk = Desk(1, timing=Timing(deliver_by=NOW + 1, by_mode="R"))
    desk.attempt({0: LATER})
    (block,) = blocks(read(await desk.report({0: EXPIRED})))
    assert block["Status"] == "4.4.7"


async def test_a_report_of_delay_tells_of_those_who_are_pending() -> None:
    desk = Desk(3, ret="FULL", timing=Timing(4, deliver_by=NOW, by_mode="N"))
    desk.attempt({0: Delivered(reply(250, "2.0.0", "ok"), PLACE), 1: LATER})
    made = await desk.bouncer.report_delay(desk.entry, NOW)
    assert made.records[1] == Warned(MESSAGE, NOW, (1, 2), DSN)
    report = accepted(made)
    assert (report.envelope.reverse_path, report.envelope.timing) == (None, Timing(4))
    dsn = read(made)
    assert dsn["Subject"] == "Delayed mail, still being tried"
    first, second = blocks(dsn)
    assert (first["Action"], first["Status"], first["Final-Recipient"]) == (
        "delayed",
        "4.2.1",
        "rfc822; r1@example.net",
    )
    assert first["Diagnostic-Code"] == "smtp; 450 4.2.1 come back later"
    assert (second["Action"], second["Diagnostic-Code"]) == ("delayed", "x-asyncmta; It could not be tried yet")
    text = next(dsn.iter_parts()).get_content()
    assert "still being tried; you need not send it again" in " ".join(text.split())
    assert "Still being tried: 2" in " ".join(text.split())
    assert returned(dsn)[0] == "text/rfc822-headers", "RET is about failures"
    for record in made.records:
        desk.ledger.apply(record)
    assert desk.entry.warned
    assert desk.entry.pending() == (1, 2)


@pytest.mark.parametrize("sender", [None, "me@sender.example"])
async def test_nobody_is_told_of_a_delay_who_does_not_want_it(sender: str | None) -> None:
    notify = 0 if sender is None else NOTIFY_FAILURE
    desk = Desk(2, sender=sender, notify=lambda _: notify, timing=Timing(deliver_by=NOW, by_mode="N"))
    made = await desk.bouncer.report_delay(desk.entry, NOW)
    why = NO_SENDER if sender is None else NOT_WANTED
    assert made == BounceRecords((Warned(MESSAGE, NOW, (0, 1), None),), None, "delayed", why)


async def test_only_those_are_told_of_who_have_delay_in_their_notify() -> None:
    desk = Desk(3, notify=lambda at: (NOTIFY_DELAY, NOTIFY_NEVER, 0)[at], timing=Timing(deliver_by=NOW, by_mode="N"))
    made = await desk.bouncer.report_delay(desk.entry, NOW)
    assert made.records[1] == Warned(MESSAGE, NOW, (0, 2), DSN)


async def test_a_report_that_fails_has_a_copy_for_the_postmaster_where_he_wants_one() -> None:
    boss = parse_address("boss@here.example")
    desk = Desk(1, sender=None, audiences=Audiences(double=boss))
    made = await desk.report({0: NEVER})
    assert [type(record) for record in made.records] == [Attempted, Accepted, Reported]
    assert made.records[2] == Reported(MESSAGE, NOW, (0,), DSN)
    envelope = accepted(made).envelope
    assert (envelope.reverse_path, envelope.recipients) == (None, (Recipient(boss),))
    copy = read(made)
    assert copy[MARK] == "mta.example"
    assert str(copy["To"]) == "boss@here.example"
    assert "the body" in returned(copy)[1]
    assert desk.entry.is_closed


async def test_a_copy_that_fails_has_none() -> None:
    copy = b"X-Asyncmta-Double-Bounce: mta.example\r\n" + CONTENT
    desk = Desk(1, sender=None, content=copy, audiences=Audiences(double=parse_address("boss@here.example")))
    made = await desk.report({0: NEVER})
    assert [type(record) for record in made.records] == [Attempted, Reported]
    assert (made.dsn, made.reason, desk.entry.is_closed) == (None, NO_SENDER, True)


async def test_what_is_owed_is_told_with_its_time() -> None:
    desk = Desk(3, notify=lambda _: NOTIFY_SUCCESS)
    owed = Delivered(reply(250, "2.0.0", "ok"), PLACE, handover=Handover.RELAYED, owed=True)
    desk.attempt({0: owed, 1: owed, 2: owed})
    outcomes = {at: delivered for at, (_, delivered) in desk.entry.owed().items()}
    made = await desk.bouncer.report(desk.entry, outcomes, NOW)
    for record in made.records:
        desk.ledger.apply(record)
    assert [type(record) for record in made.records] == [Accepted, Reported]
    assert made.actions == "delivered"
    told = [(block["Action"], block["Last-Attempt-Date"]) for block in blocks(read(made))]
    assert told == [("relayed", rfc5322_date(BIRTH + 60))] * 3
    assert desk.entry.is_closed

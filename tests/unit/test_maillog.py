"""The mail log: its lines, their order, what a peer may put into them, and what happens when nobody reads."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta import maillog
from asyncmta.logline import MAX_VALUE, Source, Wording, clean, thousandths
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient, format_queue_id
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Place, Scope
from asyncmta.mail.reply import Reply, reply
from asyncmta.maillog import MailLog

ALICE = parse_address("alice@example.org")
BOB = parse_address("Bob@example.net")
ID = QueueId(12345)
PLACE = Place("mx.example.net", "192.0.2.1", "TLSv1.3")
OK = reply(250, "2.0.0", "queued as 7")
NO = reply(550, "5.1.1", "no such user")
ENVELOPE = Envelope(ALICE, (Recipient(BOB), Recipient(ALICE)))

ATTACKS = [
    "a\r\nts=0 level=info event=delivered",
    'x"}\n{"event":"delivered"}',
    "\x1b[2J\x1b[31mred",
    "line\u2028separator\u2029paragraph\x85next",
    "\u202egnp.exe\u2066\u200b",
    "\x00\x7f\x9b",
    "\ud800lone",
    "long" * 10_000,
    "\x1b" * 10_000,
]


class FixedClock:
    """1 second past 2026-11-21 10:00 UTC; only `now` is asked for."""

    def now(self) -> float:
        return 1795255201.25


def new_log(stream: Any, **settings: Any) -> MailLog:
    return MailLog(clock=FixedClock(), stream=stream, **{"format": "json", **settings})  # type: ignore[arg-type]


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().decode().splitlines()]


def one_line(say: Any, **settings: Any) -> dict[str, Any]:
    stream = io.BytesIO()
    log = new_log(stream, **settings)
    say(log)
    log.close()
    (line,) = lines(stream)
    return line


def test_accepted() -> None:
    line = one_line(
        lambda log: log.accepted(
            queue_id=ID,
            envelope=ENVELOPE,
            size=4096,
            source=Source("192.0.2.9", helo="c.example", login="u", tls="TLSv1.3 X"),
        )
    )
    assert list(line.items()) == [
        ("ts", "2026-11-21T10:00:01.250Z"),
        ("level", "info"),
        ("event", "accepted"),
        ("queue_id", format_queue_id(ID)),
        ("reverse_path", "alice@example.org"),
        ("recipients", 2),
        ("recipient", "Bob@example.net"),
        ("size", 4096),
        ("client", "192.0.2.9"),
        ("helo", "c.example"),
        ("login", "u"),
        ("tls", "TLSv1.3 X"),
    ]


def test_accepted_without_login_from_the_null_reverse_path() -> None:
    line = one_line(lambda log: log.accepted(queue_id=ID, envelope=Envelope(None, ()), size=1, source=Source("c")))
    assert line["reverse_path"] == "<>"
    assert line["recipient"] == ""
    assert "login" not in line
    assert "tls" not in line


def test_refused_says_which_rule_did() -> None:
    paths = (ALICE, None)
    line = one_line(lambda log: log.refused_by("rule 3", client="c", stage="MAIL", reply=NO, helo="h", paths=paths))
    assert (line["by"], line["helo"], line["reverse_path"]) == ("rule 3", "h", "alice@example.org")


def test_refused_shows_what_was_said_even_when_it_was_no_address() -> None:
    line = one_line(lambda log: log.refused(client="c", stage="RCPT", reply=NO, reverse_path=ALICE, recipient="<junk"))
    assert line["event"] == "refused"
    assert line["stage"] == "RCPT"
    assert line["reply"] == "550 5.1.1 no such user"
    assert line["enhanced"] == "5.1.1"
    assert line["reverse_path"] == "alice@example.org"
    assert line["recipient"] == "<junk"
    assert "recipient" not in one_line(
        lambda log: log.refused(client="c", stage="connect", reply=Reply(421, None, ("",)))
    )


def test_attempt() -> None:
    line = one_line(
        lambda log: log.attempt(
            queue_id=ID, destination="mx:example.net", place=PLACE, recipients=3, seconds=0.12345, reply=OK
        )
    )
    assert line["destination"] == "mx:example.net"
    assert line["recipients"] == 3
    assert line["seconds"] == 0.123
    assert line["remote_host"] == "mx.example.net"
    silent = one_line(
        lambda log: log.attempt(queue_id=ID, destination="mx:a.example", place=Place(), recipients=1, seconds=1.0)
    )
    assert silent["reply"] == silent["enhanced"] == silent["remote_ip"] == ""


def test_one_line_for_each_settled_recipient_has_the_keys_of_the_contract() -> None:
    stream = io.BytesIO()
    log = new_log(stream)
    log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK, PLACE), delay=1.23456)
    log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK, discarded=True), delay=0.0)
    log.deferred(queue_id=ID, recipient=BOB, outcome=Deferred(Cause.TIMEOUT, NO), delay=2.0, next_due=99.5)
    log.deferred(queue_id=ID, recipient=BOB, outcome=Deferred(Cause.TLS, NO), delay=2.0)
    log.failed(queue_id=ID, recipient=BOB, outcome=Failed(Cause.REFUSED, NO, Scope.MESSAGE, PLACE), delay=3.0)
    log.expired(queue_id=ID, recipient=BOB, outcome=Failed(Cause.EXPIRED, Reply(451, None, ("wait",))), delay=4.0)
    log.close()
    found = lines(stream)
    assert [line["event"] for line in found] == ["delivered", "delivered", "deferred", "deferred", "failed", "expired"]
    for line in found:
        assert {"queue_id", "recipient", "reply", "enhanced", "remote_host", "remote_ip", "tls", "delay"} <= line.keys()
    assert found[0]["tls"] == "TLSv1.3"
    assert found[0]["delay"] == 1.235
    assert found[1]["discarded"] is True
    assert (found[2]["cause"], found[2]["scope"], found[2]["next_due"]) == ("timeout", "recipient", 99.5)
    assert "next_due" not in found[3]
    assert (found[4]["cause"], found[4]["scope"]) == ("refused", "message")
    assert found[5]["enhanced"] == ""


def test_bounced_and_retired() -> None:
    told = one_line(lambda log: log.bounced(queue_id=ID, dsn=QueueId(9), reverse_path=ALICE, recipients=2))
    assert (told["dsn"], told["discarded"]) == (format_queue_id(QueueId(9)), False)
    nobody = one_line(lambda log: log.bounced(queue_id=ID, dsn=None, reverse_path=None, recipients=2))
    assert (nobody["dsn"], nobody["discarded"], nobody["reverse_path"]) == ("", True, "<>")
    gone = one_line(lambda log: log.retired(queue_id=ID, delay=5.5))
    assert (gone["event"], gone["delay"]) == ("retired", 5.5)


def test_notes_take_any_value() -> None:
    line = one_line(
        lambda log: log.note(
            "warning",
            "odd",
            queue_id=ID,
            count=3,
            share=0.5,
            on=True,
            none=None,
            who=ALICE,
            raw=b"\xff\n",
            several=[ALICE, "x\ny", 3, *range(50)],
            table={"a": 1},
            thing=errno,
            reply=OK,
        )
    )
    assert line["level"] == "warning"
    assert line["queue_id"] == format_queue_id(ID)
    assert (line["count"], line["share"], line["on"], line["none"]) == (3, 0.5, True, None)
    assert line["raw"] == "\\xff\\n"
    assert line["several"][:3] == ["alice@example.org", "x\\ny", 3]
    assert len(line["several"]) == 20
    assert line["table"] == {"a": 1}
    assert line["thing"].startswith("<module")
    assert line["reply"] == "250 2.0.0 queued as 7"


def test_a_note_of_an_error_says_where_on_the_same_line() -> None:
    def fail() -> None:
        raise OSError("disk\ngone")

    def say(log: MailLog) -> None:
        try:
            fail()
        except OSError as error:
            log.note("error", "bug", error=error)

    line = one_line(say)
    assert line["error"] == "OSError: disk\\ngone"
    assert line["traceback"][-1].endswith(" fail")
    assert "test_maillog.py" in line["traceback"][0]


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_from_a_peer_starts_a_line_or_reaches_the_terminal(format: str, attack: str) -> None:
    stream = io.BytesIO()
    log = new_log(stream, format=format)
    said = Reply(550, None, (attack,))
    log.refused(client=attack, stage=attack, reply=said, helo=attack, reverse_path=attack, recipient=attack)
    log.accepted(queue_id=ID, envelope=ENVELOPE, size=1, source=Source(attack, attack, attack, attack))
    log.failed(queue_id=ID, recipient=BOB, outcome=Failed(Cause.REFUSED, said, place=Place(attack, attack)), delay=1.0)
    log.note(
        "info",
        "x",
        said=attack,
        raw=attack.encode("utf-8", "surrogatepass"),
        many=[attack],
        table={attack: attack},
        error=OSError(attack),
    )
    log.close()
    text = stream.getvalue().decode("utf-8")
    assert text.count("\n") == 4
    assert len(text.splitlines()) == 4
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    if format == "json":
        assert [line["event"] for line in lines(stream)] == ["refused", "accepted", "failed", "x"]
        assert max(len(str(value)) for value in lines(stream)[0].values()) <= MAX_VALUE


@given(st.text(max_size=2000))
def test_clean_text_is_one_printable_line_of_bounded_length(text: str) -> None:
    found = clean(text)
    assert found.isprintable()
    assert len(found) <= MAX_VALUE
    if text.isprintable() and len(text) <= MAX_VALUE:
        assert found == text


def test_hashed_addresses_leave_no_local_part_anywhere() -> None:
    stream = io.BytesIO()
    log = new_log(stream, addresses="hash")
    said = reply(550, "5.1.1", "<Bob@example.net>: no 'bob@EXAMPLE.net' here, nor \"bob\"@example.net")
    log.failed(queue_id=ID, recipient=BOB, outcome=Failed(Cause.REFUSED, said), delay=1.0)
    log.refused(client="c", stage="RCPT", reply=said, recipient="bob@example.net extra", reverse_path=None)
    log.accepted(
        queue_id=ID, envelope=Envelope(BOB, (Recipient(parse_address("bOB@example.net")),)), size=1, source=Source("c")
    )
    log.close()
    text = stream.getvalue().decode()
    assert "bob" not in text.lower()
    first, second, third = lines(stream)
    assert first["recipient"].endswith("@example.net")
    assert first["reply"].startswith("550 5.1.1 <***@example.net>: no '***@EXAMPLE.net' here")
    assert second["recipient"] == "***@example.net extra"
    assert third["reverse_path"] == third["recipient"] == first["recipient"]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_login_that_was_refused_is_one_line_whatever_it_is(text: str) -> None:
    stream = io.BytesIO()
    log = new_log(stream)
    log.login_refused(client="192.0.2.1", reply=NO, helo="h", login=text)
    log.close()
    (line,) = lines(stream)
    assert list(line) == ["ts", "level", "event", "client", "helo", "stage", "reply", "enhanced", "login"]
    assert (line["event"], line["stage"], line["login"]) == ("refused", "AUTH", clean(text))


def test_hashed_logins() -> None:
    stream = io.BytesIO()
    log = new_log(stream, addresses="hash")
    log.accepted(
        queue_id=ID, envelope=Envelope(BOB, (Recipient(BOB),)), size=1, source=Source("c", login="bob@example.net")
    )
    for login in ("BOB@example.net", "bob", "@bob", "carol"):
        log.login_refused(client="c", reply=NO, helo="h", login=login)
    log.close()
    assert "bob" not in stream.getvalue().decode().lower()
    accepted, *refused = [line["login"] for line in lines(stream)]
    assert refused[0] == accepted == lines(stream)[0]["reverse_path"]
    assert len(set(refused)) == 4


def test_what_is_remembered_of_ids_is_bounded() -> None:
    wording = Wording()
    for number in range(2500):
        assert wording.queue_id(QueueId(number)) == format_queue_id(QueueId(number))
    assert len(wording._ids) <= 1000


@pytest.mark.parametrize("hash_addresses", [False, True])
def test_a_reply_that_is_remembered_gives_way_to_another(hash_addresses: bool) -> None:
    wording, plain = Wording(hash_addresses=hash_addresses), Reply(250, None, ("ok",))
    wanted = [NO, NO, None, plain, None, None, NO]
    assert [wording.reply(said) for said in wanted] == [
        Wording(hash_addresses=hash_addresses).reply(said) for said in wanted
    ]
    assert wording.reply(plain) == {"reply": "250 ok", "enhanced": ""}


@given(st.floats(min_value=-1e6, max_value=4e9))
def test_thousandths_are_those_of_round(seconds: float) -> None:
    assert abs(thousandths(seconds) - seconds) < 0.00051
    assert round(thousandths(seconds), 3) == thousandths(seconds)


def test_the_level_is_a_threshold() -> None:
    stream = io.BytesIO()
    log = new_log(stream, level="warning")
    log.retired(queue_id=ID, delay=1.0)
    log.accepted(queue_id=ID, envelope=ENVELOPE, size=1, source=Source("c"))
    log.refused(client="c", stage="MAIL", reply=NO)
    log.login_refused(client="c", reply=NO, helo="h", login="me")
    log.attempt(queue_id=ID, destination="d", place=PLACE, recipients=1, seconds=0.0)
    log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK), delay=0.0)
    log.deferred(queue_id=ID, recipient=BOB, outcome=Deferred(Cause.DNS, NO), delay=0.0)
    log.failed(queue_id=ID, recipient=BOB, outcome=Failed(Cause.DNS, NO), delay=0.0)
    log.expired(queue_id=ID, recipient=BOB, outcome=Failed(Cause.DNS, NO), delay=0.0)
    log.bounced(queue_id=ID, dsn=None, reverse_path=None, recipients=1)
    log.note("info", "quiet")
    log.note("warning", "loud")
    log.note("critical", "louder")
    log.close()
    assert [line["event"] for line in lines(stream)] == ["loud", "louder"]


async def test_lines_gather_in_a_loop_and_keep_their_order() -> None:
    stream = io.BytesIO()
    log = new_log(stream)
    for number in range(1700):
        log.retired(queue_id=QueueId(number), delay=0.0)
    assert log.flush()
    log.close()
    assert [line["queue_id"] for line in lines(stream)] == [format_queue_id(QueueId(number)) for number in range(1700)]


class Watched(io.BytesIO):
    """Says on the loop when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.loop.call_soon_threadsafe(self.written.set)


async def test_a_line_that_stays_alone_is_written_without_being_asked_for() -> None:
    stream = Watched()
    log = new_log(stream)
    log.retired(queue_id=ID, delay=0.0)
    await asyncio.wait_for(stream.written.wait(), 5)
    assert lines(stream)[0]["event"] == "retired"
    log.close()


async def test_a_warning_does_not_wait_and_takes_along_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maillog, "INTERVAL", 3600.0)
    stream = Watched()
    log = new_log(stream)
    log.retired(queue_id=ID, delay=0.0)
    log.note("warning", "now")
    await asyncio.wait_for(stream.written.wait(), 5)
    assert [line["event"] for line in lines(stream)] == ["retired", "now"]
    log.close()


def test_after_close_a_late_line_still_comes_out() -> None:
    stream = io.BytesIO()
    log = new_log(stream)
    assert log.flush()
    log.close()
    log.note("info", "late")
    log.close()
    assert [line["event"] for line in lines(stream)] == ["late"]


def test_a_reader_that_went_away_silences_the_log_and_nothing_else() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb", buffering=0) as stream:
        log = new_log(stream)
        for _ in range(3):
            log.retired(queue_id=ID, delay=0.0)
            assert log.flush()
        log.close()
    closed = io.BytesIO()
    closed.close()
    log = new_log(closed)
    log.note("error", "unheard")
    assert log.flush()
    log.close()


class Failing(io.BytesIO):
    """The first write finds the disk full, or the reader slow."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__()
        self.answers = answers

    def write(self, octets: Any) -> int:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, OSError):
            raise answer
        return super().write(octets) if answer is None else answer


@pytest.mark.parametrize("answer", [OSError(errno.ENOSPC, "full"), 0])
def test_lines_that_could_not_be_written_are_counted(answer: Any) -> None:
    stream = Failing([answer])
    log = new_log(stream)
    log.note("info", "first")
    log.note("info", "second")
    log.close()
    lost, second = lines(stream)
    assert (lost["event"], lost["lines"], lost["level"]) == ("log_lines_lost", 1, "warning")
    assert second["event"] == "second"


def test_a_short_write_is_finished() -> None:
    class Slow(io.BytesIO):
        def write(self, octets: Any) -> int:
            return super().write(bytes(octets[:7]))

    stream = Slow()
    log = new_log(stream)
    log.retired(queue_id=ID, delay=0.0)
    log.close()
    assert lines(stream)[0]["event"] == "retired"


def test_a_reader_that_is_stuck_costs_lines_but_no_memory_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maillog, "MAX_WAITING", 10)
    free = threading.Event()

    class Stuck(io.BytesIO):
        def write(self, octets: Any) -> int:
            free.wait(10)
            return super().write(octets)

    stream = Stuck()
    log = new_log(stream)
    for number in range(50):
        log.note("info", "line", number=number)
    assert not log.flush(timeout=0.01)
    free.set()
    assert log.flush()
    log.note("info", "again")
    log.close()
    found = lines(stream)
    assert sum(line["event"] == "line" for line in found) == 11
    assert sum(line.get("lines", 0) for line in found) == 39
    assert found[-1]["event"] == "again"


def test_a_fact_of_a_wrong_type_costs_its_line_only() -> None:
    stream = io.BytesIO()
    log = new_log(stream)
    log.retired(queue_id="nonsense\n", delay=0.0)  # type: ignore[arg-type]
    log.retired(queue_id=ID, delay=0.0)
    log.close()
    first, second = lines(stream)
    assert (first["event"], first["of"], first["level"]) == ("log_line_failed", "retired", "error")
    assert second["event"] == "retired"


def test_console_lines_are_for_people() -> None:
    stream = io.BytesIO()
    log = new_log(stream, format="console")
    log.delivered(queue_id=ID, recipient=BOB, outcome=Delivered(OK, PLACE), delay=1.0)
    log.close()
    text = stream.getvalue().decode()
    assert text.startswith("2026-11-21T10:00:01.250Z [info     ] delivered ")
    assert "reply='250 2.0.0 queued as 7'" in text
    assert "\x1b" not in text


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    class Unasked(io.BytesIO):
        def isatty(self) -> bool:
            raise ValueError

    for stream, begin in ((Terminal(), b"\x1b[2m2026"), (io.BytesIO(), b"{"), (Unasked(), b"{")):
        log = new_log(stream, format="auto")
        log.retired(queue_id=ID, delay=0.0)
        log.close()
        assert stream.getvalue().startswith(begin)


async def test_lines_that_go_together_are_one_write_whatever_their_stream_would_make_of_them() -> None:
    written: list[bytes] = []

    class Raw(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, octets: Any) -> int:
            written.append(bytes(octets))
            return len(octets)

    log = new_log(io.BufferedWriter(Raw()))
    for number in range(1000):
        log.retired(queue_id=QueueId(number), delay=0.0)
    assert log.flush()
    log.close()
    assert [octets.count(b"\n") for octets in written] == [1000]

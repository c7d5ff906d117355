"""A tap: both directions, sessions that were there before, and those who look on."""

from __future__ import annotations

from asyncmta.tracing.events import Session
from asyncmta.tracing.tap import Tap
from asyncmta.tracing.wanted import Wanted

CLIENT = Session("i1", "in", "192.0.2.7", 4000, "relay 127.0.0.1:2525", "relay")
SITE = Session("o1", "out", "198.51.100.1", 25, "mx:mx.example.net", names=frozenset({"mx.example.net"}))
ID = "01arz3ndektsv4rr"


class Eye:
    def __init__(self, wanted=None):
        self.wanted = wanted or Wanted()
        self.events = []

    def put(self, event):
        self.events.append(event)

    @property
    def lines(self):
        return [f"{event.kind} {event.sent_by} {event.line}" for event in self.events]


def tap_on(session, *eyes, **more):
    return Tap(session=session, lookers=list(eyes), now=lambda: 5.0, **more)


def test_a_client():
    eye = Eye()
    tap = tap_on(CLIENT, eye)
    tap.connected("from 192.0.2.7:4000")
    tap.us(b"220 hello\r\n")
    tap.peer(b"EHLO me\r\nSTARTTLS\r\n")
    tap.secured("")
    tap.secured("TLSv1.3 AES")
    tap.us(b"")
    tap.us(f"250 2.0.0 Queued as {ID}\r\n".encode())
    tap.closed("by us")
    tap.peer(b"more\r\n")
    tap.closed("again")
    assert eye.lines == [
        "connect  from 192.0.2.7:4000",
        "line us 220 hello",
        "line peer EHLO me",
        "line peer STARTTLS",
        "tls  TLSv1.3 AES",
        f"line us 250 2.0.0 Queued as {ID}",
        "close  by us",
    ]
    event = eye.events[5]
    assert (event.time, event.session, event.direction, event.listener, event.site, event.queue_id) == (
        *(5.0, "i1", "in", "relay 127.0.0.1:2525", "", ID),
    )


def test_a_site():
    eye = Eye()
    tap = tap_on(SITE, eye, queue_id=lambda: ID)
    tap.us(b"QUIT\r\n")
    (event,) = eye.events
    assert (event.sent_by, event.site, event.listener, event.queue_id) == ("us", "mx:mx.example.net", "", ID)


def test_a_session_that_goes_on_is_shown_from_between_two_commands():
    eye, is_between = Eye(), []
    tap = tap_on(CLIENT, eye, is_between=lambda: bool(is_between))
    tap.peer(b"aHVudGVyMjI=\r\n")
    tap.us(b"235 welcome\r\n")
    tap.peer(b"MAIL FR")
    is_between.append(True)
    tap.peer(b"RSET\r\n")
    is_between.clear()
    tap.us(b"250 ok\r\n")
    assert eye.lines == ["line us 235 welcome", "line peer RSET", "line us 250 ok"]


def test_one_that_ends_before_that():
    eye = Eye()
    tap = tap_on(CLIENT, eye, is_between=lambda: False)
    tap.closed("by the peer")
    assert eye.lines == ["close  by the peer"]


def test_what_is_no_smtp_is_counted():
    eye = Eye()
    tap = tap_on(SITE, eye, is_octets=True)
    tap.us(b"5:hello,")
    tap.closed("by us")
    assert eye.lines == ["line us ... 8 octets", "close  by us"]


def test_a_bug_ends_the_tap_and_nothing_else():
    eye, ended = Eye(), []

    def bug():
        raise RuntimeError("oh")

    tap = tap_on(SITE, eye, is_between=bug)
    tap.on_off = lambda: ended.append(1)
    tap.us(b"QUIT\r\n")
    tap.us(b"QUIT\r\n")
    assert eye.lines == ["note  this session cannot be traced any further: RuntimeError"]
    assert ended == [1]


def test_some_want_content_and_some_one_transaction():
    eye, content, other = Eye(), Eye(Wanted(content=True)), Eye(Wanted(sender="x@example.org"))
    tap = tap_on(CLIENT, eye, other)
    tap.peer(b"MAIL FROM:<a@example.org>\r\n")
    tap.add(content)
    tap.us(b"250 ok\r\n")
    tap.peer(b"BDAT 4 LAST\r\nhi\r\n")
    assert "content peer hi" in content.lines
    assert "content peer hi" not in eye.lines
    assert other.events == []
    tap.peer(b"MAIL FROM:<x@example.org>\r\n")
    assert [event.line for event in other.events] == ["MAIL FROM:<x@example.org>"]


def test_who_leaves_is_told_no_more():
    eye, other = Eye(), Eye()
    tap = tap_on(CLIENT, eye, other)
    tap.leave(eye)
    tap.us(b"220 hello\r\n")
    assert eye.events == []
    tap.leave(other)
    assert not tap.is_on
    tap.us(b"220 hello\r\n")
    tap.note("note", "x")
    assert len(other.events) == 1

"""mail/replies: every named reply of ours is well formed and says nothing about our inside."""

from __future__ import annotations

import re

import pytest

from asyncmta.mail import replies
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.reply import Reply, parse_reply

NAMED = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}

# RFC 3463, 4954, 5248, 7505, 7293 and the registry: subjects and details that exist.
REGISTERED = {
    0: {0},
    1: {*range(11)},
    2: {*range(5)},
    3: {*range(7)},
    4: {*range(8)},
    5: {*range(7)},
    6: {*range(12)},
    7: {*range(31)},
}
PLAIN_ON_PURPOSE = {"START_MAIL_INPUT", "HELO_SYNTAX"}


def test_there_are_named_replies() -> None:
    assert len(NAMED) > 50


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_reply_is_well_formed(name: str) -> None:
    value = NAMED[name]
    wire = value.wire
    assert parse_reply(wire) == value
    assert wire.isascii()
    assert all(len(line) <= 512 for line in wire.splitlines(keepends=True))
    assert value.text.strip() == value.text != ""
    if name in PLAIN_ON_PURPOSE:
        assert value.enhanced is None
    else:
        assert value.enhanced is not None
        assert value.enhanced.class_ == value.code // 100
        assert value.enhanced.detail in REGISTERED[value.enhanced.subject]


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_reply_tells_nothing_about_our_inside(name: str) -> None:
    assert not re.search(r"(?i)python|aiosmtp|traceback|exception|error:|/|\\|asyncmta|journal|spool", NAMED[name].text)


def test_no_two_names_say_the_same_but_where_the_protocol_does() -> None:
    texts: dict[Reply, list[str]] = {}
    for name, value in NAMED.items():
        texts.setdefault(value, []).append(name)
    assert sorted(names for names in texts.values() if len(names) > 1) == [["RESET_OK", "NOOP_OK"]]


def test_greeting_and_refused_session_carry_no_status() -> None:
    assert replies.greeting("mx.example.org").wire == b"220 mx.example.org ESMTP\r\n"
    assert replies.greeting("mx.example.org", protocol="LMTP").wire == b"220 mx.example.org LMTP\r\n"
    refused = replies.refused_session("mx.example.org", replies.TOO_MANY_SESSIONS)
    assert refused.wire == b"421 mx.example.org Too many sessions; try again later\r\n"


def test_queued_names_the_queue_id() -> None:
    assert replies.moved("eve@new.example").wire == b"551 5.1.6 User not local; please try <eve@new.example>\r\n"
    assert replies.moved("\u00e8ve@new.example").wire == b"551 5.1.6 User has moved away\r\n"
    assert replies.queued(QueueId(33)).wire == b"250 2.0.0 Queued as 0000000000000011\r\n"
    assert replies.for_recipient("a@b.example", replies.queued(QueueId(1))).wire == (
        b"250 2.0.0 <a@b.example> Queued as 0000000000000001\r\n"
    )

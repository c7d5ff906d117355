"""Whom a report is for, and who gets none: a sender that cannot be one, and a report about a report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asyncmta.bounce import audience
from asyncmta.bounce.audience import Audience, Audiences
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Content,
    Envelope,
    QueueId,
    Recipient,
)
from asyncmta.mail.outcome import Cause, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import Accepted

NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"))
OWED = Delivered(reply(250, "2.0.0", "taken"), owed=True)
POSTMASTER = parse_address("Postmaster@here.example")


def entry(sender: str | None, *notify: int, to: str = "you@example.net") -> Entry:
    recipients = tuple(Recipient(parse_address(to), each) for each in notify or (0,))
    envelope = Envelope(parse_address(sender) if sender is not None else None, recipients)
    return Entry.of(Accepted(QueueId(1), 1.0, envelope, Content(1, b"", False, 1), "192.0.2.9", None), 1, 0)


def test_each_of_them_is_told_or_not() -> None:
    message = entry("me@sender.example", 0, NOTIFY_NEVER, NOTIFY_FAILURE, NOTIFY_DELAY, NOTIFY_SUCCESS)
    outcomes: dict[int, Failed | Delivered] = {4: OWED, 3: NEVER, 2: NEVER, 1: NEVER, 0: NEVER}
    assert Audiences().of(message, outcomes) == Audience((0, 2, 4), (1, 3), audience.NOT_WANTED)
    assert Audiences().of_those(message, (0, 1, 3), NOTIFY_DELAY) == Audience((0, 3), (1,), audience.NOT_WANTED)
    assert Audiences().of_those(message, (0,), NOTIFY_DELAY) == Audience((0,), ())


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (None, audience.NO_SENDER),
        ("MAILER-DAEMON@there.example", audience.MAIL_SYSTEM),
        ('"double-bounce"@there.example', audience.MAIL_SYSTEM),
        ("mailer-daemons@there.example", ""),
    ],
)
def test_a_mail_system_does_not_read_reports(sender: str | None, reason: str) -> None:
    told = () if reason else (0,)
    assert Audiences().of(entry(sender), {0: NEVER}) == Audience(told, () if told else (0,), reason)


def test_nobody_is_told_who_wants_silence_and_that_counts_for_nothing() -> None:
    asked: list[str] = []
    guarded = Audiences(is_ours=lambda _: False, may_tell=lambda address: not asked.append(address))
    assert guarded.of(entry("me@a.example", NOTIFY_NEVER), {0: NEVER}).reason == audience.NOT_WANTED
    assert asked == []


def test_strangers_are_told_as_often_as_the_limit_says_and_ours_always() -> None:
    left = {"Forged@xn--bcher-kva.example": 1}

    def may_tell(address: str) -> bool:
        left[address] -= 1
        return left[address] >= 0

    strangers = Audiences(is_ours=lambda _: False, may_tell=may_tell)
    message = entry('"Forged"@xn--bcher-kva.example')
    assert strangers.of(message, {0: NEVER}).told == (0,)
    assert strangers.of(message, {0: NEVER}) == Audience((), (0,), audience.TOO_MANY)
    assert Audiences(is_ours=lambda _: True, may_tell=may_tell).of(message, {0: NEVER}).told == (0,)


@pytest.mark.parametrize("is_ours", [True, False])
def test_only_ours_are_told_where_so_configured(is_ours: bool) -> None:
    found = Audiences(only_ours=True, is_ours=lambda _: is_ours).of(entry("me@a.example"), {0: NEVER})
    assert (found.told, found.reason) == (((0,), "") if is_ours else ((), audience.NOT_OURS))


def always() -> bool:
    return True


@pytest.mark.parametrize(
    ("double", "sender", "to", "section", "may_copy", "copy"),
    [
        (None, None, "you@example.net", b"", always, None),
        (POSTMASTER, None, "you@example.net", b"Subject: x\r\n\r\n", always, POSTMASTER),
        (POSTMASTER, None, "you@here.example", b"", always, POSTMASTER),
        (POSTMASTER, "me@a.example", "you@example.net", b"", always, None),
        (POSTMASTER, None, "postmaster@HERE.example", b"", always, None),
        (POSTMASTER, None, "you@example.net", b"x-asyncmta-double-bounce: mx.here.example\r\n", always, None),
        (POSTMASTER, None, "you@example.net", b"", lambda: False, None),
    ],
)
def test_a_report_that_fails_has_one_copy_at_most(
    double: Address | None,
    sender: str | None,
    to: str,
    section: bytes,
    may_copy: Callable[[], bool],
    copy: Address | None,
) -> None:
    made = Audiences(double=double, may_copy=may_copy)
    assert made.double_for(entry(sender, to=to), section) == copy

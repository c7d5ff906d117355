"""bounce/dsn_facts: what is told of a recipient, and what is nobody's business outside."""

from __future__ import annotations

import pytest

from asyncmta.bounce.dsn_facts import MAILBOX_FULL, ReportedRecipient, discreet
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Recipient
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Failed, Place
from asyncmta.mail.replies import LOCAL_ERROR
from asyncmta.mail.reply import reply

BOB = Recipient(parse_address("bob@example.net"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no connection (connecting): [Errno 113] No route to host", "no connection (connecting): No route to host"),
        ("Connect call failed ('10.1.2.3', 25)", "Connect call failed ('(...)', 25)"),
        ("Connect call failed ('192.0.2.7', 25)", "Connect call failed ('192.0.2.7', 25)"),
        ("::1 and fe80::2 and ::ffff:192.168.3.4 and 2001:db8::1", "(...) and (...) and ::ffff:(...) and 2001:db8::1"),
        ("at 12:30:15 it was 999.1.2.3", "at 12:30:15 it was 999.1.2.3"),
        ("refused by 10.1.2.3:25, [fd00::1]:25.", "refused by (...):25, [(...)]:25."),
        ("/usr/lib/dovecot/deliver: cannot open ~/Maildir/tmp", "(...): cannot open (...)"),
        ("see https://example.org/help/bounce and 1/2, A/AAAA", "see https://example.org/help/bounce and 1/2, A/AAAA"),
        ("Permission denied: '/var/mail/bob'", "Permission denied: '(...)'"),
    ],
)  # fmt: skip
def test_words_of_ours_are_discreet(text: str, told: str) -> None:
    assert discreet(text) == told


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place("mx.example.net", "192.0.2.1", "TLSv1.3"), Place("mx.example.net", "192.0.2.1")),
        (Place("relay.example.org", "10.0.0.25"), Place("relay.example.org")),
        (Place("127.0.0.1", "127.0.0.1"), NOWHERE),
        (Place("[::1]", "::1"), NOWHERE),
        (Place("localhost"), NOWHERE),
        (Place("/run/lmtp.sock"), NOWHERE),
        (Place("[2001:db8::1]", "2001:db8::1"), Place("[2001:db8::1]", "2001:db8::1")),
        (Place("mx.example.net", "fe80::1%eth0"), Place("mx.example.net")),
    ],
)
def test_inner_places_are_not_told(place: Place, told: Place) -> None:
    answer = reply(550, "5.1.1", "no")
    assert ReportedRecipient(BOB, Failed(Cause.REFUSED, answer, place=place)).place == told


def test_what_a_command_said_is_ours_and_what_a_server_said_is_its_own() -> None:
    answer = reply(550, "5.1.1", "the command refused: /bin/filter: no such user")
    ours = ReportedRecipient(BOB, Failed(Cause.REFUSED, answer))
    assert not ours.is_heard
    assert ours.reply == reply(550, "5.1.1", "the command refused: (...): no such user")
    theirs = ReportedRecipient(BOB, Failed(Cause.REFUSED, answer, place=Place("mx.example.net")))
    assert theirs.is_heard
    assert theirs.reply == answer


def test_full_mailbox_is_told_and_other_troubles_of_the_disk_are_not() -> None:
    for status, told in (("4.2.2", MAILBOX_FULL), ("4.3.1", LOCAL_ERROR), (None, LOCAL_ERROR)):
        full = Deferred(Cause.STORAGE, reply(452, status, "/var/mail/bob: quota"))
        expired = ReportedRecipient(BOB, Failed(Cause.EXPIRED, full.reply), 1.0, full)
        assert expired.reply == told
        assert expired.status == "4.4.7"
        assert ReportedRecipient(BOB, Failed(Cause.EXPIRED, full.reply), 1.0, full, too_late=True).status == "5.4.7"

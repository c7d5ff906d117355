"""inbound/extensions: what a client may wish of a transaction, and what it gets."""

from __future__ import annotations

import pytest

from asyncmta.inbound import extensions
from asyncmta.inbound.extensions import Granted, Wishes, grant, parse_date_time, parse_wishes, print_date_time
from asyncmta.mail import replies
from asyncmta.mail.envelope import Timing
from asyncmta.mail.reply import Reply
from tests.dialogs.player import NOW, Player, World

DAY = 86_400.0


def granted(wishes: Wishes, *, believed: bool = True) -> Granted | Reply:
    return grant(wishes, believed=believed, longest_hold=DAY, now=NOW)


def test_nothing_wished() -> None:
    assert parse_wishes({"SIZE": "10"}) is None
    assert granted(Wishes()) == Granted(None, replies.SENDER_OK)


@pytest.mark.parametrize(("text", "priority"), [("9", 9), ("-9", -9), ("0", 0), ("4", 4)])
def test_priorities(text: str, priority: int) -> None:
    assert parse_wishes({"MT-PRIORITY": text}) == Wishes(priority)


@pytest.mark.parametrize("text", ["10", "-0", "00", "+1", "a", "", "1 ", "-10", "١"])
def test_no_priorities(text: str) -> None:
    assert parse_wishes({"MT-PRIORITY": text}) is replies.PARAMETER_INVALID


def test_a_priority_is_granted_to_those_who_may_relay() -> None:
    assert granted(Wishes(9)) == Granted(Timing(9), replies.SENDER_OK)
    lowered = granted(Wishes(9), believed=False)
    assert isinstance(lowered, Granted)
    assert lowered.timing is None
    assert str(lowered.reply) == "250 2.3.6 0 is the new priority assigned to the message"
    assert granted(Wishes(-3), believed=False) == Granted(Timing(-3), replies.SENDER_OK)


def test_a_time_of_release() -> None:
    wishes = parse_wishes({"HOLDFOR": "60"})
    assert wishes == Wishes(hold_for=60)
    assert granted(wishes) == Granted(Timing(0, NOW + 60), replies.SENDER_OK)
    wishes = parse_wishes({"HOLDUNTIL": "2023-11-15T00:00:00Z"})
    assert isinstance(wishes, Wishes)
    assert granted(wishes) == Granted(Timing(0, 1_700_006_400.0), replies.SENDER_OK)
    assert granted(Wishes(2, hold_for=0)) == Granted(Timing(2, NOW), replies.SENDER_OK)


@pytest.mark.parametrize(
    "wishes", [Wishes(hold_for=int(DAY) + 1), Wishes(hold_until=NOW - 1), Wishes(hold_until=NOW + DAY + 1)]
)
def test_a_release_that_is_past_or_too_far(wishes: Wishes) -> None:
    assert granted(wishes) is replies.HOLD_OUT_OF_RANGE


@pytest.mark.parametrize(
    "found",
    [
        {"HOLDFOR": "x"},
        {"HOLDFOR": ""},
        {"HOLDUNTIL": ""},
        {"HOLDUNTIL": "2023-11-15"},
        {"HOLDFOR": "1", "HOLDUNTIL": "2023-11-15T00:00:00Z"},
    ],
)
def test_no_time_of_release(found: dict[str, str]) -> None:
    assert parse_wishes(found) is replies.PARAMETER_INVALID


@pytest.mark.parametrize(
    ("text", "deliver_in", "mode"),
    [("60;R", 60, "R"), ("+999999999;rt", 999_999_999, "RT"), ("-5;n", -5, "N"), ("0;NT", 0, "NT")],
)
def test_a_deadline(text: str, deliver_in: int, mode: str) -> None:
    wishes = parse_wishes({"BY": text})
    assert wishes == Wishes(deliver_in=deliver_in, by_mode=mode)
    assert granted(wishes) == Granted(Timing(deliver_by=NOW + deliver_in, by_mode=mode), replies.SENDER_OK)


@pytest.mark.parametrize("text", ["", "60", ";R", "60;", "60;Q", "0;R", "-1;RT", "1 ;N", "١;N", "60;R;T", "60;T"])
def test_no_deadline(text: str) -> None:
    assert parse_wishes({"BY": text}) is replies.PARAMETER_INVALID


def test_a_deadline_that_is_too_soon_or_before_the_release() -> None:
    assert granted(Wishes(deliver_in=59, by_mode="R")) is replies.DEADLINE_TOO_SHORT
    assert isinstance(granted(Wishes(deliver_in=1, by_mode="N")), Granted)
    assert granted(Wishes(hold_for=100, deliver_in=100, by_mode="N")) is replies.HOLD_OUT_OF_RANGE
    both = granted(Wishes(hold_for=100, deliver_in=101, by_mode="R"))
    assert both == Granted(Timing(0, NOW + 100, NOW + 101, "R"), replies.SENDER_OK)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-02t00:00:00z", DAY),
        ("1970-01-01T02:00:00.75+02:00", 0.0),
        ("1969-12-31T23:59:60Z", -1.0),
    ],
)
def test_dates(text: str, at: float) -> None:
    assert parse_date_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01T00:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "2023-01-01 00:00:00Z",
        "2023-01-01T00:00:00.Z",
        "２023-01-01T00:00:00Z",
    ],
)
def test_no_dates(text: str) -> None:
    assert parse_date_time(text) is None


def test_what_is_offered() -> None:
    assert extensions.offered(longest_hold=0.0, now=NOW) == ()
    assert extensions.offered(longest_hold=DAY, now=NOW) == ("FUTURERELEASE 86400 2023-11-15T22:13:20Z",)
    assert extensions.with_lines(b"250-a\r\n250 b\r\n", ()) == b"250-a\r\n250 b\r\n"
    assert extensions.with_lines(b"250-a\r\n250 b\r\n", ("X", "Y 1")) == b"250-a\r\n250-X\r\n250-Y 1\r\n250 b\r\n"
    assert print_date_time(0.9) == "1970-01-01T00:00:00Z"


def taken(player: Player, parameters: str) -> Timing | None:
    player.say(b"EHLO c.example\r\n")
    player.say(f"MAIL FROM:<a@example.com> {parameters}\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n".encode())
    player.say(b"x\r\n.\r\n")
    (envelope, _), *_ = player.messages
    return envelope.timing


def test_what_was_granted_is_in_the_envelope() -> None:
    assert taken(World(client="10.0.0.1").player(), "MT-PRIORITY=5") == Timing(5)
    assert taken(World().player(), "MT-PRIORITY=5") is None
    player = World(role="submission", auth="plaintext", client="10.0.0.1").player()
    player.say(b"EHLO c.example\r\nAUTH LOGIN\r\n")
    player.log_in("alice")
    assert taken(player, "HOLDFOR=10 MT-PRIORITY=1") == Timing(1, NOW + 10)

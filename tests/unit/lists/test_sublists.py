"""What to ask of lists of others, and what to do with what they send."""

from __future__ import annotations

import pytest

from asyncmta.lists.sublists import (
    ANSWERED_WITHIN,
    ASK_AGAIN,
    FORGOTTEN_AFTER,
    MOST_ANSWERS,
    MOST_LISTS,
    MOST_QUESTIONS,
    State,
    Sublist,
    Verdict,
    answered,
    arrival,
    delivered,
    plan,
    unasked,
    wanted,
)
from asyncmta.mail.address import parse_address

LIST, OURS, NOW = "dev@lists.example", "sub-abc@a.example", 1_750_000_000.0
ALICE, BOB = "alice@a.example", "bob@a.example"


def planned(before, now=NOW, *readers):
    found = plan(before, {LIST: readers} if readers else {}, {LIST: OURS}, now)
    return found.sublists, [(str(each.sender), str(each.to)) for each in found.questions]


JOIN, LEAVE = [(OURS, "dev-subscribe@lists.example")], [(OURS, "dev-unsubscribe@lists.example")]


def test_what_a_file_says():
    assert wanted("# mine\nDev@Lists.example # the best\n\nnonsense\nx@y.example\ndev@lists.example\n") == (
        "dev@lists.example",
        "x@y.example",
    )
    assert wanted('"a b"@y.example\nx@[192.0.2.1]\n|sh\n') == ()
    assert len(wanted("".join(f"l{at}@y.example\n" for at in range(500)))) == MOST_LISTS


def test_the_first_reader_joins_and_the_last_one_leaves():
    known, asked = planned({}, NOW, ALICE)
    assert asked == JOIN
    assert known == {LIST: Sublist(LIST, OURS, (ALICE,), State.ASKED, NOW)}
    known, asked = planned(known, NOW + 1, ALICE, BOB)
    assert (known[LIST].readers, asked) == ((ALICE, BOB), [])
    known, asked = planned(known, NOW + 2, BOB)
    assert (known[LIST].readers, asked) == ((BOB,), [])
    known, asked = planned(known, NOW + 3)
    assert (known[LIST].state, asked) == (State.LEAVING, LEAVE)
    assert planned(known, NOW + 4) == (known, [])
    again, asked = planned(known, NOW + 5, BOB)
    assert (again[LIST].state, asked) == (State.ASKED, JOIN)
    known = {LIST: answered(known[LIST], "1")}
    assert planned(known, NOW + 3 + ASK_AGAIN) == (known, [])  # it was confirmed
    assert planned(known, NOW + 3 + FORGOTTEN_AFTER) == ({}, [])


def test_nobody_answers():
    known, asked = planned({}, NOW, ALICE)
    count, now = len(asked), NOW
    for _ in range(10):
        now += ASK_AGAIN
        known, asked = planned(known, now, ALICE)
        count += len(asked)
    assert count == MOST_QUESTIONS
    assert known[LIST].state is State.ASKED
    _, asked = planned({LIST: unasked(Sublist(LIST, OURS, (ALICE,), State.ASKED, NOW))}, NOW + 1, ALICE)
    assert asked == JOIN


def came(one, section, sender="bounce@lists.example", message="1", now=NOW + 1):
    verdict, to = arrival(one, parse_address(sender) if sender else None, section, message, now)
    return verdict, None if to is None else str(to)


ASKED = Sublist(LIST, OURS, (ALICE,), State.ASKED, NOW)
CONFIRM = b"From: <dev-confirm+t0ken@lists.example>\r\n"


@pytest.mark.parametrize(
    ("section", "to"),
    [
        (CONFIRM, "dev-confirm+t0ken@lists.example"),
        (b"From: x@y.example\r\nReply-To: DEV-sc.1.abc-sub=a.example@Lists.example\r\n", None),
        (b"From: a..b@lists.example, <dev-uc.1@lists.example>\r\n", "dev-uc.1@lists.example"),
    ],
)
def test_a_confirmation_is_answered_while_we_wait_for_it(section, to):
    verdict, found = came(ASKED, section, sender=None)
    assert verdict is Verdict.CONFIRM
    assert to is None or found == to
    joined = answered(ASKED, "1")
    assert joined.state is State.JOINED
    assert came(joined, section, message="1") == (verdict, found)  # after a crash it comes again
    assert answered(joined, "1") == joined
    assert came(joined, section, message="2")[0] is Verdict.DELIVER  # people may want to know


def test_only_so_much_of_a_header_section_is_looked_at():
    many = b"From: " + b", ".join(b"x%d@y.example" % at for at in range(9)) + b", dev-confirm+t@lists.example\r\n"
    assert came(ASKED, many)[0] is Verdict.DELIVER
    assert came(ASKED, b"From: " + b"x" * 4000 + b"\r\n")[0] is Verdict.DELIVER


def test_no_confirmation_is_answered_that_we_did_not_ask_for():
    joined = delivered(ASKED)
    assert joined.state is State.JOINED
    assert delivered(joined) == joined
    assert came(joined, CONFIRM)[0] is Verdict.DELIVER
    assert came(ASKED, CONFIRM, now=NOW + ANSWERED_WITHIN)[0] is Verdict.DELIVER
    for other in (b"From: <other-confirm+t@lists.example>\r\n", b"From: <dev-confirm+t@evil.example>\r\n"):
        assert came(ASKED, other, sender="x@evil.example") == (Verdict.REFUSE, None)
    one = Sublist(LIST, OURS, (), State.LEAVING, NOW)
    for at in range(MOST_ANSWERS):
        assert came(one, CONFIRM, message=str(at))[0] is Verdict.CONFIRM
        one = answered(one, str(at))
        assert one.state is State.LEAVING
    assert came(one, CONFIRM, message="more") == (Verdict.REFUSE, None)


@pytest.mark.parametrize(
    ("section", "sender", "verdict"),
    [
        (b"", "dev-bounces@lists.example", Verdict.DELIVER),
        (b"", "dev@bounces.lists.example", Verdict.DELIVER),
        (b"List-Id: Dev <dev.lists.example>\r\n", None, Verdict.DELIVER),
        (b"From: someone@evil.example\r\n", "someone@evil.example", Verdict.REFUSE),
        (b"", None, Verdict.REFUSE),
        (b"", "x@notlists.example", Verdict.REFUSE),
    ],
)
def test_what_is_the_lists(section, sender, verdict):
    assert came(delivered(ASKED), section, sender) == (verdict, None)

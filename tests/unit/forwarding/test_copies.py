"""Envelopes of copies: whose name they are sent in, who is asked to be told, and which of them leave."""

from __future__ import annotations

import pytest

from asyncmta.forwarding.copies import MOST_RECIPIENTS, Copy, copies_for, handover, has_passed
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Envelope,
    Origin,
    Recipient,
    Timing,
)
from asyncmta.mail.outcome import Handover
from asyncmta.mailboxes.expansion import Ending, Reached

HERE, FAR = Ending.MAILBOX, Ending.ELSEWHERE
ORIGIN = Origin("0123456789abcdef", 5.0)
LIST = Recipient(parse_address("list@here.example"))
OWNER = "owner-list@here.example"


def envelope(sender: str | None = "me@far.example", **facts: object) -> Envelope:
    return Envelope(parse_address(sender) if sender else None, (LIST,), **facts)  # type: ignore[arg-type]


def reached(address: str, ending: Ending = HERE, owner: str = "") -> Reached:
    return Reached(parse_address(address), ending, parse_address(owner) if owner else None)


def seen(copies: list[Copy]) -> list[tuple[str, list[str], bool]]:
    return [
        (str(copy.envelope.reverse_path), [str(one.address) for one in copy.envelope.recipients], copy.is_leaving)
        for copy in copies
    ]


def test_everybody_gets_it_from_its_sender_who_may_be_one_of_them() -> None:
    people = [reached("me@far.example", FAR), reached("a@here.example"), reached("b@here.example")]
    assert seen(copies_for(envelope(), LIST, people, ORIGIN)) == [
        ("me@far.example", ["me@far.example"], True),
        ("me@far.example", ["a@here.example", "b@here.example"], False),
    ]


def test_a_list_sends_in_the_name_of_its_owner_and_a_list_in_it_in_that_of_its_own() -> None:
    people = [reached("a@here.example", HERE, OWNER), reached("b@here.example", HERE, "owner-inner@here.example")]
    people.append(reached("c@here.example", HERE, OWNER))
    copies = copies_for(envelope(ret="FULL", envid="x"), LIST, people, ORIGIN)
    assert seen(copies) == [
        (OWNER, ["a@here.example", "c@here.example"], False),
        ("owner-inner@here.example", ["b@here.example"], False),
    ]
    assert all((copy.envelope.ret, copy.envelope.envid) == (None, None) for copy in copies)
    assert handover(copies, 3) is Handover.FINAL


def test_the_null_reverse_path_stays() -> None:
    people = [reached("a@here.example", HERE, OWNER), reached("b@far.example", FAR)]
    copies = copies_for(envelope(None), LIST, people, ORIGIN, parse_address(OWNER))
    assert seen(copies) == [("None", ["a@here.example"], False), ("None", ["b@far.example"], True)]


def test_several_without_an_owner_may_have_a_common_one_but_one_alone_has_not() -> None:
    everybody = parse_address("errors@here.example")
    one, two = reached("a@here.example"), reached("b@here.example", HERE, OWNER)
    assert seen(copies_for(envelope(), LIST, [one, two], ORIGIN, everybody)) == [
        ("errors@here.example", ["a@here.example"], False),
        (OWNER, ["b@here.example"], False),
    ]
    assert seen(copies_for(envelope(), LIST, [one], ORIGIN, everybody)) == [
        ("me@far.example", ["a@here.example"], False)
    ]


def test_a_copy_is_for_so_many_at_most() -> None:
    people = [reached(f"r{at}@far.example", FAR) for at in range(2 * MOST_RECIPIENTS + 1)]
    copies = copies_for(envelope(), LIST, people, ORIGIN)
    assert [len(copy.envelope.recipients) for copy in copies] == [MOST_RECIPIENTS, MOST_RECIPIENTS, 1]


def test_everything_else_stays_and_the_first_origin_is_kept() -> None:
    timing = Timing(3)
    source = envelope(body="8BITMIME", smtputf8=True, requiretls=True, ret="HDRS", envid="e", timing=timing)
    [copy] = copies_for(source, LIST, [reached("a@here.example")], ORIGIN)
    assert copy.envelope.origin == ORIGIN
    for field in ("body", "smtputf8", "requiretls", "ret", "envid", "timing"):
        assert getattr(copy.envelope, field) == getattr(source, field)
    [again] = copies_for(copy.envelope, LIST, [reached("b@here.example")], Origin("later", 9.0))
    assert again.envelope.origin == ORIGIN


@pytest.mark.parametrize(
    ("notify", "alone", "among_several"),
    [
        (0, 0, 0),
        (NOTIFY_NEVER, NOTIFY_NEVER, NOTIFY_NEVER),
        (NOTIFY_SUCCESS, NOTIFY_SUCCESS, NOTIFY_NEVER),
        (NOTIFY_SUCCESS | NOTIFY_FAILURE, NOTIFY_SUCCESS | NOTIFY_FAILURE, NOTIFY_FAILURE),
        (NOTIFY_SUCCESS | NOTIFY_DELAY, NOTIFY_SUCCESS | NOTIFY_DELAY, NOTIFY_DELAY),
        (NOTIFY_FAILURE | NOTIFY_DELAY, NOTIFY_FAILURE | NOTIFY_DELAY, NOTIFY_FAILURE | NOTIFY_DELAY),
    ],
)
def test_what_a_sender_wants_to_be_told(notify: int, alone: int, among_several: int) -> None:
    original = Recipient(LIST.address, notify)
    people = [reached("a@here.example"), reached("b@far.example", FAR)]
    [copy] = one = copies_for(envelope(), original, people[:1], ORIGIN)
    assert copy.envelope.recipients[0].notify == alone
    assert handover(one, 1) is Handover.PASSED_ON
    several = copies_for(envelope(), original, people, ORIGIN)
    assert [copy.envelope.recipients[0].notify for copy in several] == [among_several] * 2
    assert handover(several, 2) is Handover.EXPANDED
    [listed] = copies_for(envelope(), original, [reached("a@here.example", HERE, OWNER)], ORIGIN)
    assert listed.envelope.recipients == (Recipient(parse_address("a@here.example"), is_final=True),)


def test_who_it_was_first_for_is_said_unless_it_is_known() -> None:
    [copy] = copies_for(envelope(), LIST, [reached("b@far.example", FAR)], ORIGIN)
    assert copy.envelope.recipients == (
        Recipient(parse_address("b@far.example"), 0, "rfc822;list@here.example", is_final=False),
    )
    known = Recipient(LIST.address, 0, "rfc822;first@other.example")
    [copy] = copies_for(envelope(), known, [reached("a@here.example")], ORIGIN)
    assert copy.envelope.recipients[0].orcpt == "rfc822;first@other.example"
    assert copy.envelope.recipients[0].is_final


def test_a_circle_is_seen_by_its_mark() -> None:
    section = b"Received: x\r\ndelivered-to:  nobody@here.example\r\nDelivered-To: LIST@here.example\r\nSubject: x\r\n"
    assert has_passed(section, LIST.address)
    assert not has_passed(section, parse_address("other@here.example"))
    assert not has_passed(b"Subject: Delivered-To: list@here.example\r\n", LIST.address)


@pytest.mark.parametrize(
    ("ending", "is_final"),
    [(Ending.MAILBOX, True), (Ending.NOBODY, True), (FAR, False), (Ending.MOVED, False), (Ending.RELAYED, False)],
)
def test_only_who_is_for_a_mailbox_here_is_looked_up_there(ending: Ending, is_final: bool) -> None:
    [copy] = copies_for(envelope(), LIST, [reached("a@here.example", ending)], ORIGIN)
    assert copy.envelope.recipients[0].is_final == is_final
    assert copy.is_leaving == (ending is FAR)

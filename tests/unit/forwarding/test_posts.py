"""Mailing lists among those whom an address stands for: who refuses, and whose copies are made in which name."""

from __future__ import annotations

from asyncmta.forwarding.copies import copies_for
from asyncmta.forwarding.posts import MOST_VERP, Posted, posted
from asyncmta.lists.posting import LOOP, Post
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Envelope, Origin, Recipient
from asyncmta.mail.outcome import Failed
from asyncmta.mailboxes.expansion import Ending, Reached

ALICE = parse_address("alice@far.example")
DEV, OLD, NONE = (parse_address(f"owner-{name}@here.example") for name in ("dev", "old", "none"))
VERP = Post(b"List-Id: <dev.here.example>\r\n", True)


def ask(owner: Address, section: bytes, sender: Address | None) -> Post | Failed | None:
    assert (section, sender) == (b"section", ALICE)
    return {str(DEV): VERP, str(OLD): LOOP}.get(str(owner))


def reached(text: str, owner: Address | None = None, ending: Ending = Ending.MAILBOX) -> Reached:
    return Reached(parse_address(text), ending, owner)


def said(*people: Reached, size: int = 1000) -> Posted:
    return posted(ask, b"section", ALICE, size, people)


ANN, BOB = reached("ann@here.example", DEV), reached("bob@far.example", DEV, Ending.ELSEWHERE)
PLAIN, OTHER, GONE = reached("carl@here.example"), reached("dan@here.example", NONE), reached("eve@here.example", OLD)


def test_no_list_is_asked_about_what_is_none() -> None:
    assert posted(None, b"", None, 1, (ANN,)) == Posted((ANN,), {})
    assert said(PLAIN) == Posted((PLAIN,), {})
    assert said(PLAIN, OTHER) == Posted((PLAIN, OTHER), {})


def test_a_list_that_refuses_leaves_the_others_their_copies() -> None:
    assert said(ANN, GONE, PLAIN) == Posted((ANN, PLAIN), {str(DEV): VERP})
    assert said(GONE) == Posted((), {}, LOOP)


def test_so_many_copies_are_too_many() -> None:
    assert said(ANN, BOB, size=MOST_VERP) == Posted((ANN, BOB), {str(DEV): Post(VERP.top, False)}, None, True)
    assert not said(PLAIN, OTHER, size=MOST_VERP).too_much


def test_each_member_has_a_copy_of_his_own() -> None:
    original = Recipient(parse_address("dev@here.example"))
    people = [ANN, BOB, PLAIN]
    envelope, origin = Envelope(ALICE, (original,)), Origin("0" * 16, 0.0)
    copies = copies_for(envelope, original, people, origin, posts={str(DEV): VERP})
    assert [(str(each.envelope.reverse_path), each.fields, each.is_list) for each in copies] == [
        ("owner-dev+ann=here.example@here.example", VERP.top, True),
        ("owner-dev+bob=far.example@here.example", VERP.top, True),
        ("alice@far.example", b"", False),
    ]
    together = copies_for(envelope, original, people[:2], origin, posts={str(DEV): Post(b"X: y\r\n", False)})
    assert [(str(each.envelope.reverse_path), each.fields) for each in together] == [(str(DEV), b"X: y\r\n")] * 2

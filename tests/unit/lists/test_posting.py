"""What a list says to posts, and what it writes to people."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from msgspec.structs import replace

from asyncmta.lists.bounce_counts import is_bounce
from asyncmta.lists.frequency import Allowed, Frequency
from asyncmta.lists.letters import Occasion, confirmation, done
from asyncmta.lists.names import MailingList, Role
from asyncmta.lists.posting import LOOP, NOT_BY_A_PERSON, Post, is_automatic, judge, values
from asyncmta.mail.address import parse_address

ALICE = parse_address("alice@a.example")
DEV = MailingList(
    address=parse_address("dev@lists.example"),
    members="/m",
    owner=parse_address("ann@lists.example"),
    verp=True,
    headers=True,
    subscribe=True,
)


def test_fields_on_request():
    post = judge(DEV, b"Subject: x\r\n", ALICE)
    assert isinstance(post, Post)
    assert post.verp
    assert post.top == (
        b"List-Id: <dev.lists.example>\r\nList-Post: <mailto:dev@lists.example>\r\n"
        b"List-Owner: <mailto:owner-dev@lists.example>\r\n"
        b"List-Subscribe: <mailto:dev-subscribe@lists.example>\r\n"
        b"List-Unsubscribe: <mailto:dev-unsubscribe@lists.example>\r\nPrecedence: list\r\n"
    )
    assert judge(replace(DEV, headers=False, verp=False), b"", ALICE) == Post(b"", False)
    closed = judge(replace(DEV, subscribe=False), b"", ALICE)
    assert isinstance(closed, Post)
    assert b"ubscribe" not in closed.top


@pytest.mark.parametrize(
    ("section", "answer"),
    [
        (b"List-Id: Developers\r\n\t<DEV.lists.example>\r\n", LOOP),
        (b"List-Id: <other.example>\r\nlist-id: <dev.lists.example>\r\n", LOOP),
        (b"Mailing-List: contact x; list dev@lists.example\r\n", LOOP),
        (b"Auto-Submitted: auto-replied (vacation)\r\n", NOT_BY_A_PERSON),
    ],
)
def test_what_it_refuses(section, answer):
    assert judge(DEV, section, ALICE) == answer


def test_a_bounce_is_no_post_and_a_nested_list_is():
    assert judge(DEV, b"Subject: x\r\n", None) == NOT_BY_A_PERSON
    for section in (b"List-Id: <other.example>\r\n", b"Mailing-List: x\r\n", b"Auto-Submitted: auto-generated\r\n"):
        assert isinstance(judge(DEV, section, ALICE), Post)


@pytest.mark.parametrize(
    ("section", "automatic"),
    [
        (b"Auto-Submitted: auto-generated\r\n", True),
        (b"Auto-Submitted: no\r\n", False),
        (b"Precedence: Bulk\r\n", True),
        (b"Precedence: first-class\r\n", False),
        (b"List-Id: <x>\r\n", True),
        (b"Subject: List-Id: x\r\n\tPrecedence: bulk\r\n", False),
    ],
)
def test_who_waits_for_an_answer(section, automatic):
    assert is_automatic(section) is automatic


def test_fields_are_unfolded():
    assert list(values(b"A: 1\r\n 2\r\n\t3\r\nB: x\r\na : 4", b"a")) == ["1 2 3", "4"]


@pytest.mark.parametrize("action", [Role.SUBSCRIBE, Role.UNSUBSCRIBE])
def test_letters(action):
    occasion = Occasion(b"Message-ID: <1@a.example>\r\n", "2@lists.example", 1.75e9)
    ask = confirmation(DEV, action=action, address=ALICE, token="tok", occasion=occasion)
    end = done(DEV, action=action, address=ALICE, occasion=occasion)
    for letter in (ask, end):
        assert letter.sender is None
        assert letter.recipient == ALICE
        message = message_from_bytes(letter.content)
        assert message["To"] == "<alice@a.example>"
        assert message["In-Reply-To"] == message["References"] == "<1@a.example>"
        assert message["Auto-Submitted"] == "auto-replied"
        assert not message.defects
        assert judge(DEV, letter.content.partition(b"\r\n\r\n")[0] + b"\r\n", ALICE) == LOOP
        assert b"dev@lists.example" in letter.content
    assert message_from_bytes(ask.content)["From"] == "<dev-confirm+tok@lists.example>"
    assert message_from_bytes(end.content)["From"] == "<owner-dev@lists.example>"
    assert (b"Welcome" in end.content) is (action is Role.SUBSCRIBE)


def test_a_letter_repeats_nothing_that_a_stranger_made_up():
    occasion = Occasion(b"Message-ID: <evil> Bcc: x\r\nSubject: buy\r\n", "2@l", 0.0)
    person = parse_address("pelé@a.example", smtputf8=True)
    letter = confirmation(DEV, action=Role.SUBSCRIBE, address=person, token="t", occasion=occasion)
    assert b"In-Reply-To" not in letter.content
    assert b"evil" not in letter.content
    assert message_from_bytes(letter.content)["Content-Transfer-Encoding"] == "8bit"


REPORT = b"Content-Type: multipart/report;\r\n\treport-type=delivery-status; boundary=x\r\n"


@pytest.mark.parametrize(
    ("section", "body", "counts"),
    [
        (REPORT, b"\r\nAction: failed\r\n", True),
        (REPORT.replace(b"=delivery-status", b'="delivery-status"'), b"\r\nACTION: Failed\r\n", True),
        (REPORT, b"\r\nAction: delayed\r\n", False),
        (REPORT, b"\r\nAction: delivered\r\n", False),
        (b"Subject: failure notice\r\n", b"Hi. This is the qmail-send program\r\n", True),
        (b"Auto-Submitted: auto-replied\r\nSubject: I am away\r\n", b"back on monday\r\n", False),
        (b"Auto-Submitted: auto-replied\r\nX-Failed-Recipients: bob@b.example\r\n", b"", True),
    ],
)
def test_what_is_a_bounce(section, body, counts):
    assert is_bounce(section, section + b"\r\n" + body) is counts


def test_so_many_in_so_long():
    frequency = Frequency(most=3)
    day = Allowed(2, 86400.0)
    assert frequency.may({"a": day, "b": Allowed(9, 10.0)}, 0.0)
    assert frequency.may({"a": day}, 1.0)
    assert not frequency.may({"a": day, "c": day}, 2.0)
    assert frequency.may({"c": day}, 3.0)  # it was not counted for c
    assert not frequency.may({"d": day}, 4.0)  # no room
    assert frequency.may({"d": day}, 20.0)  # b is over
    assert frequency.may({"a": day}, 86401.0)

"""A file of members as text: by hand and by us."""

from __future__ import annotations

import pytest

from asyncmta.lists.members_text import is_subscribable, members, with_member, without_member
from asyncmta.mail.address import parse_address

BOB = parse_address("bob@b.example")
TEXT = """# The people of dev
ann@a.example
Bob <BOB@b.example>, carol@c.example  # on leave
local
:include:/etc/more
"""


def test_who_is_on_it():
    assert sorted(members(TEXT)) == ["'ann'@a.example", "'bob'@b.example", "'carol'@c.example"]


def test_nobody_is_on_it_twice():
    assert with_member(TEXT, BOB) == TEXT
    assert with_member("", BOB) == "bob@b.example\n"
    assert with_member("ann@a.example", BOB) == "ann@a.example\nbob@b.example\n"


def test_the_rest_stays_as_it_was():
    assert without_member(TEXT, BOB) == TEXT.replace("Bob <BOB@b.example>, carol@c.example  #", "carol@c.example #")
    assert without_member("ann@a.example\nbob@b.example # he\n", BOB) == "ann@a.example\n"
    assert without_member("bob@b.example, ann@a.example", BOB) == "ann@a.example\n"
    assert without_member(TEXT, parse_address("dan@d.example")) == TEXT


@pytest.mark.parametrize(
    "text",
    ["|sh@x.example", "/etc/passwd@x.example", "#x@x.example", '"a b"@x.example', "x@[192.0.2.1]", "~x@x.example"],
)
def test_what_a_file_of_aliases_would_not_read_as_an_address(text):
    assert not is_subscribable(parse_address(text))


@pytest.mark.parametrize("text", ["bob@b.example", "a+b@x.example", "9a.b@x.example", "pelé@bücher.example"])
def test_who_may_be_on_it(text):
    assert is_subscribable(parse_address(text, smtputf8=True))

"""Variable envelope return paths, and whose they are."""

from __future__ import annotations

import pytest

from asyncmta.lists.verp import LONGEST, marked, member, verp
from asyncmta.mail.address import parse_address

OWNER = parse_address("owner-dev@lists.example")
MEMBERS = [
    parse_address(text, smtputf8=True)
    for text in (
        "bob@example.org",
        "Carol.Smith+work@Example.ORG",
        '"odd one"@example.org',
        "a=b@example.org",
        "pelé@example.org",
        f"{'x' * 60}@a-very-long-domain.example.org",
        "user@[192.0.2.1]",
    )
]


def mark_of(address):
    return verp(OWNER, address).local_part.removeprefix('"').removesuffix('"').partition("+")[2]


def test_the_form_of_postfix():
    assert str(verp(OWNER, MEMBERS[0])) == "owner-dev+bob=example.org@lists.example"
    assert str(verp(OWNER, MEMBERS[1])) == "owner-dev+Carol.Smith+work=Example.ORG@lists.example"
    assert str(verp(OWNER, MEMBERS[2])) == '"owner-dev+odd one=example.org"@lists.example'


@pytest.mark.parametrize("one", MEMBERS, ids=str)
def test_everybody_is_known_by_it_and_every_server_takes_it(one):
    path = verp(OWNER, one)
    assert path.is_ascii
    assert len(path.local_part) <= LONGEST
    parse_address(str(path))
    assert member(mark_of(one), marked(MEMBERS)) == one
    assert member(mark_of(one).upper(), marked(MEMBERS)) == one
    assert member(mark_of(one), marked(other for other in MEMBERS if other != one)) is None


def test_what_is_long_or_not_ascii_has_a_digest():
    assert "=" not in mark_of(MEMBERS[4])
    assert len(mark_of(MEMBERS[5])) == 16


def test_an_owner_whose_name_leaves_no_room():
    owner = parse_address(f"owner-{'l' * 55}@lists.example")
    assert verp(owner, MEMBERS[0]) == owner


def test_that_nobody_is_meant():
    assert member("nonsense", marked(MEMBERS)) is None

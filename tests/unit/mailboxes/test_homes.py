"""Where a mailbox would be, for domains that keep theirs in different ways."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes.homes import Home, Homes, Place, home_of


async def knows(address: Address) -> bool | None:
    return None


OWN = home_of("mail/{domain}/{local_part}", "existing")


def homes(**ways: Home) -> Homes:
    domains = {f"{name}.example": home for name, home in ways.items()}
    return Homes(domains=domains, own=OWN, hostname="MX.example", postmaster="boss@l.example", delimiters="+")


ALL = homes(
    e=OWN,
    a=home_of("any/{local_part}", "any"),
    l=home_of("list/{local_part}", ("alice", "bob@l.example", "bob@e.example")),
    r=home_of("file/{domain}/{local_part}", "sqlite:users.db", knows),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alice@e.example", [("mail/e.example/alice", False, "")]),
        ("alice+X@e.example", [("mail/e.example/alice+x", False, ""), ("mail/e.example/alice", False, "x")]),
        ("alice@a.example", [("any/alice", True, "")]),
        ("alice+x+y@a.example", [("any/alice", True, "x+y")]),
        ("alice@l.example", [("list/alice", True, "")]),
        ("bob+x@l.example", [("list/bob", True, "x")]),
        ("carol@l.example", []),
        ("boss@l.example", [("list/boss", True, "")]),
        ("alice@r.example", [("file/r.example/alice", True, "")]),
        ("Postmaster@r.example", [("file/r.example/postmaster", True, "")]),
        ("postmaster+x@mx.example", [("mail/mx.example/postmaster", True, "x")]),
        ("alice@mx.example", []),
        ("alice@far.example", []),
        ('"a/b"@a.example', []),
        ('"."@e.example', []),
    ],
)
def test_where_it_may_be(text: str, found: list[tuple[str, bool, str]]) -> None:
    places = ALL.places(parse_address(text))
    assert [(place.path, place.may_make, place.detail) for place in places] == found


def test_who_knows_is_asked_for_the_name_without_its_detail_and_never_for_postmaster() -> None:
    first, second = ALL.places(parse_address('"alice b+x"@r.example'))
    assert first.recipients is second.recipients is knows
    assert [str(place.name) for place in (first, second)] == ['"alice b+x"@r.example', '"alice b"@r.example']
    (postmaster,) = ALL.places(parse_address("postmaster@r.example"))
    assert postmaster == Place("file/r.example/postmaster", "file", parse_address("postmaster@r.example"), True)


def test_a_name_too_long_for_its_pattern() -> None:
    found = homes(e=home_of(f"mail/{'x' * 240}{{local_part}}", "any"))
    assert found.places(parse_address(f"{'a' * 20}@e.example")) == []


def test_a_postmaster_without_a_domain_is_at_the_host_name() -> None:
    found = Homes(domains={}, own=OWN, hostname="mx.example", postmaster="root")
    assert [place.path for place in found.places(parse_address("root@mx.example"))] == ["mail/mx.example/root"]
    assert found.places(parse_address("root@e.example")) == []

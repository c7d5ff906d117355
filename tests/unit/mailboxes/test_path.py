from __future__ import annotations

import pytest

from asyncmta.mailboxes.path import InvalidPattern, details, is_component, mailbox_name, parse_pattern


@pytest.mark.parametrize(
    ("local_part", "name"),
    [
        ("alice", "alice"),
        ("Alice.B", "alice.b"),
        ('"alice"', "alice"),
        ('"a b"', "a b"),
        (r'"a\"b"', 'a"b'),
        ("%2e%2e", "%2e%2e"),
        ("a..b", "a..b"),
        ("a\u2215b", "a\u2215b"),
        ("\uff0e\uff0e", "\uff0e\uff0e"),
        ("JÉRÔME", "jérôme"),
        ("je\u0301ro\u0302me", "jérôme"),
        ("cur", "cur"),
    ],
)
def test_the_name_of_a_local_part(local_part: str, name: str) -> None:
    assert mailbox_name(local_part) == name


@pytest.mark.parametrize(
    "local_part",
    [
        '""',
        ".",
        "..",
        '"."',
        '"../../etc"',
        "a/b",
        '"/"',
        "a\0b",
        '"a\tb"',
        "a\x85b",
        ".hidden",
        '".hidden"',
        "a\u2028b",
        "\ud800",
    ],
)
def test_what_can_be_no_name(local_part: str) -> None:
    assert mailbox_name(local_part) is None


def test_a_name_is_at_most_255_octets() -> None:
    assert is_component("a" * 255)
    assert not is_component("a" * 256)
    assert not is_component("é" * 128)
    assert is_component("é" * 127)


def test_a_pattern_expands() -> None:
    pattern = parse_pattern("var/mail/{domain}/{local_part}/")
    assert pattern.root == "var/mail"
    assert pattern.expand("example.org", "alice") == "var/mail/example.org/alice"


def test_fields_within_a_component_and_text_behind() -> None:
    pattern = parse_pattern("/srv/m-{domain}/u_{local_part}@{domain}/Maildir")
    assert pattern.root == "/srv"
    assert pattern.expand("example.org", "alice") == "/srv/m-example.org/u_alice@example.org/Maildir"


def test_a_name_is_put_in_once() -> None:
    assert parse_pattern("m/{domain}/{local_part}").expand("example.org", "{domain}") == "m/example.org/{domain}"


def test_what_is_too_long_only_when_expanded_is_none() -> None:
    assert parse_pattern("m/box-{local_part}").expand("example.org", "a" * 255) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must contain"),
        ("var/mail", "must contain"),
        ("var/mail/{domain}", "must contain"),
        ("{local_part}", "must begin with a directory"),
        ("var/{local_part}/../x", "not the name of a directory"),
        ("var/.{local_part}", "not the name of a directory"),
        ("var//{local_part}//x", "not the name of a directory"),
        ("var/{user}/{local_part}", "unknown field"),
        ("var/{local_part", "must contain"),
        ("var/{local_part}/{", "unknown field"),
        ("v\0r/{local_part}", "NUL"),
    ],
)
def test_what_is_no_pattern(text: str, complaint: str) -> None:
    with pytest.raises(InvalidPattern, match=complaint):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("local_part", "delimiters", "names"),
    [
        ("alice", "+", ["alice"]),
        ("alice+x", "", ["alice+x"]),
        ("alice+x", "+", ["alice+x", "alice"]),
        ("alice+x-y", "+-", ["alice+x-y", "alice+x", "alice"]),
        ("john-doe+x", "+-", ["john-doe+x", "john-doe", "john"]),
        ("a-b-c-d-e-f-g", "-", ["a-b-c-d-e-f-g", "a-b-c-d-e", "a-b-c-d", "a-b-c", "a-b", "a"]),
        ("Owner-list", "-", ["Owner-list"]),
        ("owner-list-x", "-", ["owner-list-x", "owner-list"]),
        ("list-request", "-", ["list-request"]),
        ("list-request+x", "+-", ["list-request+x", "list-request"]),
        ("list-requests", "-", ["list-requests", "list"]),
        ("owner+x", "+-", ["owner+x", "owner"]),
        ("+x", "+", ["+x"]),
        ("alice+", "+", ["alice+", "alice"]),
        ('"a b+c"', "+", ["a b+c", "a b"]),
    ],
)
def test_names_with_details(local_part: str, delimiters: str, names: list[str]) -> None:
    assert details(local_part, delimiters) == names

"""Files of aliases as text: what is taken, and that everything else is a fault with its line."""

from __future__ import annotations

import pytest

from asyncmta.mail.address import InvalidAddress
from asyncmta.mailboxes.alias_text import (
    Broken,
    Everybody,
    Include,
    Somebody,
    Target,
    alias_key,
    parse_aliases,
    parse_include,
    parse_virtual,
)

A, B = Somebody("a", "x.example"), Somebody("b", "y.example")

TAKEN: list[tuple[str, dict[str, tuple[Target, ...]]]] = [
    ("", {}),
    ("# nothing\n\n   \n", {}),
    ("root: alice", {"root": (Somebody("alice"),)}),
    ("root:alice", {"root": (Somebody("alice"),)}),
    ("root : alice", {"root": (Somebody("alice"),)}),
    ("  root: alice", {"root": (Somebody("alice"),)}),
    ("Root: Alice", {"root": (Somebody("Alice"),)}),
    ("root: alice\r\nbin: bob\r\n", {"root": (Somebody("alice"),), "bin": (Somebody("bob"),)}),
    ("root: a@x.example, b@y.example", {"root": (A, B)}),
    ("root: a@x.example,b@y.example,", {"root": (A, B)}),
    ("root: a@x.example,\n  b@y.example", {"root": (A, B)}),
    ("root: a@x.example\n\tb@y.example", {"root": (A, B)}),
    ("root:\n  a@x.example", {"root": (A,)}),
    ("root: a@x.example\n# between\n  b@y.example", {"root": (A, B)}),
    ("root: a@x.example # said of a\n", {"root": (A,)}),
    ("root: a@x.example (Alice, who left)", {"root": (A,)}),
    ("root: a@x.example (Alice \\) who left)", {"root": (A,)}),
    ("root: (a (nested) comment) a@x.example", {"root": (A,)}),
    ("root: (a \\) comment) a@x.example", {"root": (A,)}),
    ("root: Alice <a@x.example>", {"root": (A,)}),
    ('root: "Doe, Alice" <a@x.example>, b@y.example', {"root": (A, B)}),
    ("root: <a@x.example>", {"root": (A,)}),
    ('root: "a b"@x.example', {"root": (Somebody('"a b"', "x.example"),)}),
    ('root: "a, b"', {"root": (Somebody('"a, b"'),)}),
    ('root: "a\\"b"@x.example', {"root": (Somebody('"a\\"b"', "x.example"),)}),
    ('root: "a@b"@x.example', {"root": (Somebody('"a@b"', "x.example"),)}),
    ('root: "a@x.example"', {"root": (A,)}),
    ("list::include:/etc/list", {"list": (Include("/etc/list"),)}),
    ("root: \\root, a@x.example", {"root": (Somebody("root", "", True), A)}),
    ("root: \\a@x.example", {"root": (Somebody("a", "x.example", True),)}),
    ('"odd name": a@x.example', {"odd name": (A,)}),
    ('"with: colon": a@x.example', {"with: colon": (A,)}),
    ('"plain": a@x.example', {"plain": (A,)}),
    ('"odd name"@z.example: a@x.example', {"odd name@z.example": (A,)}),
    ("info@Z.example: a@x.example", {"info@z.example": (A,)}),
    ("@Z.example: a@x.example", {"@z.example": (A,)}),
    ("@z.example: @new.example", {"@z.example": (Everybody("new.example"),)}),
    ("jérôme: a@x.example", {"jérôme": (A,)}),
    ("a@bücher.example: a@x.example", {"a@xn--bcher-kva.example": (A,)}),
    ("list: :include:/etc/list", {"list": (Include("/etc/list"),)}),
    ("list: :INCLUDE: /etc/list", {"list": (Include("/etc/list"),)}),
    ('list: ":include:/etc/my list"', {"list": (Include("/etc/my list"),)}),
    ("owner-list: a@x.example", {"owner-list": (A,)}),
    ("list-request: a+b@x.example", {"list-request": (Somebody("a+b", "x.example"),)}),
]

FAULTS: list[tuple[str, int, str]] = [
    ("root", 1, "NAME: TARGET"),
    ("\n\nroot alice", 3, "NAME: TARGET"),
    ("root:", 1, "no target"),
    ("root: # nobody", 1, "no target"),
    ("root: ,", 1, "no target"),
    ("a: b@x.example\na: c@x.example", 2, "there already"),
    ("A: b@x.example\na: c@x.example", 2, "there already"),
    ("root: |/bin/sh", 1, "programs"),
    ('root: "|/usr/bin/vacation alice"', 1, "programs"),
    ("root: /var/mail/root", 1, "files"),
    ('root: "/var/mail/root"', 1, "files"),
    ("root: <|/bin/sh>", 1, "programs"),
    ("root: \\|/bin/sh", 1, "programs"),
    ("root: alice (and, bob", 1, "a comment that does not end"),
    ("root: (alice", 1, "a comment that does not end"),
    ('root: "alice, bob', 1, "a quote that does not end"),
    ("root: alice, <bob, carol", 1, "an angle bracket that does not end"),
    ("root: :include:list", 1, "whole path"),
    ("root: :include:", 1, "whole path"),
    ("root: :include:/a\0b", 1, "whole path"),
    ("root: a b", 1, "dot-string"),
    ("root: a@", 1, "local-part@domain"),
    ("root: a@x..example", 1, "domain"),
    ("root: @x..example", 1, "domain"),
    ("root: a@@x.example", 1, "dot-string"),
    ("root: a\x01b", 1, "dot-string"),
    (f"root: {'a' * 1001}", 1, "too long"),
    ("@x..example: a", 1, "domain"),
    (".hidden: a", 1, "dot-string"),
    ('".hidden": a', 1, "name of a mailbox"),
    ('"a/b": a', 1, "name of a mailbox"),
    ("good: a\nroot: /x, b,\n c", 2, "files"),
]


@pytest.mark.parametrize(("text", "entries"), TAKEN)
def test_what_is_taken(text: str, entries: dict[str, tuple[Target, ...]]) -> None:
    found = parse_aliases(text)
    assert found.entries == entries
    assert not found.faults


@pytest.mark.parametrize(("text", "line", "reason"), FAULTS)
def test_what_is_a_fault(text: str, line: int, reason: str) -> None:
    (fault,) = parse_aliases(text).faults
    assert fault.line == line
    assert reason in str(fault)
    assert str(fault).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    "text", ["root: |x, a@x.example", "root: a@x.example\nroot: a@x.example", "root: ,", "root: a b"]
)
def test_a_name_with_a_fault_cannot_be_told(text: str) -> None:
    assert any(isinstance(target, Broken) for target in parse_aliases(text).entries["root"])


def test_a_fault_costs_no_other_name() -> None:
    found = parse_aliases("bad: |x\ngood: a@x.example\n")
    assert found.entries["good"] == (A,)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("info@z.example a@x.example", {"info@z.example": (A,)}),
        ("info@z.example\ta@x.example, b@y.example # both", {"info@z.example": (A, B)}),
        ("@z.example @new.example", {"@z.example": (Everybody("new.example"),)}),
        ('"odd name"@z.example a@x.example', {"odd name@z.example": (A,)}),
        ("info@z.example a@x.example\n  b@y.example", {"info@z.example": (A, B)}),
        ("info a@x.example", {"info": (A,)}),
    ],
)
def test_virtual_tables(text: str, entries: dict[str, tuple[Target, ...]]) -> None:
    found = parse_virtual(text)
    assert (found.entries, found.faults) == (entries, ())


@pytest.mark.parametrize("text", ["info@z.example", "info@z..example a"])
def test_faults_of_virtual_tables(text: str) -> None:
    assert len(parse_virtual(text).faults) == 1


def test_an_included_file_has_targets_alone() -> None:
    targets, faults = parse_include("# members\na@x.example, b@y.example\n  c\n:include:/more\n|x\n")
    assert targets[:4] == (A, B, Somebody("c"), Include("/more"))
    assert isinstance(targets[4], Broken)
    assert [fault.line for fault in faults] == [5]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Alice", "alice"),
        ("alice@X.example", "alice@x.example"),
        ("@X.example", "@x.example"),
        ('"a@b"', "a@b@"),
        ('"@b"', "@b@"),
    ],
)
def test_keys(text: str, key: str) -> None:
    assert alias_key(text) == key


@pytest.mark.parametrize("text", ["", "@", "a b", '".."', "@x y"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InvalidAddress):
        alias_key(text)

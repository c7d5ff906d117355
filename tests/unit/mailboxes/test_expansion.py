"""Who an address stands for: tables in, the people behind out; circles, limits, and what cannot be told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from asyncmta.mail.address import Address, parse_address, unquote
from asyncmta.mailboxes.alias_text import Everybody, parse_aliases
from asyncmta.mailboxes.expansion import (
    MOST_RESULTS,
    Alias,
    Ending,
    Endless,
    Expanded,
    Finding,
    Untold,
    expand,
)

HERE = "here.example"


def looking(table: str, mailboxes: Sequence[str]):
    """A directory of two local domains, here.example and too.example."""
    entries = parse_aliases(table).entries

    async def look(address: Address, is_final: bool) -> Finding:
        if address.domain_key not in (HERE, "too.example"):
            return Ending.ELSEWHERE
        name = unquote(address.local_part).casefold()
        if name == "broken":
            return Untold("the disk")
        if not is_final:
            for key in (f"{name}@{address.domain_key}", name, "@" + address.domain_key):
                targets = entries.get(key)
                if targets is None or (
                    key[0] == "@" and name in mailboxes and not any(isinstance(one, Everybody) for one in targets)
                ):
                    continue
                owner = f"owner-{name}"
                return Alias(targets, parse_address(f"{owner}@{address.domain}") if owner in entries else None)
        return Ending.MAILBOX if name in mailboxes else Ending.NOBODY

    return look


def run(table: str, address: str, *, most: int = 100_000) -> list[str] | str:
    """Everybody behind the address: a mailbox as it is, "?" before nobody, ">" before somebody elsewhere."""
    found = asyncio.run(expand(parse_address(address), looking(table, ("alice", "bob", "carol")), most=most))
    if isinstance(found, Endless):
        return f"endless: {found.reason}"
    if isinstance(found, Untold):
        return f"untold: {found.reason}"
    marks = {Ending.MAILBOX: "", Ending.NOBODY: "?", Ending.ELSEWHERE: ">"}
    return [
        f"{marks[one.ending]}{one.address}".removesuffix("@" + HERE) + (f" by {one.owner}" if one.owner else "")
        for one in found.reached
    ]


DEEP = "\n".join(f"n{level}: n{level + 1}" for level in range(12))

CASES: list[tuple[str, str, list[str]]] = [
    ("", "alice", ["alice"]),
    ("", "nobody", ["?nobody"]),
    ("", "x@far.example", [">x@far.example"]),
    ("root: alice", "root", ["alice"]),
    ("root: alice", "ROOT", ["alice"]),
    ("root: alice", "root@too.example", ["alice@too.example"]),
    ("root@too.example: bob@here.example", "root@too.example", ["bob"]),
    ("root@too.example: bob@here.example", "root", ["?root"]),
    ("root: alice\nroot@here.example: bob", "root", ["bob"]),
    ("root: alice, bob", "root", ["alice", "bob"]),
    ("root: bob, alice, bob", "root", ["bob", "alice"]),
    ("root: alice, x@far.example", "root", ["alice", ">x@far.example"]),
    ("root: alice, nobody", "root", ["alice", "?nobody"]),
    ("a: b, c\nb: alice\nc: bob, alice", "a", ["alice", "bob"]),
    ("a: b, c\nb: d\nc: d\nd: alice", "a", ["alice"]),
    ("alice: alice, x@far.example", "alice", ["alice", ">x@far.example"]),
    ("alice: \\alice, x@far.example", "alice", ["alice", ">x@far.example"]),
    ("alice: Alice@HERE.example", "alice", ["Alice@HERE.example"]),
    ("alice: bob", "alice", ["bob"]),
    ("alice: bob\nbob: \\alice", "alice", ["alice"]),
    ("alice: bob\nbob: \\alice, \\bob", "alice", ["alice", "bob"]),
    ("list: \\nobody", "list", ["?nobody"]),
    ("@here.example: bob", "nobody", ["bob"]),
    ("@here.example: bob", "alice", ["alice"]),
    ("@here.example: bob\nalice: carol", "alice", ["carol"]),
    ("@here.example: x@far.example", "anybody", [">x@far.example"]),
    ("@too.example: @here.example", "alice@too.example", ["alice"]),
    ("@too.example: @here.example", "nobody@too.example", ["?nobody"]),
    ("@too.example: @far.example", "x@too.example", [">x@far.example"]),
    ("@too.example: @here.example\nroot@here.example: bob", "root@too.example", ["bob"]),
    ("@too.example: @here.example\nroot@too.example: carol@here.example", "root@too.example", ["carol"]),
    (
        "list: alice, bob\nowner-list: carol",
        "list",
        ["alice by owner-list@here.example", "bob by owner-list@here.example"],
    ),
    ("list: sub\nsub: bob\nowner-list: carol", "list", ["bob by owner-list@here.example"]),
    (
        "list: sub, alice\nsub: bob\nowner-list: carol\nowner-sub: carol",
        "list",
        ["bob by owner-sub@here.example", "alice by owner-list@here.example"],
    ),
    ("list: alice\nowner-list: carol", "owner-list", ["carol"]),
    ("owner-list: carol\nowner-owner-list: bob", "owner-list", ["carol by owner-owner-list@here.example"]),
    ('"a b": alice', '"a b"', ["alice"]),
    ('root: "a b"@far.example', "root", ['>"a b"@far.example']),
    ("n2: alice\n" + "\n".join(f"n{level}: n{level - 1}" for level in range(3, 12)), "n11", ["alice"]),
]

NONE: list[tuple[str, str, str]] = [
    ("a: b\nb: a", "a", "endless"),
    ("a: alice, b\nb: bob, a", "a", "endless"),
    ("a: b\nb: c\nc: a", "a", "endless"),
    ("a: b\nb: c\nc: b", "a", "endless"),
    ("a: A2\na2: a@HERE.example", "a", "endless"),
    ("@too.example: @here.example\n@here.example: @too.example", "x@too.example", "endless"),
    (DEEP, "n0", "endless"),
    ("broken: alice", "broken", "untold: the disk"),
    ("root: alice, broken", "root", "untold: the disk"),
    ("root: alice, |x", "root", "untold: |x"),
    ("root: alice, /x", "root", "untold: /x"),
    ("root: :include:/not/read", "root", "untold: the included file"),
    ("root: alice\nroot: bob", "root", "untold: root stands"),
    ("root: ,", "root", "untold"),
]


def full(address: str) -> str:
    return address if "@" in address.rpartition('"')[2] else f"{address}@{HERE}"


@pytest.mark.parametrize(("table", "address", "people"), CASES)
def test_who_is_behind(table: str, address: str, people: list[str]) -> None:
    assert run(table, full(address)) == people


@pytest.mark.parametrize(("table", "address", "reason"), NONE)
def test_who_cannot_be_told(table: str, address: str, reason: str) -> None:
    assert str(run(table, full(address))).startswith(reason)


def test_the_address_itself_and_nobody_are_told_apart() -> None:
    for address, is_itself, is_nobody in (("alice", True, False), ("root", False, False), ("none", True, True)):
        found = asyncio.run(expand(parse_address(full(address)), looking("root: alice", ("alice",))))
        assert isinstance(found, Expanded)
        assert (found.is_itself, found.is_nobody) == (is_itself, is_nobody)


def test_an_empty_list_is_nobody_and_not_itself() -> None:
    async def look(address: Address, is_final: bool) -> Finding:
        return Alias(())

    found = asyncio.run(expand(parse_address(full("list")), look))
    assert isinstance(found, Expanded)
    assert (found.reached, found.is_itself, found.is_nobody) == ((), False, True)


def test_a_list_as_long_as_may_be_and_one_more() -> None:
    table = "list: " + ", ".join(f"u{number}@far.example" for number in range(10_000))
    assert len(run(table, full("list"), most=10_000)) == 10_000
    assert str(run(table + ", one@far.example", full("list"), most=10_000)).startswith("endless: it stands for more")
    assert MOST_RESULTS == 100_000


def test_an_explosion_of_lists_ends() -> None:
    table = (
        "\n".join(f"l{level}: " + ", ".join(f"l{level + 1}" for _ in range(10)) for level in range(9)) + "\nl9: alice"
    )
    assert run(table, full("l0")) == ["alice"]
    wide = "top: " + ", ".join(f"m{number}" for number in range(50)) + "\n"
    wide += "\n".join(
        f"m{number}: " + ", ".join(f"u{number}-{user}@far.example" for user in range(50)) for number in range(50)
    )
    assert str(run(wide, full("top"), most=1000)).startswith("endless")
    chain = "top: " + ", ".join(f"m{number}" for number in range(30)) + "\n"
    chain += "\n".join(f"m{number}: alice" for number in range(30))
    assert str(run(chain, full("top"), most=10)).startswith("endless: it stands for more than 10")
    assert len(run(wide, full("top"))) == 2500


WISHES = {
    "mallory": "all",
    "damaged": "alice, |x",
    "kind": "alice, x@far.example",
    "ring": "gnir",
    "gnir": "ring",
    "both": "htob, \\both",
    "htob": "both, \\htob",
    "deep": "damaged",
    "again": "\\unsure, x@far.example",
}


@pytest.mark.parametrize(
    ("table", "address", "people"),
    [
        ("all: alice, unsure, bob", "all", ["alice", "~unsure", "bob"]),
        ("all: alice, \\unsure", "all", ["alice", "unsure"]),
        ("all: unsure", "all", "untold: of unsure"),
        ("all: unsure, \\unsure", "all", "untold: of unsure"),
        ("all: \\unsure, unsure", "all", "untold: of unsure"),
        ("all: \\alice, damaged\nalice: bob", "all", ["alice", "~damaged"]),
        ("", "unsure", "untold: of unsure"),
        ("all: bob, kind", "all", ["bob", "alice", ">x@far.example"]),
        ("", "kind", ["alice", ">x@far.example"]),
        ("all: bob, damaged, alice, carol", "all", ["bob", "~damaged", "alice", "carol"]),
        ("all: deep, bob", "all", ["~damaged", "bob"]),
        ("", "damaged", "untold: |x"),
        ("all: damaged", "all", "untold: |x"),
        ("all: damaged, damaged, \\damaged", "all", "untold: |x"),
        ("all: alice, mallory, bob", "all", ["alice", "mallory", "bob"]),
        ("all: alice, mallory, bob", "mallory", "endless"),
        ("", "ring", ["gnir"]),
        ("", "both", ["htob", "both"]),
        ("all: again, alice", "all", ["unsure", ">x@far.example", "alice"]),
        ("all: alice, |x", "all", "untold: |x"),
    ],
)
def test_what_is_wrong_with_one_mailbox_is_no_matter_to_the_others(
    table: str, address: str, people: list[str] | str
) -> None:
    """A forward file that cannot be read, or names the list, kept the list from everybody."""
    wished = {name: parse_aliases(f"{name}: {text}").entries[name] for name, text in WISHES.items()}
    inner = looking(table, ("alice", "bob", "carol", *WISHES))

    async def look(asked: Address, is_final: bool) -> Finding:
        name = asked.local_part
        if name == "unsure":
            return Untold("of unsure", is_alone=True)
        found = await inner(asked, is_final) if name != "damaged" or is_final else Ending.MAILBOX
        return (
            Alias(wished[name], is_wish=True) if found is Ending.MAILBOX and name in wished and not is_final else found
        )

    found = asyncio.run(expand(parse_address(full(address)), look))
    if isinstance(people, str):
        assert isinstance(found, Untold | Endless)
        assert f"{'untold' if isinstance(found, Untold) else 'endless'}: {found.reason}".startswith(people)
    else:
        assert isinstance(found, Expanded)
        marks = {Ending.MAILBOX: "", Ending.LATER: "~", Ending.ELSEWHERE: ">"}
        assert [marks[one.ending] + str(one.address).removesuffix("@" + HERE) for one in found.reached] == people


def test_an_address_that_comes_out_too_long_is_not_lost_without_a_word() -> None:
    long = "x" * 250
    table = f"@here.example: @{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.example\n"
    assert run(table, full(long))
    odd = Alias((Everybody("not a domain"),))

    async def look(address: Address, is_final: bool) -> Finding:
        return odd

    assert isinstance(asyncio.run(expand(parse_address(full("x")), look)), Untold)


def test_nobody_and_somebody_who_cannot_be_told_is_not_to_be_told_now() -> None:
    """Taken, it would be a bounce later; found by `test_directory`."""
    inner = looking("a: a, b\n", ())

    async def look(asked: Address, is_final: bool) -> Finding:
        return Untold("the disk", is_alone=True) if asked.local_part == "b" else await inner(asked, is_final)

    assert asyncio.run(expand(parse_address(full("a")), look)) == Untold("the disk", is_alone=True)

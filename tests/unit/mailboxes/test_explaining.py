"""What is said to people of an address: the way of its aliases, where they end, and the answer at RCPT."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.alias_file import FRESH
from asyncmta.mailboxes.alias_text import Include, Somebody
from asyncmta.mailboxes.explaining import MOST_LINES, doubtful, explain, text_of
from tests.unit.mailboxes.test_directory import House

OK = "at RCPT: 250 2.1.5 Recipient OK"
NOBODY = "at RCPT: 550 5.1.1 No such mailbox here"
UNSURE = "at RCPT: 451 4.3.0 Cannot tell now whether the mailbox exists; try again later"


@pytest.mark.parametrize(
    ("tables", "address", "lines"),
    [
        ({}, "Alice+x@here.example", ["Alice+x@here.example: mailbox mail/here.example/alice", OK]),
        ({}, "none@here.example", ["none@here.example: nobody", NOBODY]),
        (
            {"aliases": "team: alice, \\bob, x@far.example\nowner-team: bob"},
            "team@here.example",
            [
                "team@here.example: stands for alice, \\bob, x@far.example, in the name of owner-team@here.example",
                "  alice@here.example: mailbox mail/here.example/alice",
                "  bob@here.example: mailbox mail/here.example/bob",
                "  x@far.example: not at a domain of ours",
                OK,
            ],
        ),
        (
            {"virtual": "@too.example @here.example"},
            "alice@too.example",
            [
                "alice@too.example: stands for @here.example",
                "  alice@here.example: mailbox mail/here.example/alice",
                OK,
            ],
        ),
        (
            {"otherwise": Somebody("x", "far.example")},
            "none@here.example",
            ["none@here.example: stands for x@far.example", "  x@far.example: not at a domain of ours", OK],
        ),
        (
            {"relocated": "eve e@new.example"},
            "eve@here.example",
            [
                "eve@here.example: moved to e@new.example",
                "at RCPT: 551 5.1.6 User not local; please try <e@new.example>",
            ],
        ),
        (
            {},
            "none@rest.example",
            ["none@rest.example: nobody whom we know, and for the server of its domain that may", OK],
        ),
        (
            {"aliases": "a: b\nb: a"},
            "a@here.example",
            [
                "a@here.example: stands for b",
                "  b@here.example: stands for a",
                "    a@here.example: stands for b",
                f"{UNSURE} (a@here.example stands for itself by way of others)",
            ],
        ),
    ],
)
async def test_the_way_of_an_address(tmp_path: Path, tables: dict[str, str], address: str, lines: list[str]) -> None:
    assert await explain(House(tmp_path, **tables).directory, parse_address(address)) == lines  # type: ignore[arg-type]


async def test_a_fault_on_the_way(tmp_path: Path) -> None:
    first, second, answer = await explain(House(tmp_path, "a: alice, |x").directory, parse_address("a@here.example"))
    assert first.startswith("a@here.example: stands for alice, (a fault: |x: ")
    assert second.startswith("  a@here.example: cannot be told: |x: ")
    assert answer.startswith(UNSURE)


async def test_a_long_list_is_cut(tmp_path: Path) -> None:
    names = ", ".join(f"u{number}@far.example" for number in range(100))
    lines = await explain(House(tmp_path, f"a: {names}").directory, parse_address("a@here.example"))
    assert lines[0].endswith("u9@far.example, and 90 more")
    assert len(lines) == MOST_LINES + 2
    assert lines[-2:] == ["and so on", OK]


async def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "aliases").unlink()
    assert await explain(house.directory, parse_address("alice@here.example")) == [
        "alice@here.example: cannot be told: the aliases cannot be read now",
        f"{UNSURE} (the aliases cannot be read now)",
    ]


def test_an_include_that_was_not_read() -> None:
    assert text_of(Include("/x")) == ":include:/x"


async def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    house = House(
        tmp_path,
        'root: none\nloop: pool\npool: loop\nbad: |x\nteam: alice\n"a b": none\n"c@d": none\nfar@far.example: none\n',
        "@too.example none\ninfo@too.example none@here.example\nlost@here.example none\n",
        own="own none\n",
    )
    assert await doubtful(house.directory, "here.example") == [
        "root@here.example stands for nobody",
        "loop@here.example stands for itself by way of others",
        "pool@here.example stands for itself by way of others",
        '"a b"@here.example stands for nobody',
        '"c@d"@here.example stands for nobody',
        "info@too.example stands for nobody",
        "lost@here.example stands for nobody",
        "own@more.example stands for nobody",
    ]
    (tmp_path / "aliases").unlink()
    house.clock.advance(FRESH)
    assert "root@here.example stands for nobody" not in await doubtful(house.directory, "here.example")

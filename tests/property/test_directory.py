"""mailboxes/directory: an address that is rejected at RCPT cannot be delivered to, whatever the tables say (W-161)."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes.alias_file import AliasTable
from asyncmta.mailboxes.alias_text import Somebody, parse_aliases
from asyncmta.mailboxes.directory import Directory, DirectorySettings, LocalDomain, Moved, Reachable
from asyncmta.mailboxes.expansion import Ending, Expanded, Untold
from asyncmta.mailboxes.resolver import Mailbox, MailboxUnknown, NoMailbox

HERE = "here.example"
FAR = "x@far.example"
NAMES = ["a", "b", "c", "d", "e", "f"]

names = st.sampled_from(NAMES)
targets = names | names.map(lambda name: f"\\{name}") | st.sampled_from([FAR, "|x", f"b@{HERE}"])


class Tables(Struct, frozen=True):
    aliases: dict[str, list[str]]
    mailboxes: set[str]
    unsure: set[str]
    moved: set[str]
    otherwise: str
    has_relay: bool


tables = st.builds(
    Tables,
    st.dictionaries(names, st.lists(targets, min_size=1, max_size=3), max_size=5),
    st.sets(names, max_size=3),
    st.sets(names, max_size=1),
    st.sets(names, max_size=2),
    st.sampled_from(["", "a", "b", FAR]),
    st.booleans(),
)


class Read:
    """A file that was read."""

    def __init__(self, text: str) -> None:
        self._table = AliasTable(parse_aliases(text).entries, (), {})

    def known(self) -> AliasTable:
        return self._table


class Boxes:
    def __init__(self, said: Tables) -> None:
        self._said = said

    def cached(self, address: Address) -> Mailbox | MailboxUnknown | NoMailbox:
        name = address.local_part.lower()
        if name in self._said.unsure:
            return MailboxUnknown("the disk")
        return Mailbox(name) if name in self._said.mailboxes else NoMailbox()


def directory_of(said: Tables) -> Directory:
    aliases: Any = Read("".join(f"{name}: {', '.join(found)}\n" for name, found in said.aliases.items()))
    moved: Any = Read("".join(f"{name}: {name}@new.example\n" for name in said.moved))
    boxes: Any = Boxes(said)
    local_part, _, domain = said.otherwise.partition("@")
    otherwise = Somebody(local_part, domain or HERE) if said.otherwise else None
    return Directory(
        settings=DirectorySettings(domains=frozenset({HERE}), hostname="mx.example"),
        mailboxes=boxes,
        tables=[aliases],
        relocated=moved,
        domains={HERE: LocalDomain(otherwise=otherwise, has_relay=said.has_relay)},
    )


def can_be_reached(said: Tables, name: str, seen: tuple[str, ...] = ()) -> bool:
    """Is there any way on which a message for this name ends with somebody, now or when what is unsure is told?"""
    if name in (FAR, "|x"):
        return True
    is_own = name.startswith("\\") or (bool(seen) and seen[-1] == name.removesuffix(f"@{HERE}"))
    name = name.removeprefix("\\").removesuffix(f"@{HERE}")
    if is_own:
        return name in said.mailboxes | said.unsure
    if name in seen:
        return False
    way = (*seen, name)
    if name in said.aliases:
        return any(can_be_reached(said, target, way) for target in said.aliases[name])
    if name in said.moved:
        return False
    if name in said.mailboxes | said.unsure:
        return True
    if said.otherwise:
        return can_be_reached(said, said.otherwise, way)
    return said.has_relay


@given(tables, names)
@settings(max_examples=1000)
def test_rejected_implies_undeliverable(said: Tables, name: str) -> None:
    address = parse_address(f"{name}@{HERE}")
    directory = directory_of(said)
    standing = asyncio.run(directory.standing(address))
    found = asyncio.run(directory.expand(address))
    if isinstance(standing, NoMailbox | Moved):
        assert not can_be_reached(said, name)
        assert isinstance(found, Expanded)
        assert found.is_nobody
    elif isinstance(standing, Reachable):
        assert isinstance(found, Expanded)  # what is taken is expanded by the same tables
        assert any(one.ending in (Ending.MAILBOX, Ending.ELSEWHERE, Ending.RELAYED) for one in found.reached)
        assert can_be_reached(said, name)
    else:
        assert isinstance(standing, Untold)
        assert not isinstance(found, Expanded)


@given(tables, names)
def test_what_is_known_at_once_is_what_a_longer_look_finds(said: Tables, name: str) -> None:
    address = parse_address(f"{name}@{HERE}")
    directory = directory_of(said)
    known = directory.known(address)
    if known is not None:
        found = asyncio.run(directory.expand(address))
        assert isinstance(found, Expanded) == (not isinstance(known, Untold))
        if isinstance(found, Expanded):
            assert found.is_itself
            assert found.is_nobody == isinstance(known, NoMailbox)

"""The tables `[[list]]` and `[subscriptions]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at the files that are named (`config_checks` looks whether they are there).

docs/lists.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Text
from asyncmta.lists.names import is_list_name
from asyncmta.mail.address import parse_address

OptionalPath = Text(texts.any_text, optional=True, is_path=True)
OptionalAddress = Text(texts.address_or_local_part, optional=True)

Report = Callable[..., None]


class ListTable(Struct, frozen=True, kw_only=True):
    address: Annotated[str, OptionalAddress] = ""
    members: Annotated[str, OptionalPath] = ""
    owner: Annotated[str, OptionalAddress] = ""
    verp: Annotated[bool, Flag()] = False
    headers: Annotated[bool, Flag()] = False
    subscribe: Annotated[str, Choice(("closed", "confirm"))] = "closed"
    bounces: Annotated[str, Choice(("owner", "count"))] = "owner"


def check_lists(lists: tuple[ListTable, ...], domains: tuple[str, ...], report: Report) -> None:
    """Report what cannot be meant."""
    taken: list[str] = []
    for index, one in enumerate(lists):
        path = f"list.{index}"
        if "@" not in one.address:
            report(f"{path}.address", "a [[list]] needs an address with its domain, such as dev@example.org")
            continue
        address = parse_address(one.address, smtputf8=True)
        key = f"{address.local_part.lower()}@{address.domain_key}"
        if not is_list_name(address):
            said = "up to 40 letters, digits, dots, hyphens and underscores, not owner-... or ...-subscribe"
            report(f"{path}.address", f"the name of a list is {said}")
        elif address.domain_key not in domains:
            report(f"{path}.address", f'"{address.domain}" is not in local.domains', "local.domains")
        elif key in taken:
            report(f"{path}.address", f'"{one.address}" has a [[list]] already')
        taken.append(key)
        if not one.members:
            report(f"{path}.members", "a [[list]] needs a file of members, which may be empty")


def member_files(lists: tuple[ListTable, ...]) -> dict[str, str]:
    """The files that are named: the key -> the path."""
    return {f"list.{index}.members": one.members for index, one in enumerate(lists) if one.members}

"""The tables `[[list]]` and `[subscriptions]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at the files that are named (`config_checks` looks whether they are there).

docs/lists.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Duration, Flag, Text, Unfit, named
from asyncmta.lists.names import is_list_name
from asyncmta.mail.address import parse_address

OptionalPath = Text(texts.any_text, optional=True, is_path=True)
OptionalAddress = Text(texts.address_or_local_part, optional=True)

MOST_LISTS = 100  # the files of their members are includes of one table (`mailboxes/alias_file`)

Report = Callable[..., None]


def request_pattern(text: str) -> str:
    """The path of a user's file."""
    if text.count("{local_part}") != 1 or re.search(r"\{(?!local_part\}|domain\})|\.\.", text):
        raise Unfit(f"expected a path with {{local_part}} and, if need be, {{domain}} in it, got {named(text)}")
    if "{domain}" in text.partition("{local_part}")[2]:
        raise Unfit(f"{{domain}} has to stand before {{local_part}}, got {named(text)}")
    return text


class ListTable(Struct, frozen=True, kw_only=True):
    address: Annotated[str, OptionalAddress] = ""
    members: Annotated[str, OptionalPath] = ""
    owner: Annotated[str, OptionalAddress] = ""
    verp: Annotated[bool, Flag()] = False
    headers: Annotated[bool, Flag()] = False
    subscribe: Annotated[str, Choice(("closed", "confirm"))] = "closed"
    bounces: Annotated[str, Choice(("owner", "count"))] = "owner"


class SubscriptionsTable(Struct, frozen=True, kw_only=True):
    requests: Annotated[str, Text(request_pattern, optional=True, is_path=True)] = ""
    domain: Annotated[str, Text(texts.domain, optional=True)] = ""
    every: Annotated[float, Duration(1.0, 86400.0)] = 60.0


def check_subscriptions(table: SubscriptionsTable, domains: tuple[str, ...], report: Report) -> None:
    """Report what cannot be meant."""
    if not table.requests:
        return
    if not domains:
        report("subscriptions.requests", "needs a local domain", "local.domains")
    elif table.domain and table.domain not in domains:
        report("subscriptions.domain", f'"{table.domain}" is not in local.domains', "local.domains")


def check_lists(lists: tuple[ListTable, ...], domains: tuple[str, ...], report: Report) -> None:
    """Report what cannot be meant."""
    taken: list[str] = []
    if len(lists) > MOST_LISTS:
        report("list", f"there are {len(lists)}; up to {MOST_LISTS} are allowed")
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

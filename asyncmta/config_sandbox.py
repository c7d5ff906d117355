"""The table `[sandbox]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at a recipient (`policy/sandbox`).

docs/sandbox.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_forwarding import RewriteEntry
from asyncmta.config_kinds import Choice, Text, TextList, Unfit, named
from asyncmta.mail.address import InvalidAddress, parse_address
from asyncmta.policy.sandbox import Sandbox
from asyncmta.routing import parse_pattern

Report = Callable[..., None]


def whole_address(text: str) -> str:
    try:
        return str(parse_address(text, smtputf8=True))
    except InvalidAddress as error:
        raise Unfit(f'expected an address such as "dev@example.org", got {named(text)} ({error})') from None


class SandboxTable(Struct, frozen=True, kw_only=True):
    redirect_all: Annotated[str, Text(whole_address, optional=True)] = ""
    allow: Annotated[tuple[str, ...], TextList(Text(texts.route_pattern))] = ()
    others: Annotated[str, Choice(("discard", "refuse"))] = "discard"


def sandbox_of(table: SandboxTable) -> Sandbox | None:
    """None: there is none, and everybody gets mail."""
    if not table.redirect_all and not table.allow:
        return None
    return Sandbox(
        redirect_to=parse_address(table.redirect_all, smtputf8=True) if table.redirect_all else None,
        allow=tuple(map(parse_pattern, table.allow)),
        refuses=table.others == "refuse",
    )


def check_sandbox(table: SandboxTable, rewrites: Iterable[RewriteEntry], mode: str, report: Report) -> None:
    """Report what would lead out of it, or cannot be meant."""
    if sandbox_of(table) is None:
        if table.others == "refuse":
            report("sandbox.others", '"refuse" is of use only with sandbox.allow', "sandbox.allow")
        return
    if table.redirect_all and table.others == "refuse":
        report("sandbox.others", '"refuse" does not go with sandbox.redirect_all', "sandbox.redirect_all")
    if mode == "null-client":
        report("mode", '"null-client" has no queue that a sandbox could stand before; leave out [sandbox]')
    for index, rewrite in enumerate(rewrites):
        if rewrite.at == "exit" and rewrite.address != "sender":
            said = 'of recipients would lead out of the sandbox; allowed beside it is address = "sender"'
            report(f"rewrite.{index}.address", f'"{rewrite.address}" at "exit" {said}', f"rewrite.{index}.at")

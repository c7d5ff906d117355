"""The tables `[[site]]` and `[[source]]` of config.toml: how some hosts are treated, and from where dialled.

As in `config_tables`, a key is declared once, with its kind and its default. Never: files, the environment.

docs/remote.md, Politeness.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Text, TextList, Unfit, named
from asyncmta.delivery.habits import SiteRule
from asyncmta.delivery.tls_policy import LEVELS, SiteLevel

_RATE = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,5})?(s|sec|m|min|h|hour|d|day)\Z")
_SESSIONS = re.compile(r"([1-9][0-9]{0,3}) sessions?\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def limit(text: str) -> str:
    """`20/min`, or `5 sessions`."""
    if _RATE.match(text) is None and _SESSIONS.match(text) is None:
        raise Unfit(f'expected a rate such as "20/min" or a number such as "5 sessions", got {named(text)}')
    return text


def site_host(text: str) -> str:
    """A host name, or a dot and one: all below it."""
    return "." + texts.host_name(text[1:]) if text.startswith(".") else texts.host_name(text)


def site_host_or_address(text: str) -> str:
    try:
        return texts.ip_address(text)
    except Unfit:
        return site_host(text)


class FlagOrAuto(Struct, frozen=True):
    """true, false, or "auto", which is None."""

    def parse(self, value: Any) -> bool | None:
        if value == "auto":
            return None
        if not isinstance(value, bool):
            raise Unfit(f'expected true, false or "auto", got {named(value)}')
        return value

    def from_text(self, text: str) -> Any:
        return Flag().from_text(text)

    def show(self, value: bool | None) -> Any:
        return "auto" if value is None else value


class SourceTable(Struct, frozen=True, kw_only=True):
    hosts: Annotated[tuple[str, ...], TextList(Text(site_host_or_address))] = ()
    addresses: Annotated[tuple[str, ...], TextList(Text(texts.ip_address))] = ()
    helo: Annotated[str, Text(texts.host_name, optional=True)] = ""


class SiteTable(Struct, frozen=True, kw_only=True):
    hosts: Annotated[tuple[str, ...], TextList(Text(site_host))] = ()
    limits: Annotated[tuple[str, ...], TextList(Text(limit))] = ()
    one_domain: Annotated[bool | None, FlagOrAuto()] = None
    tls: Annotated[str, Choice(("", *LEVELS))] = ""


def check_site(path: str, table: SiteTable, report: Callable[..., None]) -> None:
    if not table.hosts:
        report(
            f"{path}.hosts", 'must name at least one host, such as "mx.example.net" or ".example.net" (all below it)'
        )


def check_source(path: str, table: SourceTable, report: Callable[..., None]) -> None:
    if not table.hosts:
        report(f"{path}.hosts", "must name at least one host; for all others there is remote.source_addresses")
    if not table.addresses:
        report(f"{path}.addresses", "must name at least one address of ours")


def rule_of_site(table: SiteTable) -> SiteRule:
    """What it means; of several rates or numbers the strictest counts."""
    sessions = 0
    messages, seconds = 0, 0.0
    for text in table.limits:
        number = _SESSIONS.match(text)
        if number is not None:
            sessions = min(sessions or int(number[1]), int(number[1]))
            continue
        rate = _RATE.match(text)
        assert rate is not None, "was checked when it was read"
        count, span = int(rate[1]), int(rate[2] or 1) * float(_SECONDS[rate[3][0]])
        if not messages or count * seconds < messages * span:
            messages, seconds = count, span
    return SiteRule(table.hosts, table.one_domain, sessions, messages, seconds)


def levels_of(tables: Iterable[SiteTable]) -> tuple[SiteLevel, ...]:
    """Of those that say one."""
    return tuple(SiteLevel(table.hosts, table.tls) for table in tables if table.tls)

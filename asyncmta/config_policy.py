"""The tables of config.toml about policy: `[[rule]]`, `[dnsbl]`, `[hooks]` and `[policy]`.

As in `config_tables`, a key is declared once, with its kind and its default; texts are checked here and are made into
rules by `mta_policy`. Promises: nothing here is on by default. Never: files, the environment.

docs/policy.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Duration, Flag, Text, TextList, Unfit, Whole, named
from asyncmta.policy.dnsbl import InvalidList, parse_list
from asyncmta.policy.refusal import InvalidRefusal, parse_refusal
from asyncmta.policy.verdict import tag_text

MINUTE = 60.0


class OneOrMore(Struct, frozen=True):
    """A text or a list of texts; "*" alone is no condition."""

    item: Text

    def parse(self, value: Any) -> tuple[Any, ...]:
        if value in ("*", ["*"]):
            return ()
        return TextList(self.item).parse([value] if isinstance(value, str) else value)

    def from_text(self, text: str) -> Any:
        return TextList(self.item).from_text(text)

    def show(self, value: tuple[Any, ...]) -> Any:
        return TextList(self.item).show(value) if value else "*"


def client_network(text: str) -> texts.Network:
    """A network or an address; as wide as one likes, since it grants nothing."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise Unfit(f'expected a network such as "192.0.2.0/24", or an address, got {named(text)}') from None
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise Unfit(f"write {named(text)} as an IPv4 network")
    return found


def name_pattern(text: str) -> str:
    """A host name, ".example.org" (what is below it), or "unknown"."""
    return "." + texts.domain(text[1:]) if text.startswith(".") else texts.domain(text)


def helo_pattern(text: str) -> str:
    """What a client may call itself is nearly anything, so nearly anything can be named; case counts for nothing."""
    if " " in text:
        raise Unfit(f"a client cannot call itself {named(text)}")
    return text.lower()


def login_pattern(text: str) -> str:
    if "*" in text[1:]:
        raise Unfit(f'expected a login, "*@example.org" or "*" (any login), got {named(text)}')
    return text


def sender_pattern(text: str) -> str:
    return text if text == "<>" else texts.route_pattern(text)


def header_text(text: str) -> str:
    if tag_text(text) is None:
        raise Unfit("expected at most 200 characters of printable ASCII (it goes into a header line)")
    return text


def dns_list(text: str) -> str:
    try:
        parse_list(text)
    except InvalidList as error:
        raise Unfit(f"{error}; got {named(text)}") from None
    return text


def endpoint(text: str) -> str:
    """`unix:/path` or `inet:host:port`."""
    kind, _, where = text.partition(":")
    if kind == "unix" and where.startswith("/"):
        return text
    if kind == "inet" and texts.split_port(where) is not None:
        return "inet:" + texts.smarthost(where)
    raise Unfit(f'expected "unix:/run/policy.sock" or "inet:127.0.0.1:10023", got {named(text)}')


class RuleEntry(Struct, frozen=True, kw_only=True):
    client: Annotated[tuple[texts.Network, ...], OneOrMore(Text(client_network))] = ()
    client_name: Annotated[tuple[str, ...], OneOrMore(Text(name_pattern))] = ()
    helo: Annotated[tuple[str, ...], OneOrMore(Text(helo_pattern))] = ()
    login: Annotated[tuple[str, ...], TextList(Text(login_pattern))] = ()
    tls: Annotated[bool, Flag()] = False
    sender: Annotated[tuple[str, ...], OneOrMore(Text(sender_pattern))] = ()
    recipient: Annotated[tuple[str, ...], OneOrMore(Text(texts.route_pattern))] = ()
    dnsbl: Annotated[int, Whole(0, 1000)] = 0
    action: Annotated[str, Choice(("accept", "reject", "defer", "hold", "discard", "tag"))] = "accept"
    reply: Annotated[str, Text(texts.any_text, optional=True)] = ""
    tag: Annotated[str, Text(header_text, optional=True)] = ""


class DnsblTable(Struct, frozen=True, kw_only=True):
    lists: Annotated[tuple[str, ...], TextList(Text(dns_list))] = ()
    threshold: Annotated[int, Whole(0, 1000)] = 0
    action: Annotated[str, Choice(("reject", "tag"))] = "reject"
    timeout: Annotated[float, Duration(0.1, MINUTE)] = 5.0


class HooksTable(Struct, frozen=True, kw_only=True):
    timeout: Annotated[float, Duration(0.1, 10 * MINUTE)] = 5.0
    on_error: Annotated[str, Choice(("defer", "accept"))] = "defer"


class PolicyTable(Struct, frozen=True, kw_only=True):
    service: Annotated[str, Text(endpoint, optional=True)] = ""
    timeout: Annotated[float, Duration(0.1, 10 * MINUTE)] = 10.0
    default: Annotated[str, Choice(("defer", "dunno"))] = "defer"
    clients: Annotated[str, Choice(("strangers", "all"))] = "strangers"
    end_of_message: Annotated[bool, Flag()] = False


def check_rule(path: str, rule: RuleEntry, given: frozenset[str], report: Callable[..., None]) -> None:
    """The pairs of one `[[rule]]`."""
    if f"{path}.action" not in given:
        report(f"{path}.action", "is missing; a rule says what is to be done")
    refuses = rule.action in ("reject", "defer")
    if rule.reply and not refuses:
        wanted = f'goes only with action = "reject" or "defer", not with "{rule.action}"'
        report(f"{path}.reply", wanted, f"{path}.action")
    elif rule.reply:
        try:
            parse_refusal(rule.reply, permanent=rule.action == "reject")
        except InvalidRefusal as error:
            report(f"{path}.reply", f"{error}; got {named(rule.reply)}", f"{path}.action")
    if rule.action == "tag" and not rule.tag:
        report(f"{path}.tag", 'action = "tag" needs a text for it', f"{path}.action")
    elif rule.tag and rule.action != "tag":
        report(f"{path}.tag", f'goes only with action = "tag", not with "{rule.action}"', f"{path}.action")


def check_dnsbl(dnsbl: DnsblTable, rules: tuple[RuleEntry, ...], report: Callable[..., None]) -> None:
    if dnsbl.lists:
        return
    if dnsbl.threshold:
        report("dnsbl.threshold", "needs at least one list in dnsbl.lists", "dnsbl.lists")
    for index, rule in enumerate(rules):
        if rule.dnsbl:
            report(f"rule.{index}.dnsbl", "needs at least one list in dnsbl.lists", "dnsbl.lists")

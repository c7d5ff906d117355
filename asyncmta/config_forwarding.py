"""The tables `[[rewrite]]` and `[srs]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: whether a domain of SRS is one that leads to us.

contract.md section 3; docs/forwarding.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Duration, Text, TextList
from asyncmta.mail.rewrite import InvalidRewrite, Rewriting, Rule, parse_rule
from asyncmta.mailboxes.srs import MOST_DAYS, SHORTEST_SECRET

DAY = 86400.0

Report = Callable[..., None]


class Secrets(Struct, frozen=True):
    """A list of texts that nobody may see."""

    def parse(self, value: Any) -> tuple[str, ...]:
        return _SECRETS.parse(value)

    def from_text(self, text: str) -> Any:
        return _SECRETS.from_text(text)

    def show(self, value: tuple[str, ...]) -> list[str]:
        return ["*" * SHORTEST_SECRET for _ in value]


_SECRETS = TextList(Text(texts.any_text, secret=True))


class RewriteEntry(Struct, frozen=True, kw_only=True):
    at: Annotated[str, Choice(("entry", "exit"))] = "entry"
    address: Annotated[str, Choice(("sender", "recipient", "both"))] = "both"
    match: Annotated[str, Text(texts.any_text)] = ""
    to: Annotated[str, Text(texts.any_text)] = ""


class SrsTable(Struct, frozen=True, kw_only=True):
    secrets: Annotated[tuple[str, ...], Secrets()] = ()
    domain: Annotated[str, Text(texts.host_name, optional=True)] = ""
    max_age: Annotated[float, Duration(DAY, (MOST_DAYS - 1) * DAY)] = 21 * DAY


def rule_of(entry: RewriteEntry) -> Rule:
    """Raises InvalidRewrite."""
    return parse_rule(entry.match, entry.to, is_for_senders=entry.address == "sender")


def rewriting(entries: Iterable[RewriteEntry], *, at: str, of: str) -> Rewriting:
    """The table for one place, and for "sender" or "recipient"."""
    return Rewriting([rule_of(entry) for entry in entries if entry.at == at and entry.address in (of, "both")])


def check_rewrite(path: str, entry: RewriteEntry, report: Report) -> None:
    """Report what is no rule."""
    for key in ("match", "to"):
        if not getattr(entry, key):
            report(f"{path}.{key}", f"a [[rewrite]] needs {key}")
            return
    try:
        rule_of(entry)
    except InvalidRewrite as error:
        report(f"{path}.match", str(error), f"{path}.to", f"{path}.address")


def check_srs(srs: SrsTable, report: Report) -> None:
    """Report secrets that can be guessed."""
    if any(len(secret) < SHORTEST_SECRET for secret in srs.secrets):
        report(
            "srs.secrets", f"each needs at least {SHORTEST_SECRET} characters, such as those of: openssl rand -hex 16"
        )
    if srs.domain and not srs.secrets:
        report("srs.domain", "is of use only with srs.secrets", "srs.secrets")

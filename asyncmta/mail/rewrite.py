"""Envelope rewrite tables: an address into another by the address, by its domain, or by a pattern.

The first rule that fits is applied, once. Promises: what comes out is an address by the grammar, or the address stays
as it was; the null reverse-path is no address and stays. A pattern is bounded (`InvalidRewrite` says how), and is not
asked about an address longer than 320 characters, so that no address can keep us busy; where a recipient goes is never
taken out of the address itself, so that nobody outside can choose it. Never: which table is asked when.

seeds D-80, P-77.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address

LONGEST = 320  # RFC 3696 4.4: 64 + 1 + 255
LONGEST_PATTERN = 200
MOST_REPEATS = 3  # of what has no bound: the time is the length of the address to this power, in steps of nanoseconds

MOST_CHOICES = 6  # things that may be there or not, and groups of alternatives: each doubles it

_REPEAT = re.compile(r"(?<!\\)(?:\\\\)*(?:[*+]|\{\d*,\d*\})")
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,?\d*\})")
_CHOICE = re.compile(r"(?<![\\(*+?}])\?|(?:^|[()])[^()]*\|")
_BACK = re.compile(r"\\[1-9]|\(\?P=")


class InvalidRewrite(ValueError):
    """The texts are no rule; the message says why."""


class Rule(Struct, frozen=True):
    """A parsed rule. `key`: an address in normal form, or "@domain"; `pattern` instead of it. `to`: an address, or
    "@domain" (the local part stays); for a pattern a template."""

    match: str
    to: str
    key: str = ""
    pattern: re.Pattern[str] | None = None

    def __str__(self) -> str:
        return f"{self.match} -> {self.to}"


def parse_rule(match: str, to: str, *, is_for_senders: bool = False) -> Rule:
    """`match` is an address, "@domain" or "/pattern/" (of the whole address, in any case). Raises InvalidRewrite."""
    if match.startswith("/"):
        return _parse_pattern(match, to, is_for_senders=is_for_senders)
    _check_target(to)
    try:
        if match.startswith("@"):
            return Rule(match, to, "@" + domain_key(match[1:]))
        return Rule(match, to, _key(parse_address(match, smtputf8=True)))
    except InvalidAddress as error:
        raise InvalidRewrite(f'match is an address, "@domain" or "/pattern/" ({error})') from None


def _check_target(to: str) -> None:
    try:
        if to.startswith("@"):
            domain_key(to[1:])
        else:
            parse_address(to, smtputf8=True)
    except InvalidAddress as error:
        raise InvalidRewrite(f'to is an address or "@domain" ({error})') from None


def _parse_pattern(match: str, to: str, *, is_for_senders: bool) -> Rule:
    text = match[1:-1]
    if len(match) < 3 or not match.endswith("/"):
        raise InvalidRewrite("a pattern stands between two slashes")
    if len(text) > LONGEST_PATTERN:
        raise InvalidRewrite(f"a pattern has at most {LONGEST_PATTERN} characters")
    if _REPEATED_GROUP.search(text) or _BACK.search(text):
        raise InvalidRewrite("a pattern repeats no group and refers to none: that can take for ever")
    if len(_REPEAT.findall(text)) > MOST_REPEATS:
        raise InvalidRewrite(f"a pattern has at most {MOST_REPEATS} of * and +: more can take for ever")
    if len(_CHOICE.findall(text)) > MOST_CHOICES:
        raise InvalidRewrite(f"a pattern has at most {MOST_CHOICES} of ? and of groups with |: more can take for ever")
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError) as error:
        raise InvalidRewrite(f"not a pattern: {error}") from None
    referred = [int(number) for number in re.findall(r"\\([0-9])", to)]
    if any(not 1 <= number <= pattern.groups for number in referred) or re.search(r"\\(?![0-9])", to):
        raise InvalidRewrite(f"to refers to the groups of the pattern, of which there are {pattern.groups}")
    if "\\" in to.rpartition("@")[2] and not is_for_senders:
        raise InvalidRewrite("the domain of to is written out: nobody outside may choose where mail goes")
    _check_target(re.sub(r"\\[0-9]", "x", to))
    return Rule(match, to, pattern=pattern)


def _key(address: Address) -> str:
    return address.mailbox_key.casefold()


class Rewriting:
    """One table, its rules in order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, address: Address) -> tuple[Address, Rule | None]:
        """The address as the table has it, and by which rule; None: as it was."""
        if not self._rules:
            return address, None
        key, domain = _key(address), "@" + address.domain_key
        for rule in self._rules:
            if rule.pattern is not None:
                to = _filled(rule.pattern, rule.to, address)
            else:
                to = rule.to if rule.key in (key, domain) else None
            if to is not None:
                return _target(to, address, keeps_local_part=rule.to.startswith("@")), rule
        return address, None


def _filled(pattern: re.Pattern[str], to: str, address: Address) -> str | None:
    """The template with what the pattern found; None: it does not fit."""
    text = f"{address.local_part}@{address.domain_key}"
    found = pattern.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    return re.sub(r"\\([0-9])", lambda reference: found[int(reference[1])] or "", to)


def _target(to: str, address: Address, *, keeps_local_part: bool) -> Address:
    try:
        return parse_address(address.local_part + to if keeps_local_part else to, smtputf8=True)
    except InvalidAddress:
        return address

"""From which address of ours, and under which name, a host is dialled: the rules of `[[source]]`.

The first rule that names the host decides, else `remote.source_addresses`; several addresses take turns. Rules are
about hosts and not about senders, because a session is used for whatever goes there. Never: sockets.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class SourceRule(Struct, frozen=True, kw_only=True):
    """`exchangers`: host names or addresses, `*.example.org` for all names below; `hostname` is for EHLO ("": ours)."""

    exchangers: tuple[str, ...]
    addresses: tuple[str, ...]
    hostname: str = ""

    def names(self, host: str) -> bool:
        return any(
            host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in self.exchangers
        )


def source_for(rules: Sequence[SourceRule], host: str, default: SourceRule) -> SourceRule:
    """The rule for a host (a normal name)."""
    return next((rule for rule in rules if rule.names(host)), default)


def address_for(rule: SourceRule, ip: str, salt: int) -> str:
    """One of its addresses of the family of `ip`; "" leaves it to the system."""
    ours = [source for source in rule.addresses if (":" in source) == (":" in ip)]
    return ours[salt % len(ours)] if ours else ""

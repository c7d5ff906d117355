"""Which entry of a table is meant by an address: the whole address before its name, the name with its detail before the
one without.

Promises: one form of names for every table (W-111); postmaster does not move with his domain. Never: a file; what the
targets are (`expansion.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncmta.mail.address import Address, quote
from asyncmta.mailboxes.alias_text import Everybody, Somebody, Target, bare_key
from asyncmta.mailboxes.path import OWNER, POSTMASTER, details, mailbox_name

Entries = Mapping[str, tuple[Target, ...]]


def named(entries: Entries, address: Address, delimiters: str) -> tuple[Target, ...] | None:
    """The targets of an address; None: the table does not have it."""
    for name in details(address.local_part, delimiters):
        found = _entry(entries, name, address.domain_key)
        if found is not None:
            return found
    return None


def of_domain(entries: Entries, address: Address) -> tuple[Target, ...]:
    """The targets of `@domain`; none: the table does not have it."""
    return entries.get("@" + address.domain_key, ())


def where_to(entries: Entries, address: Address, delimiters: str) -> tuple[Target, ...] | None:
    """As `named`, in a table of those who moved; a domain moves too, and its postmaster stays."""
    found = named(entries, address, delimiters)
    if found is None and mailbox_name(address.local_part) != POSTMASTER:
        return of_domain(entries, address) or None
    return found


def owner_of(tables: list[Entries], address: Address, delimiters: str) -> Address | None:
    """`owner-list` of a `list`, if there is one."""
    for name in details(address.local_part, delimiters):
        owner = OWNER + name
        if any(_entry(entries, owner, address.domain_key) is not None for entries in tables):
            return Address(quote(owner), address.domain, address.domain_key)
    return None


def spelled(target: Somebody | Everybody, of: Address) -> str:
    """A target as people write it, for an address that leads to it."""
    if isinstance(target, Everybody):
        return f"{of.local_part}@{target.domain}"
    return f"{target.local_part}@{target.domain or of.domain}"


def _entry(entries: Entries, name: str, domain: str) -> tuple[Target, ...] | None:
    key = mailbox_name(quote(name))
    return None if key is None else entries.get(f"{key}@{domain}") or entries.get(bare_key(key))

"""Where the mailbox of an address would be, and who says whether it is there: what the settings alone can tell.

Each local domain has its own way: whoever has a directory, anybody, a list, or somebody who knows (a file, a database,
the program around us). Promises: the whole name is looked for before the one without its detail; postmaster is a
mailbox in every local domain and at the host name, whoever else is asked; a path lies below its root. Never: a look at
the disk, or at what is known elsewhere (`resolver.py`).

RFC 5321 4.5.1 (postmaster); seeds Q-03 to Q-05.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from asyncmta.mail.address import Address, domain_key, quote, unquote
from asyncmta.mailboxes.path import POSTMASTER, Pattern, details, entry_name, mailbox_name, parse_pattern

Recipients = Callable[[Address], Awaitable[bool | None]]
"""Somebody else who knows: a file, a program around us. None: it cannot be told now. Never raises."""


class Home(Struct, frozen=True):
    """How a local domain keeps its mailboxes. Without `listed` and `recipients`, who has a directory is there; with
    `is_any` everybody is."""

    pattern: Pattern
    is_any: bool = False
    listed: frozenset[str] | None = None
    recipients: Recipients | None = None

    def has(self, name: str, domain: str) -> bool:
        """May it be there, as far as the settings go?"""
        return self.listed is None or ("@" not in name and name in self.listed) or f"{name}@{domain}" in self.listed

    @property
    def may_make(self) -> bool:
        """Is a directory that is not there yet to be made?"""
        return self.is_any or self.listed is not None or self.recipients is not None


class Place(Struct, frozen=True):
    """Where a mailbox may be. `name`: whom `recipients` are asked for, where there are any; `detail`: what stands
    behind the name."""

    path: str
    root: str
    name: Address
    may_make: bool
    detail: str = ""
    recipients: Recipients | None = None


def home_of(maildir: str, mailboxes: str | tuple[str, ...], recipients: Recipients | None = None) -> Home:
    """From the texts of the settings. `recipients` say who there is, in place of `mailboxes`."""
    listed = None
    if recipients is None and not isinstance(mailboxes, str):
        listed = frozenset(map(entry_name, mailboxes))
    return Home(parse_pattern(maildir), recipients is None and mailboxes == "any", listed, recipients)


class Homes:
    """All local domains. `domains`: by normal form; `own`: for the postmaster at `hostname`."""

    def __init__(
        self,
        *,
        domains: Mapping[str, Home],
        own: Home,
        hostname: str,
        postmaster: str = POSTMASTER,
        delimiters: str = "",
    ) -> None:
        self._domains = dict(domains)
        self._own = own
        self._hostname = hostname.lower()
        self._delimiters = delimiters
        local_part, at, domain = postmaster.rpartition("@")
        self._postmaster = (
            (domain_key(domain), mailbox_name(local_part)) if at else (self._hostname, mailbox_name(postmaster))
        )

    def places(self, address: Address) -> list[Place]:
        """Where it may be, best first: under the whole name, and under that without its detail."""
        domain = address.domain_key
        home = self._domains.get(domain)
        if home is None and domain != self._hostname:
            return []
        names = details(address.local_part, self._delimiters)
        if home is not None and home.is_any:
            names = names[-1:]  # a mailbox for each detail that somebody thinks of is what nobody wants
        whole = unquote(address.local_part)
        found = []
        for name in names:
            one = address if name == whole else Address(quote(name), address.domain, domain)
            place = self._place(one, home, whole[len(name) + 1 :].lower())
            if place is not None:
                found.append(place)
        return found

    def _place(self, address: Address, home: Home | None, detail: str) -> Place | None:
        name, domain = mailbox_name(address.local_part), address.domain_key
        if name is None:
            return None
        is_postmaster = name == POSTMASTER or (domain, name) == self._postmaster
        if not is_postmaster and (home is None or not home.has(name, domain)):
            return None
        kept = home or self._own
        path = kept.pattern.expand(domain, name)
        if path is None:
            return None
        asked = None if is_postmaster else kept.recipients
        return Place(path, kept.pattern.root, address, is_postmaster or kept.may_make, detail, asked)

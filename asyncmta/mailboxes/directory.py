"""What an address of a local domain is: an alias, a mailbox, moved away, or nobody; and who is behind it in the end.

One object for RCPT and for the intake, so that they cannot differ. In this order: the tables (the whole address, the
name; with its detail, then without), a whole domain that stands for another, the mailbox, the catch-all (`@domain`),
nobody. Promises: what cannot be told is never "nobody" (451 and not 550); a postmaster without an alias is a mailbox.
Never: writing; a decision about strangers' addresses.

RFC 5321 3.4 (551), 4.5.1 (postmaster); seeds P-04, P-09, W-111, W-161, W-300.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from asyncmta.mail.address import Address, quote
from asyncmta.mailboxes.alias_file import AliasFile, AliasTable
from asyncmta.mailboxes.alias_text import Everybody, Somebody, Target, bare_key
from asyncmta.mailboxes.expansion import Alias, Ending, Endless, Expanded, Finding, Untold, expand
from asyncmta.mailboxes.path import details, mailbox_name
from asyncmta.mailboxes.resolver import Mailbox, Mailboxes, NoMailbox

OWNER = "owner-"


class Moved(Struct, frozen=True):
    """Nobody lives here any more; this is where to."""

    to: str


class DirectorySettings(Struct, frozen=True, kw_only=True):
    """`delimiters`: letters that part a name from its detail ("+-"; "": none)."""

    domains: frozenset[str] = frozenset()
    hostname: str = "localhost"
    delimiters: str = ""


class Directory:
    """`tables`: asked in this order, the first that has the name decides. `relocated`: who has moved, and where to."""

    def __init__(
        self,
        *,
        settings: DirectorySettings,
        mailboxes: Mailboxes,
        tables: Sequence[AliasFile] = (),
        relocated: AliasFile | None = None,
    ) -> None:
        self._settings = settings
        self._mailboxes = mailboxes
        self._tables = tuple(tables)
        self._relocated = relocated

    @property
    def has_tables(self) -> bool:
        """False: nobody has an alias, so that nobody need ask."""
        return bool(self._tables)

    def is_plain(self, address: Address) -> bool:
        """True: nobody has to be asked, it stands for itself. False: somebody may know more."""
        for file in self._tables:
            table = file.known()
            if table is None or self._named(table.entries, address) or table.entries.get("@" + address.domain_key):
                return False
        return True

    def is_local(self, address: Address) -> bool:
        """Is it for us to say who that is?"""
        return address.domain_key in self._settings.domains or address.domain_key == self._settings.hostname

    async def expand(self, address: Address) -> Expanded | Endless | Untold:
        """Who is behind the address in the end."""
        return await expand(address, self.look)

    async def moved(self, address: Address) -> Moved | Untold | None:
        """Where somebody went who is in the table of those that moved."""
        if self._relocated is None:
            return None
        table = await self._relocated.current()
        if table is None:
            return Untold("who has moved cannot be told now")
        targets = self._named(table.entries, address)
        return None if targets is None else Moved(", ".join(map(_text, targets)))

    async def look(self, address: Address, is_final: bool) -> Finding:
        """What this address is; no further."""
        if not self.is_local(address):
            return Ending.ELSEWHERE
        if is_final:
            return await self._mailbox(address)
        tables: list[AliasTable] = []
        for file in self._tables:
            table = file.known() or await file.current()
            if table is None:
                return Untold("the aliases cannot be read now")
            tables.append(table)
        return await self._look_in(tables, address)

    async def _look_in(self, tables: list[AliasTable], address: Address) -> Finding:
        for table in tables:
            targets = self._named(table.entries, address)
            if targets is not None:
                return Alias(targets, self._owner(tables, address))
        everybody = next((found for table in tables if (found := table.entries.get("@" + address.domain_key))), None)
        if everybody is not None and any(isinstance(target, Everybody) for target in everybody):
            return Alias(everybody)
        mailbox = await self._mailbox(address)
        return Alias(everybody) if mailbox is Ending.NOBODY and everybody is not None else mailbox

    def _named(self, entries: Mapping[str, tuple[Target, ...]], address: Address) -> tuple[Target, ...] | None:
        for name in details(address.local_part, self._settings.delimiters):
            found = _entry(entries, name, address.domain_key)
            if found is not None:
                return found
        return None

    def _owner(self, tables: list[AliasTable], address: Address) -> Address | None:
        """`owner-list` of a `list`, if there is one."""
        for name in details(address.local_part, self._settings.delimiters):
            owner = OWNER + name
            if any(_entry(table.entries, owner, address.domain_key) is not None for table in tables):
                return Address(quote(owner), address.domain, address.domain_key)
        return None

    async def _mailbox(self, address: Address) -> Ending | Untold:
        answer = self._mailboxes.cached(address) or await self._mailboxes.lookup(address)
        match answer:
            case Mailbox():
                return Ending.MAILBOX
            case NoMailbox():
                return Ending.NOBODY
        return Untold(answer.reason)


def _entry(entries: Mapping[str, tuple[Target, ...]], name: str, domain: str) -> tuple[Target, ...] | None:
    key = mailbox_name(quote(name))
    return None if key is None else entries.get(f"{key}@{domain}") or entries.get(bare_key(key))


def _text(target: Target) -> str:
    return f"{target.local_part}@{target.domain}" if isinstance(target, Somebody) else ""

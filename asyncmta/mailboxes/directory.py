"""What an address of a local domain is: an alias, a mailbox, moved away, or nobody; and who is behind it in the end.

One object for RCPT and for delivery, so that they cannot differ. In this order: the tables (the whole address, the
name; with its detail, then without), those of all domains before that of its own; a whole domain that stands for
another; who has moved; the forward file of the mailbox, then the mailbox; the catch-all (`@domain` of a table, then
that of the settings); the relay for those whom we do not know; nobody. Promises: what cannot be told is never "nobody"
(451 and not 550); a postmaster without an alias is a mailbox. Never: writing; a decision about strangers' addresses.

RFC 5321 3.4 (551), 4.5.1 (postmaster); seeds P-04, P-09, P-78, W-111, W-161, W-300.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.mail.address import Address
from asyncmta.mailboxes.alias_file import AliasFile, AliasTable
from asyncmta.mailboxes.alias_text import Everybody, Somebody, Target
from asyncmta.mailboxes.entries import named, of_domain, owner_of, spelled, where_to
from asyncmta.mailboxes.expansion import MOST_RESULTS, Alias, Ending, Endless, Expanded, Finding, Untold, expand
from asyncmta.mailboxes.forward_file import ForwardFiles
from asyncmta.mailboxes.resolver import Answer, Mailbox, Mailboxes, NoMailbox

MOST_AT_RCPT = 100  # addresses behind one that a client waits for; who stands for more is believed to be somebody
AT_ONCE = 200  # addresses that are looked up before others may have a turn


class Moved(Struct, frozen=True):
    """Nobody lives here any more; this is where to."""

    to: str


class Reachable(Struct, frozen=True):
    """There is somebody. `mailbox`: that of the address itself, where it stands for nobody else."""

    mailbox: Mailbox | None = None


Standing = Reachable | Moved | NoMailbox | Untold
"""What RCPT wants to know."""

_SOMEBODY = Reachable()
_NOBODY = NoMailbox()


class LocalDomain(Struct, frozen=True):
    """What holds in one domain: its own `aliases`; who gets what is for nobody (`otherwise`); whether that goes to a
    server that may know them (`has_relay`)."""

    aliases: AliasFile | None = None
    otherwise: Somebody | None = None
    has_relay: bool = False


class DirectorySettings(Struct, frozen=True, kw_only=True):
    """`delimiters`: letters that part a name from its detail ("+-"; "": none). `origin`: the domain of targets without
    one, where `hostname` was asked and is no local domain; only its postmaster lives there."""

    domains: frozenset[str] = frozenset()
    hostname: str = "localhost"
    delimiters: str = ""
    origin: str = ""


class Directory:
    """`tables`: asked in this order, the first that has the name decides. `relocated`: who has moved, and where to.
    `domains`: what holds in some of them alone, by normal form. `forwards`: what owners of mailboxes want. `claims`:
    is it an address that the MTA itself answers, such as one to subscribe at?"""

    def __init__(
        self,
        *,
        settings: DirectorySettings,
        mailboxes: Mailboxes,
        tables: Sequence[AliasFile] = (),
        relocated: AliasFile | None = None,
        domains: Mapping[str, LocalDomain] = MappingProxyType({}),
        forwards: ForwardFiles | None = None,
        claims: Callable[[Address], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._delimiters = settings.delimiters
        self._mailboxes = mailboxes
        self._tables = tuple(tables)
        self._relocated = relocated
        self._forwards = forwards
        self._claims = claims
        self._domains = dict(domains)
        self._own = {name: (*self._tables, one.aliases) for name, one in domains.items() if one.aliases is not None}

    @property
    def aliases(self) -> tuple[tuple[str, AliasFile], ...]:
        """Each table of aliases, and the domain that it is of ("": of all)."""
        own = tuple((name, one.aliases) for name, one in self._domains.items() if one.aliases is not None)
        return (*(("", file) for file in self._tables), *own)

    @property
    def files(self) -> tuple[AliasFile, ...]:
        """All tables."""
        return (*(file for _, file in self.aliases), *(() if self._relocated is None else (self._relocated,)))

    @property
    def has_tables(self) -> bool:
        """False: nobody has an alias, so that nobody need ask."""
        return bool(self._tables or self._own)

    async def load(self) -> None:
        """Read all tables, so that what is wrong with them is said now and not when the first message comes."""
        for file in self.files:
            await file.current()

    def is_plain(self, address: Address) -> bool:
        """True: nobody has to be asked, it stands for itself. False: somebody may know more."""
        if self._claims is not None and self._claims(address):
            return False
        domain = address.domain_key
        rest = self._domains.get(domain)
        has_catch_all = rest is not None and (rest.otherwise is not None or rest.has_relay)
        for file in self._own.get(domain, self._tables):
            table = file.known()
            if table is None or named(table.entries, address, self._delimiters):
                return False
            everybody = of_domain(table.entries, address)
            if any(isinstance(target, Everybody) for target in everybody):
                return False
            has_catch_all = has_catch_all or bool(everybody)
        if self._relocated is not None:
            table = self._relocated.known()
            if table is None or where_to(table.entries, address, self._delimiters):
                return False
        if not has_catch_all and self._forwards is None:
            return True
        mailbox = self._mailboxes.cached(address)
        return isinstance(mailbox, Mailbox) and (self._forwards is None or self._forwards.known(mailbox.path) == ())

    def is_local(self, address: Address) -> bool:
        """Is it for us to say who that is?"""
        return address.domain_key in self._settings.domains or address.domain_key == self._settings.hostname

    def known(self, address: Address) -> Standing | None:
        """As `standing`, where that can be told at once."""
        answer = self._mailboxes.cached(address) if self.is_plain(address) else None
        if answer is None:
            return None
        match answer:
            case Mailbox():
                return Reachable(answer)
            case NoMailbox():
                return answer
        return Untold(answer.reason)

    async def standing(self, address: Address) -> Standing:
        """Is there anybody? Where one address stands for very many, that is believed without looking at each."""
        known = self.known(address)
        if known is not None:
            return known
        found = await self.expand(address, most=MOST_AT_RCPT)
        match found:
            case Untold():
                return found
            case Endless(reason, is_too_many):
                return _SOMEBODY if is_too_many else Untold(reason)
        if not found.is_itself:
            return _NOBODY if found.is_nobody else _SOMEBODY
        match found.reached[0].ending:
            case Ending.NOBODY:
                return _NOBODY
            case Ending.MOVED:
                return await self.moved(address) or _NOBODY  # gone from the table just now
            case Ending.MAILBOX:
                answer = self._mailboxes.cached(address)
                return Reachable(answer) if isinstance(answer, Mailbox) else _SOMEBODY
        return _SOMEBODY

    async def expand(self, address: Address, *, most: int = MOST_RESULTS) -> Expanded | Endless | Untold:
        """Who is behind the address in the end."""
        looked = 0

        async def look(one: Address, is_final: bool) -> Finding:
            nonlocal looked
            looked += 1
            if not looked % AT_ONCE:
                await asyncio.sleep(0)
            return await self.look(one, is_final)

        return await expand(address, look, most=most)

    async def moved(self, address: Address) -> Moved | Untold | None:
        """Where somebody went who is in the table of those that moved."""
        if self._relocated is None:
            return None
        table = self._relocated.known() or await self._relocated.current()
        if table is None:
            return Untold("who has moved cannot be told now")
        targets = where_to(table.entries, address, self._delimiters)
        if targets is None:
            return None
        people = [one for one in targets if isinstance(one, Somebody | Everybody)]
        if len(people) < len(targets):
            return Untold("where they moved is a line that cannot be taken")
        return Moved(", ".join([spelled(one, address) for one in people]))

    async def look(self, address: Address, is_final: bool) -> Finding:
        """What this address is; no further."""
        if not self.is_local(address):
            return Ending.ELSEWHERE
        if self._claims is not None and self._claims(address):
            return Ending.SERVICE
        if is_final:
            return await self._mailbox(address)
        tables: list[AliasTable] = []
        for file in self._own.get(address.domain_key, self._tables):
            table = file.known() or await file.current()
            if table is None:
                return Untold("the aliases cannot be read now")
            tables.append(table)
        return await self._look_in(tables, address)

    async def _look_in(self, tables: list[AliasTable], address: Address) -> Finding:
        for table in tables:
            targets = named(table.entries, address, self._delimiters)
            if targets is not None:
                return Alias(
                    self._at_home(targets, address),
                    owner_of([one.entries for one in tables], address, self._delimiters),
                )
        everybody = next((found for table in tables if (found := of_domain(table.entries, address))), None)
        if everybody is not None and any(isinstance(target, Everybody) for target in everybody):
            return Alias(everybody)
        moved = await self.moved(address)
        if moved is not None:
            return moved if isinstance(moved, Untold) else Ending.MOVED
        mailbox = await self._mailbox(address)
        if mailbox is Ending.MAILBOX and self._forwards is not None:
            return await self._forwarded(address, self._forwards)
        if mailbox is not Ending.NOBODY:
            return mailbox
        return Alias(everybody) if everybody is not None else self._otherwise(address)

    def _at_home(self, targets: tuple[Target, ...], address: Address) -> tuple[Target, ...]:
        """`postmaster: alice` is alice of a local domain, also for the postmaster at the host name."""
        origin = self._settings.origin
        if not origin or address.domain_key in self._settings.domains:
            return targets
        return tuple(
            [replace(one, domain=one.domain or origin) if isinstance(one, Somebody) else one for one in targets]
        )

    async def _forwarded(self, address: Address, forwards: ForwardFiles) -> Finding:
        """Whom the owner of a mailbox that is there wants his mail sent to."""
        mailbox = await self.mailbox(address)
        found = await forwards.of(mailbox.path) if isinstance(mailbox, Mailbox) else ()
        if isinstance(found, Untold):
            return replace(found, is_alone=True)
        return Alias(found, is_wish=True) if found else Ending.MAILBOX

    def _otherwise(self, address: Address) -> Finding:
        """What becomes of mail for nobody."""
        rest = self._domains.get(address.domain_key)
        if rest is None:
            return Ending.NOBODY
        if rest.otherwise is not None:
            return Alias((rest.otherwise,))
        return Ending.RELAYED if rest.has_relay else Ending.NOBODY

    async def mailbox(self, address: Address) -> Answer:
        """The mailbox under this very name, whatever aliases say."""
        return self._mailboxes.cached(address) or await self._mailboxes.lookup(address)

    async def _mailbox(self, address: Address) -> Ending | Untold:
        answer = await self.mailbox(address)
        match answer:
            case Mailbox():
                return Ending.MAILBOX
            case NoMailbox():
                return Ending.NOBODY
        return Untold(answer.reason, is_alone=True)

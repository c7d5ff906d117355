"""Who lives here, by the settings: mailboxes of directories, lists, files, databases or the program around us; aliases.

A part of the composition root. Promises: a callable that raises, hangs or answers neither yes nor no says "it cannot be
told now" (451), and the log says why. Never: a decision.

contract.md sections 3 and 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncmta.config import Settings
from asyncmta.config_local import ALIAS, RELAY, DomainTable, each_domain, meant
from asyncmta.forwarding.stores import Stores
from asyncmta.lists.desk import Desk
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.transport import Transport
from asyncmta.mailboxes.alias_file import AliasFile
from asyncmta.mailboxes.alias_text import AliasText, Somebody, parse_aliases, parse_virtual
from asyncmta.mailboxes.directory import Directory, DirectorySettings, LocalDomain
from asyncmta.mailboxes.forward_file import ForwardFiles
from asyncmta.mailboxes.homes import Recipients, home_of
from asyncmta.mailboxes.list_file import ListFile
from asyncmta.mailboxes.resolver import DATABASE, LIST_FILE, LocalSettings, Mailboxes, behind
from asyncmta.mailboxes.sqlite_users import SqliteUsers
from asyncmta.maillog import MailLog
from asyncmta.mta_lists import build_list_table, build_lists
from asyncmta.mta_maildir import build_quota
from asyncmta.system.clock import Clock, SystemClock
from asyncmta.system.deadline import Deadline
from asyncmta.system.disk import Disk, PosixDisk

ASK_TIMEOUT = 5.0
MOST_FAULTS = 10  # of one table that are said at a time

Exists = Callable[[str], Awaitable[bool | None]]
"""`Mta(settings, recipients=...)`: an address at a local domain -> has it a mailbox? None: it cannot be told now."""


def build_mailboxes(
    settings: Settings, *, clock: Clock, disk: Disk, maillog: MailLog, exists: Exists | None = None
) -> Mailboxes:
    """Who lives here, for RCPT and for delivery alike (row Q-03)."""
    local = settings.local
    asked = LocalSettings(
        domains=local.domains,
        maildir=local.maildir,
        mailboxes=local.mailboxes,
        postmaster=str(settings.postmaster),
        delimiters=local.delimiters,
    )
    if exists is not None:
        recipients: Recipients | None = asking(exists, clock=clock, maillog=maillog)
    else:
        recipients = _recipients(local.mailboxes, local.query, clock=clock, maillog=maillog)
    homes = {}
    for domain in settings.domains:
        own, found = meant(local, domain), recipients
        if domain.mailboxes != "" or (domain.query and exists is None):
            found = _recipients(own.mailboxes, own.query, clock=clock, maillog=maillog)
        homes[domain.name] = home_of(own.maildir, own.mailboxes, found)
    return Mailboxes(
        settings=asked,
        hostname=settings.hostname,
        clock=clock,
        disk=disk,
        recipients=recipients,
        domains=homes,
        quota=build_quota(settings, clock=clock, disk=disk),
    )


def build_directory(
    settings: Settings, *, mailboxes: Mailboxes, clock: Clock, maillog: MailLog, lists: Desk | None = None
) -> Directory:
    """Who is who, for RCPT and for delivery alike. `load` it before mail comes, so that faults are in the log early."""
    local = settings.local

    def file(path: str, parse: Callable[[str], AliasText]) -> AliasFile:
        return AliasFile(path=path, parse=parse, clock=clock, on_faults=_teller(maillog))

    tables = ((local.aliases, parse_aliases), (local.virtual, parse_virtual))
    named = build_list_table(settings, clock=clock, on_faults=_teller(maillog))
    own_tables = {domain.name: file(domain.aliases, parse_aliases) for domain in settings.domains if domain.aliases}
    return Directory(
        settings=DirectorySettings(
            domains=frozenset(local.domains),
            hostname=settings.hostname,
            delimiters=local.delimiters,
            origin=local.domains[0] if local.domains else "",
        ),
        mailboxes=mailboxes,
        tables=([named] if named else []) + [file(path, parse) for path, parse in tables if path],
        claims=lists.claims if lists is not None else None,
        relocated=file(local.relocated, parse_virtual) if local.relocated else None,
        domains={
            name: LocalDomain(own_tables.get(name), _otherwise(one), one.unknown_user.startswith(RELAY))
            for name, one in each_domain(local, settings.domains).items()
        },
        forwards=ForwardFiles(name=local.forward_files, clock=clock) if local.forward_files else None,
    )


def offline_directory(settings: Settings, *, maillog: MailLog) -> Directory:
    """That of the settings alone, for commands; a program around the MTA is not asked."""
    clock, disk = SystemClock(), PosixDisk()
    mailboxes = build_mailboxes(settings, clock=clock, disk=disk, maillog=maillog)
    lists = build_lists(settings, disk=disk, clock=clock, maillog=maillog)
    return build_directory(settings, mailboxes=mailboxes, clock=clock, maillog=maillog, lists=lists)


def _otherwise(domain: DomainTable) -> Somebody | None:
    """Who gets what is for nobody: `catch_all`, or the address of `unknown_user`."""
    text = domain.catch_all
    if domain.unknown_user.startswith(ALIAS):
        text = domain.unknown_user.removeprefix(ALIAS)
    if not text:
        return None
    address = parse_address(text if "@" in text else f"{text}@{domain.name}", smtputf8=True)
    return Somebody(address.local_part, address.domain)


def _recipients(mailboxes: str | tuple[str, ...], query: str, *, clock: Clock, maillog: MailLog) -> Recipients | None:
    """Who knows who lives here, where that is a file or a database."""
    if path := behind(LIST_FILE, mailboxes):
        return ListFile(path=path, clock=clock, on_faults=_teller(maillog)).has
    if path := behind(DATABASE, mailboxes):
        return SqliteUsers(path=path, query=query, clock=clock, on_faults=_teller(maillog)).has
    return None


def _teller(maillog: MailLog) -> Callable[[str, tuple[str, ...]], None]:
    """What the log says of a table: what is wrong with it, or that nothing is any more."""

    def tell(path: str, faults: tuple[str, ...]) -> None:
        if faults:
            more = len(faults) - MOST_FAULTS
            for fault in (*faults[:MOST_FAULTS], *([f"and {more} more like that"] if more > 0 else [])):
                maillog.note("warning", "table_fault", table=path, reason=fault)
        else:
            maillog.note("info", "table_mended", table=path)

    return tell


def build_stores(settings: Settings, *, maildirs: Transport, remote: Transport) -> Transport:
    """Where mail for mailboxes goes: Maildirs, and where a domain has one its mail store."""
    domains = [name for name, one in each_domain(settings.local, settings.domains).items() if one.store]
    return Stores(domains=domains, maildirs=maildirs, stores=remote) if domains else maildirs


def asking(exists: Exists, *, clock: Clock, maillog: MailLog) -> Callable[[Address], Awaitable[bool | None]]:
    """The program's callable, with a deadline, and without its exceptions."""

    async def recipients(address: Address) -> bool | None:
        try:
            async with Deadline(clock, ASK_TIMEOUT):
                found = await exists(str(address))
        except TimeoutError:
            maillog.note("error", "recipients_failed", reason=f"no answer within {ASK_TIMEOUT:g} s")
        except Exception as error:
            maillog.note("error", "recipients_failed", error=error)
        else:
            if found is None or isinstance(found, bool):
                return found
            maillog.note("error", "recipients_failed", reason=f"neither True, False nor None: {type(found).__name__}")
        return None

    return recipients

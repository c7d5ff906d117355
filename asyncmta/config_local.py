"""The tables `[local]` and `[[domain]]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. A `[[domain]]` says what is different for one local domain; what it leaves out is as `[local]`
has it (`meant` puts the two together). Never: a look at the files that are named (`mta_local` hands them to
`mailboxes`; `config_checks` looks whether they are there).

contract.md section 3; docs/local.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Struct
from msgspec.structs import replace

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Text, TextList, TextListOr, Unfit, named
from asyncmta.mail.address import parse_address
from asyncmta.routing import Smarthost, store_key, unknown_key

FILE, SQLITE = "file:", "sqlite:"
LMTP = "lmtp:"
REJECT, RELAY, ALIAS = "reject", "relay:", "alias:"
DELIMITERS = "+-=_.#~"
PLACES = re.compile(r":(?:address|local_part)\b")

OptionalPath = Text(texts.any_text, optional=True, is_path=True)
OptionalAddress = Text(texts.address_or_local_part, optional=True)

Report = Callable[..., None]


class Residents(Struct, frozen=True):
    """Who lives here: a word, `file:PATH`, `sqlite:PATH`, or a list; with `optional` also "". A relative path is made
    absolute by `anchored`."""

    optional: bool = False

    def parse(self, value: Any) -> str | tuple[str, ...]:
        if self.optional and value == "":
            return ""
        for kind in (FILE, SQLITE):
            if isinstance(value, str) and value.startswith(kind):
                path: str = Text(texts.any_text).parse(value.removeprefix(kind))
                return kind + path
        return RESIDENTS.parse(value)

    def from_text(self, text: str) -> Any:
        return text if text.startswith((FILE, SQLITE)) else RESIDENTS.from_text(text)

    def show(self, value: str | tuple[str, ...]) -> Any:
        return value if isinstance(value, str) else RESIDENTS.show(value)


RESIDENTS = TextListOr(Choice(("existing", "any")), TextList(Text(texts.address_or_local_part)))


def anchored(mailboxes: str | tuple[str, ...], absolute: Callable[[str], str]) -> str | tuple[str, ...]:
    """With the path behind `file:` or `sqlite:` made absolute."""
    for kind in (FILE, SQLITE):
        if isinstance(mailboxes, str) and mailboxes.startswith(kind):
            return kind + absolute(mailboxes.removeprefix(kind))
    return mailboxes


def delimiters(text: str) -> str:
    for letter in text:
        if letter not in DELIMITERS:
            raise Unfit(f'expected some of the letters "{DELIMITERS}", got {named(text)}')
    return text


def file_name(text: str) -> str:
    """A name for a file beside cur/, new/ and tmp/."""
    if "/" in text or text in (".", "..", "cur", "new", "tmp"):
        raise Unfit(f'expected the name of a file in the directory of a mailbox, such as ".forward", got {named(text)}')
    return text


def unknown_user(text: str) -> str:
    """`reject`, `relay:HOST:PORT` or `alias:ADDRESS`."""
    if text == REJECT:
        return text
    if text.startswith(RELAY):
        return RELAY + texts.smarthost(text.removeprefix(RELAY))
    if text.startswith(ALIAS):
        return ALIAS + texts.address_or_local_part(text.removeprefix(ALIAS))
    raise Unfit(f'expected "reject", "relay:HOST:PORT" or "alias:ADDRESS", got {named(text)}')


def store(text: str) -> str:
    """`lmtp:HOST:PORT` or `lmtp:unix:/PATH`."""
    if not text.startswith(LMTP):
        raise Unfit(f'expected "lmtp:HOST:PORT" or "lmtp:unix:/run/dovecot/lmtp", got {named(text)}')
    return LMTP + texts.next_hop(text.removeprefix(LMTP))


class LocalTable(Struct, frozen=True, kw_only=True):
    domains: Annotated[tuple[str, ...], TextList(Text(texts.domain))] = ()
    maildir: Annotated[str, Text(texts.maildir_pattern, is_path=True)] = "var/mail/{domain}/{local_part}"
    mailboxes: Annotated[str | tuple[str, ...], Residents()] = "existing"
    store: Annotated[str, Text(store, optional=True)] = ""
    query: Annotated[str, Text(texts.any_text, optional=True)] = ""
    aliases: Annotated[str, OptionalPath] = ""
    virtual: Annotated[str, OptionalPath] = ""
    relocated: Annotated[str, OptionalPath] = ""
    delimiters: Annotated[str, Text(delimiters, optional=True)] = ""
    catch_all: Annotated[str, OptionalAddress] = ""
    unknown_user: Annotated[str, Text(unknown_user)] = REJECT
    forward_files: Annotated[str, Text(file_name, optional=True)] = ""
    dedupe_mailboxes: Annotated[bool, Flag()] = False
    default_owner: Annotated[str, OptionalAddress] = ""


class DomainTable(Struct, frozen=True, kw_only=True):
    """ "": as `[local]` says."""

    name: Annotated[str, Text(texts.domain)] = ""
    mailboxes: Annotated[str | tuple[str, ...], Residents(optional=True)] = ""
    query: Annotated[str, Text(texts.any_text, optional=True)] = ""
    maildir: Annotated[str, Text(texts.maildir_pattern, optional=True, is_path=True)] = ""
    store: Annotated[str, Text(store, optional=True)] = ""
    aliases: Annotated[str, OptionalPath] = ""
    catch_all: Annotated[str, OptionalAddress] = ""
    unknown_user: Annotated[str, Text(unknown_user, optional=True)] = ""


def with_domains(local: LocalTable, domains: tuple[DomainTable, ...]) -> LocalTable:
    """Whoever has a `[[domain]]` is local, also where `local.domains` does not name it."""
    more = [one.name for one in domains if one.name and one.name not in local.domains]
    return replace(local, domains=(*local.domains, *dict.fromkeys(more))) if more else local


def meant(local: LocalTable, domain: DomainTable) -> DomainTable:
    """What holds for a domain. Where it says what becomes of unknown users, nothing of `[local]` says so too; its
    `aliases` come behind those of `[local]` and are not instead of them."""
    found = replace(
        domain,
        maildir=domain.maildir or local.maildir,
        query=domain.query or local.query,
        store=domain.store or local.store,
    )
    if domain.mailboxes == "":
        found = replace(found, mailboxes=local.mailboxes)
    if not domain.catch_all and not domain.unknown_user:
        found = replace(found, catch_all=local.catch_all, unknown_user=local.unknown_user)
    return replace(found, unknown_user=found.unknown_user or REJECT)


def each_domain(local: LocalTable, domains: tuple[DomainTable, ...]) -> dict[str, DomainTable]:
    """What holds in each local domain."""
    said = {one.name: one for one in domains}
    return {name: meant(local, said.get(name, DomainTable(name=name))) for name in local.domains}


def behind(local: LocalTable, domains: tuple[DomainTable, ...]) -> dict[str, Smarthost]:
    """The servers behind local domains, as `Routing` knows them: for unknown users, and those that keep mailboxes."""
    found: dict[str, Smarthost] = {}
    for name, one in each_domain(local, domains).items():
        if one.unknown_user.startswith(RELAY):
            host = one.unknown_user.removeprefix(RELAY)
            found[unknown_key(name)] = Smarthost(host, (host,), "opportunistic")
        if one.store:
            host = one.store.removeprefix(LMTP)
            found[store_key(name)] = Smarthost(host, (host,), "opportunistic", protocol="lmtp")
    return found


def alias_files(local: LocalTable, domains: tuple[DomainTable, ...]) -> dict[str, str]:
    """The tables that are named: the key -> the path."""
    found = {f"local.{key}": getattr(local, key) for key in ("aliases", "virtual", "relocated")}
    found |= {f"domain.{index}.aliases": one.aliases for index, one in enumerate(domains)}
    return {key: path for key, path in found.items() if path}


def check_local(local: LocalTable, domains: tuple[DomainTable, ...], relayed: tuple[str, ...], report: Report) -> None:
    """Report what cannot be meant together."""
    for domain in local.domains:
        if domain in relayed:
            report(
                "relay.domains", f'"{domain}" is in local.domains too; only one of the two is allowed', "local.domains"
            )
    _check_place("local", local, local.domains, report)
    names: list[str] = []
    for index, one in enumerate(domains):
        path = f"domain.{index}"
        if not one.name:
            report(f"{path}.name", "a [[domain]] needs the name of a domain")
        elif one.name in names:
            report(f"{path}.name", f'"{one.name}" has a [[domain]] already')
        names.append(one.name)
        _check_place(path, replace(one, query=one.query or local.query), (one.name,), report)


def _check_place(path: str, table: LocalTable | DomainTable, domains: tuple[str, ...], report: Report) -> None:
    """What `[local]` and a `[[domain]]` say alike."""
    key, listed = f"{path}.mailboxes", table.mailboxes
    for mailbox in listed if isinstance(listed, tuple) else ():
        if "@" in mailbox and parse_address(mailbox, smtputf8=True).domain_key not in domains:
            where = "local.domains" if path == "local" else f"{path}.name"
            said = "in no domain of local.domains" if path == "local" else "not in that domain"
            report(key, f'"{mailbox}" is {said}', where)
    if isinstance(listed, str) and listed.startswith(SQLITE) and not PLACES.search(table.query):
        said = (
            'needs a query that asks for :address, or for :local_part and :domain, such as "SELECT 1 FROM users WHERE'
        )
        report(f"{path}.query", f'mailboxes = "sqlite:..." {said} address = :address"', key)
    if table.catch_all and table.unknown_user not in ("", REJECT):
        said = f"both say what becomes of unknown users; leave out one of {path}.catch_all and {path}.unknown_user"
        report(f"{path}.unknown_user", said, f"{path}.catch_all")

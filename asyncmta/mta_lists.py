"""The mailing lists of the settings: their entries among the aliases, and what the MTA itself answers for them.

A part of the composition root. Promises: where there is no `[[list]]`, nothing of it is there. Never: a decision.

docs/lists.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncmta.config import Settings
from asyncmta.lists.bounce_file import BounceFile
from asyncmta.lists.desk import Desk
from asyncmta.lists.lists import Lists
from asyncmta.lists.names import MailingList, Role
from asyncmta.lists.request_files import RequestFiles
from asyncmta.lists.secret import Secret
from asyncmta.lists.subscriptions import Send, Subscriptions
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Envelope, QueueId, Recipient
from asyncmta.mail.reply import Reply
from asyncmta.mailboxes.alias_file import AliasFile
from asyncmta.mailboxes.alias_text import parse_aliases
from asyncmta.maillog import MailLog
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk

FOLDER = "lists"  # of the spool: the secret of tokens, and what is counted


def mailing_lists(settings: Settings) -> tuple[MailingList, ...]:
    """Those of `[[list]]`."""
    found = []
    for table in settings.lists:
        address = parse_address(table.address, smtputf8=True)
        owner = table.owner or str(settings.postmaster)
        found.append(
            MailingList(
                address=address,
                members=table.members,
                owner=parse_address(owner if "@" in owner else f"{owner}@{address.domain}", smtputf8=True),
                verp=table.verp,
                headers=table.headers,
                subscribe=table.subscribe == "confirm",
                bounces=table.bounces == "owner",
            )
        )
    return tuple(found)


def bounce_file(settings: Settings, one: MailingList, *, disk: Disk) -> BounceFile:
    return BounceFile(disk=disk, directory=f"{settings.spool}/{FOLDER}", name=one.key)


def build_lists(settings: Settings, *, disk: Disk, clock: Clock, maillog: MailLog) -> Desk | None:
    """Who answers at the addresses around lists; None: there are no lists, and nobody subscribes to others."""
    lists = mailing_lists(settings)
    if not lists and not settings.subscriptions.requests:
        return None
    secret = Secret(disk=disk, directory=f"{settings.spool}/{FOLDER}")
    ours = Lists(
        lists=lists,
        secret=secret,
        bounces={one.key: bounce_file(settings, one, disk=disk) for one in lists},
        hostname=settings.hostname,
        note=maillog.note,
    )
    table = settings.subscriptions
    if not table.requests:
        return Desk(lists=ours, subscriptions=None)
    subscriptions = Subscriptions(
        files=RequestFiles(table.requests, settings.local.domains),
        disk=disk,
        directory=f"{settings.spool}/{FOLDER}",
        domain=table.domain or settings.local.domains[0],
        owner=settings.postmaster,
        secret=secret,
        clock=clock,
        every=table.every,
        note=maillog.note,
    )
    return Desk(lists=ours, subscriptions=subscriptions)


def sending(submit: Callable[[Envelope, bytes], Awaitable[QueueId | Reply]]) -> Send:
    """How letters of ours get into the queue that answer nobody."""

    async def send(sender: Address, recipient: Address, content: bytes) -> bool:
        return not isinstance(await submit(Envelope(sender, (Recipient(recipient),)), content), Reply)

    return send


def build_list_table(
    settings: Settings, *, clock: Clock, on_faults: Callable[[str, tuple[str, ...]], None]
) -> AliasFile | None:
    """Each list as an alias of its members, and its owner."""
    lists = mailing_lists(settings)
    if not lists:
        return None
    text = "".join(f'{one.key}: "{_quoted(one.members)}"\n{_lowered(one)}: {one.owner}\n' for one in lists)
    return AliasFile(path="[[list]]", parse=parse_aliases, clock=clock, on_faults=on_faults, text=text)


def _quoted(path: str) -> str:
    return ":include:" + path.replace("\\", "\\\\").replace('"', '\\"')


def _lowered(one: MailingList) -> str:
    owner = one.at(Role.OWNER)
    return f"{owner.local_part.lower()}@{owner.domain_key}"

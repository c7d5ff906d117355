"""Mailboxes on the disk, from the settings: how full they may be, whose they are; and who gets copies of what passes.

A part of the composition root. Never: a decision.

docs/maildir.md.
"""

from __future__ import annotations

from asyncmta.config import Settings
from asyncmta.delivery.maildir import MaildirTransport
from asyncmta.delivery.maildir_places import MaildirSettings
from asyncmta.inbound.copying import Bcc
from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.maildirsize import Limit
from asyncmta.mailboxes.ownership import Ownership
from asyncmta.mailboxes.quota import Quota
from asyncmta.mailboxes.resolver import Mailboxes
from asyncmta.routing import parse_pattern
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk


def ownership_of(settings: Settings) -> Ownership:
    table = settings.maildir
    uid, gid = table.owner_numbers
    return Ownership(table.mode, uid, gid)


def bcc_rules(settings: Settings) -> tuple[Bcc, ...]:
    """Who gets copies of what passes; nobody where it is empty."""
    return tuple(
        Bcc(parse_pattern(table.sender), parse_pattern(table.recipient), parse_address(table.to))
        for table in settings.bccs
    )


def build_quota(settings: Settings, *, clock: Clock, disk: Disk) -> Quota:
    table = settings.maildir
    limit = Limit(table.quota, table.quota_messages)
    return Quota(disk=disk, clock=clock, limit=limit, ownership=ownership_of(settings))


def build_maildir(settings: Settings, *, disk: Disk, store: Store, mailboxes: Mailboxes) -> MaildirTransport:
    table = settings.maildir
    return MaildirTransport(
        disk=disk,
        mailboxes=mailboxes,
        read_content=store.read_content,
        hostname=settings.hostname,
        journal_tag=store.journal_tag,
        minted_from=store.next_queue_id(),
        settings=MaildirSettings(
            size_in_name=table.size_in_name,
            subfolders=table.subfolders,
            ownership=ownership_of(settings),
            once=settings.local.dedupe_mailboxes,
        ),
        quota=mailboxes.quota,
        archive=table.archive,
    )

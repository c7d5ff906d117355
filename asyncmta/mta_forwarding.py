"""What stands before the mailboxes, from the settings: the transport that follows aliases, and who makes the copies.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config import Settings
from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.local import Delivers, LocalTransport
from asyncmta.mail.envelope import QueueId
from asyncmta.mailboxes.directory import Directory, DirectorySettings
from asyncmta.mailboxes.resolver import Mailboxes
from asyncmta.maillog import MailLog
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


def build_forwarder(
    settings: Settings, *, store: Store, clock: Clock, maillog: MailLog, on_accepted: Callable[[QueueId], None]
) -> Forwarder:
    return Forwarder(
        store=store,
        read_content=store.read_content,
        on_accepted=on_accepted,
        clock=clock,
        hostname=settings.hostname,
        maillog=maillog,
    )


def build_local(*, directory: Directory, forwarder: Forwarder, mailboxes: Delivers, maillog: MailLog) -> LocalTransport:
    """The transport for our own domains; `mailboxes` is behind it."""
    return LocalTransport(directory=directory, forwarder=forwarder, mailboxes=mailboxes, maillog=maillog)


def build_directory(settings: Settings, *, mailboxes: Mailboxes) -> Directory:
    domains = frozenset(settings.local.domains)
    return Directory(settings=DirectorySettings(domains=domains, hostname=settings.hostname), mailboxes=mailboxes)

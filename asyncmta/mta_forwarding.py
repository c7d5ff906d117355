"""What stands before the mailboxes, from the settings: the transport that follows aliases, and who makes the copies.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.local import Delivers, LocalTransport
from asyncmta.forwarding.services import Services
from asyncmta.lists.lists import Lists
from asyncmta.mail.envelope import QueueId
from asyncmta.mailboxes.directory import Directory
from asyncmta.maillog import MailLog
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


class Queueing(Struct, frozen=True, eq=False):
    """What everybody needs who makes new messages of those in the queue."""

    store: Store
    clock: Clock
    maillog: MailLog
    hostname: str
    on_accepted: Callable[[QueueId], None]


def build_local(
    queueing: Queueing, *, directory: Directory, mailboxes: Delivers, lists: Lists | None
) -> LocalTransport:
    """The transport for our own domains; `mailboxes` is behind it, `lists` has the mailing lists."""
    store, maillog = queueing.store, queueing.maillog
    forwarder = Forwarder(
        store=store,
        read_content=store.read_content,
        on_accepted=queueing.on_accepted,
        clock=queueing.clock,
        hostname=queueing.hostname,
        maillog=maillog,
        post=lists.post if lists is not None else None,
    )
    return LocalTransport(
        directory=directory,
        forwarder=forwarder,
        mailboxes=mailboxes,
        maillog=maillog,
        services=_services(queueing, lists, directory) if lists is not None else None,
    )


def _services(queueing: Queueing, lists: Lists, directory: Directory) -> Services:
    return Services(
        answers=lists,
        expand=directory.expand,
        store=queueing.store,
        read_content=queueing.store.read_content,
        on_accepted=queueing.on_accepted,
        clock=queueing.clock,
        hostname=queueing.hostname,
        note=queueing.maillog.note,
    )

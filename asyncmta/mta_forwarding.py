"""Forwarding, from the settings: who makes the copies for those whom a local address stands for,
and who queues what the MTA itself answers.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config import Settings
from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.services import Services
from asyncmta.lists.lists import Lists
from asyncmta.mail.envelope import QueueId
from asyncmta.maillog import MailLog
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


def build_forwarding(
    settings: Settings,
    *,
    store: Store,
    clock: Clock,
    maillog: MailLog,
    on_accepted: Callable[[QueueId], None],
    lists: Lists | None,
) -> tuple[Forwarder, Services | None]:
    """Who makes copies, and who queues what the MTA itself answers (None: nobody answers)."""
    forwarder = Forwarder(
        store=store,
        read_content=store.read_content,
        on_accepted=on_accepted,
        clock=clock,
        hostname=settings.hostname,
        maillog=maillog,
        post=lists.post if lists is not None else None,
    )
    if lists is None:
        return forwarder, None
    services = Services(
        answers=lists,
        store=store,
        read_content=store.read_content,
        on_accepted=on_accepted,
        clock=clock,
        hostname=settings.hostname,
        note=maillog.note,
    )
    return forwarder, services

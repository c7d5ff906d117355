"""Forwarding, from the settings: who makes the copies for those whom a local address stands for.

A part of the composition root. Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config import Settings
from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.mail.envelope import QueueId
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

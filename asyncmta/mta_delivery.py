"""What delivery needs beside the network and the mailboxes, from the settings: the transport for commands.

Never: which route leads to it (`routing`).
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config import Settings
from asyncmta.delivery.dispatch import Dispatch
from asyncmta.delivery.pipe import PipeSettings, PipeTransport
from asyncmta.mail.transport import Transport
from asyncmta.maillog import MailLog
from asyncmta.mta_front import given
from asyncmta.routing import Route, Routing
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock


def build_pipe(
    settings: Settings, *, clock: Clock, maillog: MailLog, store: Store, route_of: Callable[[str], Route]
) -> PipeTransport:
    return PipeTransport(
        clock=clock,
        read_content=store.read_content,
        route_of=route_of,
        settings=PipeSettings(**given(PipeSettings, settings.pipe)),
        maillog=maillog,
    )


def build_dispatch(
    routing: Routing, local: Transport, remote: Transport, pipe: Transport, *, clock: Clock, maillog: MailLog
) -> Dispatch:
    return Dispatch(
        route_of=routing.route_of,
        local=local,
        remote=remote,
        pipe=pipe,
        clock=clock,
        maillog=maillog,
        finals=routing.finals,
    )

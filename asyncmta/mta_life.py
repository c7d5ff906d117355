"""How an MTA comes to its end: top first, with one deadline for all of it.

A part of the composition root, which `Mta` has its end from. Promises: nothing is lost by an end, however short: what
was not recorded is tried again after the next start. Never: a room is built here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncmta.delivery.pipe import PipeTransport
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.resolver import Resolver
from asyncmta.forwarding.local import LocalTransport
from asyncmta.forwarding.verping import Verping
from asyncmta.inbound.access import Access
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.listener import Listener
from asyncmta.lists.desk import Desk
from asyncmta.maillog import MailLog
from asyncmta.operations import Rooms
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock

LAST_WORDS = 2.0  # seconds of a stop that are for the 421 of sessions that did not end
LET_GO = 5.0  # seconds that an attempt in hand gets to begin with the content


class Life:
    """The end of an `Mta`."""

    maillog: MailLog
    _rooms: Rooms | None
    _handing_in: set[asyncio.Future[Any]]
    _listeners: list[Listener]
    _is_draining: bool
    _clock: Clock
    _store: Store
    _lists: Desk | None
    _remote: RemoteTransport
    _verping: Verping
    _local: LocalTransport
    _maildir: Any
    _pipe: PipeTransport
    _own_resolver: Resolver | None
    _access: Access | None
    _certificates: Certificates | None

    async def drain(self, grace: float) -> None:
        """Stop top first: no new sessions, no new attempts; what is in hand gets `grace` seconds and is then cut off;
        an attempt without any content sent yet a little less.

        Nothing is lost by a grace of nothing: what was not recorded is tried again. Safe to call twice.
        """
        self._is_draining, end = True, self._clock.monotonic() + grace
        listeners, self._listeners = self._listeners, []
        rooms, self._rooms = self._rooms, None
        if rooms is not None:
            await asyncio.gather(*(listener.stop(grace) for listener in listeners))
            await rooms.intake.drain()
            while self._handing_in:
                await asyncio.wait(self._handing_in)
            if self._lists is not None:
                await self._lists.close()
            rooms.policy.consultation.close()
            timer = self._clock.call_at(self._clock.monotonic() + LET_GO, self._remote.let_go)
            await rooms.scheduler.stop(max(0.0, end - self._clock.monotonic()))
            timer.cancel()
            await self._remote.close()
            await self._verping.close()
            await self._local.close()
            await self._maildir.close()
            await self._pipe.close()
        for opened in (self._own_resolver, self._access, self._certificates):
            if opened is not None:
                await opened.close()
        try:
            await self._store.close()
        finally:
            await asyncio.gather(*(listener.stop(0.0) for listener in listeners))  # whom the loop was just accepting
            await asyncio.to_thread(self.maillog.close)

"""New settings for an MTA that runs: built completely beside the old, then put in force in one turn of the loop.

A part of the composition root, which `Mta` has this from. Promises: settings with a fault change nothing; sessions and
attempts in hand keep what they began with, and who comes later gets the new; what waits is laid out anew by the new
routes. What was replaced is closed when the MTA stops. Never: which keys those are (`reloading`).
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable

from msgspec import Struct

from asyncmta.auth.reading import UsersRefused
from asyncmta.bounce.bouncer import Bouncer
from asyncmta.config import InvalidConfig, Settings
from asyncmta.delivery.maildir import MaildirTransport
from asyncmta.forwarding.local import LocalTransport
from asyncmta.forwarding.verping import Verping
from asyncmta.inbound.access import Access, Authenticator
from asyncmta.inbound.certificate_files import CertificatesRefused
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.intake import Intake
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.inbound.sessions import Reception
from asyncmta.mailboxes.directory import Directory
from asyncmta.mta_bounce import scheduler_settings
from asyncmta.mta_life import Life
from asyncmta.mta_policy import Policy
from asyncmta.operations import NotRunning
from asyncmta.reloading import Change, compare
from asyncmta.routing import Routing


class Back(Struct, frozen=True, eq=False):
    """What follows from the settings behind the queue, and what both sides ask."""

    settings: Settings
    routing: Routing
    policy: Policy
    readdressing: Readdressing | None
    directory: Directory
    maildir: MaildirTransport
    local: LocalTransport
    verping: Verping
    bouncer: Bouncer


class Front(Struct, frozen=True, eq=False):
    """What follows from them before the queue."""

    intake: Intake
    access: Access
    certificates: Certificates | None
    reception: Reception


class Replaced(Struct, frozen=True, eq=False):
    """What was in force before a reload, and may still be at work. `access` is None where it goes on."""

    back: Back
    intake: Intake
    access: Access | None
    certificates: Certificates | None

    async def close(self) -> None:
        self.back.policy.consultation.close()
        await self.back.verping.close()
        await self.back.local.close()
        await self.back.maildir.close()
        for opened in (self.access, self.certificates):
            if opened is not None:
                await opened.close()


class Renewable(Life, ABC):
    """The part of `Mta` that is about new settings."""

    read_settings: Callable[[], Settings] | None
    _authenticator: Authenticator | None
    _back: Back | None
    _front: Front | None
    _reloading: asyncio.Lock
    waiting_for_restart: tuple[str, ...] = ()

    @abstractmethod
    def _build_back(self, settings: Settings, routing: Routing) -> Back: ...

    @abstractmethod
    def _build_front(self, back: Back) -> Front: ...

    @abstractmethod
    def _take(self, back: Back, front: Front) -> None: ...

    async def reload(self, settings: Settings | None = None) -> Change[Settings]:
        """Put these settings in force, or those that their file has now; what of them, and what needs a restart. Raises
        InvalidConfig with every fault, and nothing has changed then."""
        async with self._reloading:
            scheduler = self.rooms.scheduler
            change = compare(self.settings, settings if settings is not None else await self._read_again())
            if faults := self._faults(change.settings):
                raise InvalidConfig(faults)
            try:
                back = self._build_back(change.settings, change.settings.routing())
                front = self._build_front(back)
            except (CertificatesRefused, UsersRefused, ssl.SSLError, OSError) as error:
                raise InvalidConfig([str(error)]) from None
            await back.directory.load()
            try:
                moved = await scheduler.replan(self._goes, lambda: self._swap(back, front))
            except NotRunning:
                access = front.access if self._front is None or self._front.access is not front.access else None
                await Replaced(back, front.intake, access, front.certificates).close()
                raise
            changed, needs_restart = list(change.changed), list(change.needs_restart)
            self.waiting_for_restart = change.needs_restart
            level = "warning" if needs_restart else "info"
            self.maillog.note(level, "reloaded", changed=changed, needs_restart=needs_restart, moved=moved)
            return change

    async def _read_again(self) -> Settings:
        if self.read_settings is None:
            raise InvalidConfig(["these settings came from a program, and there is no file to read them from again"])
        return await asyncio.to_thread(self.read_settings)

    def _faults(self, settings: Settings) -> list[str]:
        """What the new values cannot mean together with those that stay until a restart."""
        faults = settings.cannot_be_served() if self._authenticator is None else []
        if settings.tls_files() is None and any(listener.tls != "none" for listener in settings.listeners):
            faults.append("tls.certificate: a listener of the start speaks TLS, and needs one until a restart")
        if not settings.pipe.enabled and any(route.via == "pipe" for route in settings.routes):
            faults.append('route.via: "pipe" needs pipe.enabled = true, which needs a restart')
        return faults

    def _swap(self, back: Back, front: Front) -> None:
        """In one turn of the loop. Raises NotRunning when a stop came first: what it has closed is not opened again."""
        rooms = self.rooms
        was_back, was_front = self._back, self._front
        assert was_back is not None
        assert was_front is not None
        access = None if was_front.access is front.access else was_front.access
        self._replaced.append(Replaced(was_back, was_front.intake, access, was_front.certificates))
        self._take(back, front)
        self._handing_off.transport = back.verping
        rooms.scheduler.adopt(back.bouncer, scheduler_settings(back.settings))
        rooms.remote.forget()
        self.maillog.listen(back.settings.log.level)
        for listener in self._listeners:
            listener.renew(front.reception, front.certificates)

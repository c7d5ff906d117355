"""A null client: an MTA without a queue, which answers the dot when the smarthost has answered. `mode = "null-client"`.

Promises: nothing is written to a disk; all mail goes to the one smarthost of the settings, also what is for this
machine; a client hears no 250 before the smarthost has said so. Never: mailboxes, retries, reports, or anything that
an operator could ask about.

Seeds F-15, D-51; what is answered to the dot is decided in `inbound/handover.py`.
"""

from __future__ import annotations

import asyncio
import secrets

from msgspec.structs import replace

from asyncmta.delivery.remote import RemoteTransport
from asyncmta.inbound.acceptance import Existence
from asyncmta.inbound.access import Access
from asyncmta.inbound.handover import Handover
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener, ListenerSettings
from asyncmta.inbound.sessions import Reception
from asyncmta.mta import Mta
from asyncmta.mta_front import build_access, build_certificates, given, limits_of, listen
from asyncmta.mta_remote import build_dialer, build_resolver
from asyncmta.routing import Routing

DESTINATION = "smarthost:0"  # as `Routing` names the first rule, and `config_checks` allows one only


class NullClient(Mta):
    """`async with NullClient(settings) as mta: ...`; arguments as those of `Mta`, and no disk is used."""

    async def _open_spool(self) -> None:
        """There is none."""
        self._routing = self.settings.routing()

    def _build(self) -> None:
        settings, clock, maillog = self.settings, self._clock, self.maillog
        resolver = self._resolver
        if resolver is None:
            resolver = self._own_resolver = build_resolver(settings, clock=clock, maillog=maillog)
        self._handover = Handover(
            destination=DESTINATION,
            maillog=maillog,
            clock=clock,
            hostname=settings.hostname,
            settings=self._limits(),
        )
        self._remote = RemoteTransport(
            clock=clock,
            dialer=build_dialer(
                settings,
                clock=clock,
                resolver=resolver,
                maillog=maillog,
                listening=lambda: self.addresses,
                recipients_per_transaction=max(settings.limits.recipients, 1),  # one message, one answer
            ),
            read_content=self._handover.read_content,
            maillog=maillog,
            route_of=self._routing.route_of,
        )
        self._handover.deliver = self._remote.deliver
        secret = secrets.token_bytes(16)
        self._access = build_access(
            settings, clock=clock, maillog=maillog, authenticator=self._authenticator, secret=secret
        )
        self._certificates = build_certificates(settings, clock=clock, maillog=maillog)
        reception = self._reception(self._routing, self._access, self._limits())
        self._listeners = [
            Listener(
                settings=ListenerSettings(**given(ListenerSettings, table)),
                reception=reception,
                certificates=self._certificates,
            )
            for table in settings.listeners
        ]

    def _limits(self) -> Limits:
        return replace(limits_of(self.settings), future_release=0.0)  # who keeps nothing can hold nothing back

    def _reception(self, routing: Routing, access: Access, limits: Limits) -> Reception:
        relay = self.settings.relay
        return Reception(
            intake=self._handover,
            maillog=self.maillog,
            clock=self._clock,
            hostname=self.settings.hostname,
            routing=routing,
            lookup=lambda _: Existence.YES,  # asked of the postmaster alone; the smarthost knows better
            refusal=lambda _=0, /: None,
            pressure=lambda: None,
            access=access,
            limits=limits,
            networks=relay.networks,
        )

    async def _start(self) -> None:
        await listen(self._listeners)

    async def drain(self, grace: float) -> None:
        """No new sessions; messages that the smarthost has before it get `grace` seconds to be answered."""
        self._is_draining = True
        listeners, self._listeners = self._listeners, []
        await asyncio.gather(*(listener.stop(grace) for listener in listeners))
        if hasattr(self, "_remote"):
            await self._remote.close()
        for opened in (self._own_resolver, self._access, self._certificates):
            if opened is not None:
                await opened.close()
        await asyncio.to_thread(self.maillog.close)

    def not_ready(self) -> list[str]:
        return ["draining"] if self._is_draining else []

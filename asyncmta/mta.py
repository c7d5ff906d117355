"""The composition root and the Python API: builds every room, starts them bottom floor first, stops them top first.

Promises: listening when entered, drained when left; recovery is complete before the first socket opens; several live
in one process and one loop and share nothing. A clock, a resolver and a disk can be given, for tests and simulations.
Never: a decision about mail; those are in the rooms. The only file that builds things.

contract.md section 5; architecture.md 7.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import BinaryIO, Self

from asyncmta.config import Settings
from asyncmta.delivery.dialer import Resolves
from asyncmta.delivery.resolver import Resolver
from asyncmta.delivery.tapping import OutgoingTaps
from asyncmta.handing_off import HandingOff
from asyncmta.inbound.access import Access, Authenticator
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.copying import CopyingIntake
from asyncmta.inbound.intake import Intake
from asyncmta.inbound.listener import Listener, ListenerSettings
from asyncmta.inbound.recipients import lookup_in
from asyncmta.inbound.sessions import Reception
from asyncmta.mta_bounce import build_bouncer, scheduler_settings
from asyncmta.mta_delivery import build_dispatch, build_pipe
from asyncmta.mta_doors import build_exit_door
from asyncmta.mta_forwarding import Queueing, build_leaving, build_local, build_readdressing, build_verping
from asyncmta.mta_front import (
    build_access,
    build_certificates,
    given,
    is_same_access,
    limits_of,
    listen,
    shared,
)
from asyncmta.mta_life import LAST_WORDS
from asyncmta.mta_lists import build_lists, sending
from asyncmta.mta_local import Exists, build_directory, build_mailboxes, build_stores
from asyncmta.mta_maildir import bcc_rules, build_maildir
from asyncmta.mta_metrics import Measured
from asyncmta.mta_policy import build_policy
from asyncmta.mta_reload import Back, Front, Renewable
from asyncmta.mta_remote import build_dialer, build_remote, build_resolver
from asyncmta.mta_sites import Sited
from asyncmta.mta_tracing import Traced
from asyncmta.mta_views import Viewed
from asyncmta.mta_watching import build_log, build_watching
from asyncmta.operations import Rooms
from asyncmta.pausing import Paused
from asyncmta.routing import Routing
from asyncmta.scheduling.scheduler import HOLD, Scheduler
from asyncmta.scheduling.tags import marks_of
from asyncmta.spool.store import JournalFailed, Recovery, SpoolSettings, Store
from asyncmta.system.clock import Clock, SystemClock
from asyncmta.system.disk import Disk, PosixDisk
from asyncmta.tracing.looking import Tracing
from asyncmta.turning import turns_of


class Mta(Viewed, Sited, Measured, Renewable, Traced):
    """One MTA: `async with Mta(Settings.load("config.toml")) as mta: ...`.

    authenticator: an async callable (mechanism, login, password) -> bool, or None when it cannot be told now; with a
    method check_token also for tokens (`auth/source.py`). hooks and recipients: docs/python.md. log_stream: where log
    lines go instead of standard output.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        resolver: Resolves | None = None,
        disk: Disk | None = None,
        authenticator: Authenticator | None = None,
        hooks: object = None,
        recipients: Exists | None = None,
        log_stream: BinaryIO | None = None,
    ) -> None:
        self.settings = settings
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._disk: Disk = disk if disk is not None else PosixDisk()
        self.tracing = Tracing(self._clock)
        self._resolver = resolver
        self._authenticator = authenticator
        self._hooks, self._recipients = hooks, recipients
        self.maillog = build_log(settings, clock=self._clock, stream=log_stream)
        self._watching = build_watching(settings, disk=self._disk, clock=self._clock, maillog=self.maillog)
        self.suppressions = self._watching.keeper
        self._own_resolver: Resolver | None = None
        self._access: Access | None = None
        self._certificates: Certificates | None = None
        self._rooms: Rooms | None = None
        self._handing_in = set()
        self._listeners: list[Listener] = []
        self._failed = asyncio.Event()
        self._failure = ""
        self._is_draining = False
        self._paused, self._endings = Paused(), {}
        self._back, self._front, self._replaced = None, None, []
        self._reloading, self._handing_over = asyncio.Lock(), asyncio.Lock()
        file = settings.source.file
        self.read_settings = None if file is None else partial(Settings.load, file)
        self.recovery: Recovery | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._open_spool()
        try:
            self._build()
            await self._start()
        except BaseException:
            await self.drain(0.0)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(max(0.0, self.settings.queue.drain_timeout - LAST_WORDS))

    async def _open_spool(self) -> None:
        self._store = Store(
            disk=self._disk,
            directory=self.settings.spool,
            clock=self._clock,
            settings=SpoolSettings(min_free_space=self.settings.queue.min_free_space),
            on_poisoned=self._on_poisoned,
            on_event=self._on_spool_event,
        )
        self._routing = self.settings.routing()
        await self._watching.look_back()
        self.recovery = found = await self._store.open(marks_of(self._routing, look_at=HOLD))
        self.maillog.note("warning" if found.damaged else "info", "spool_opened", **found.told())

    def _build(self) -> None:
        """Every room, bottom floor first. Nothing runs yet."""
        settings, clock, store, maillog = self.settings, self._clock, self._store, self.maillog
        if self._resolver is None:
            self._resolver = self._own_resolver = build_resolver(settings, clock=clock, maillog=maillog)
        self._lists = build_lists(settings, disk=self._disk, clock=clock, maillog=maillog)
        self._dialer = build_dialer(
            settings, clock=clock, resolver=self._resolver, maillog=maillog, listening=lambda: self.addresses
        )
        self._dialer.taps = OutgoingTaps(self.tracing)
        route_of = self._route_of
        self._remote = build_remote(dialer=self._dialer, clock=clock, maillog=maillog, store=store, route_of=route_of)
        self._pipe = build_pipe(settings, clock=clock, maillog=maillog, store=store, route_of=route_of)
        back = self._build_back(settings, self._routing)
        self._handing_off = HandingOff(transport=back.verping, remote=self._remote, sync=partial(store.submit, ()))
        self._scheduler = Scheduler(
            clock=clock,
            store=store,
            transport=self._watching.traced(
                build_exit_door(settings, keeper=self.suppressions, transport=self._handing_off, maillog=maillog)
            ),
            bouncer=back.bouncer,
            routing=self._routing,
            maillog=maillog,
            settings=scheduler_settings(settings),
        )
        front = self._build_front(back)
        tls, reception = front.certificates, front.reception
        self._listeners = [
            Listener(settings=ListenerSettings(**given(ListenerSettings, table)), reception=reception, certificates=tls)
            for table in settings.listeners
        ]
        self._take(back, front)

    def _build_back(self, settings: Settings, routing: Routing) -> Back:
        clock, store, maillog, resolver, disk = self._clock, self._store, self.maillog, self._resolver, self._disk
        assert resolver is not None
        mailboxes = build_mailboxes(settings, clock=clock, disk=disk, maillog=maillog, exists=self._recipients)
        lists = self._lists
        directory = build_directory(settings, mailboxes=mailboxes, clock=clock, maillog=maillog, lists=lists)
        maildir = build_maildir(settings, disk=disk, store=store, mailboxes=mailboxes)
        leaving = build_leaving(settings, remote=self._remote, clock=clock)
        queueing = Queueing(settings, store, clock, maillog, lambda made: self._scheduler.add(made))  # noqa: PLW0108 - later
        stores = build_stores(settings, maildirs=maildir, remote=self._remote)
        local = build_local(queueing, directory=directory, mailboxes=stores, remote=leaving, lists=lists)
        dispatch = build_dispatch(routing, local, leaving, self._pipe, clock=clock, maillog=maillog)
        return Back(
            settings=settings,
            routing=routing,
            policy=build_policy(settings, clock=clock, maillog=maillog, resolver=resolver, hooks=self._hooks),
            readdressing=build_readdressing(
                settings, routing=routing, clock=clock, maillog=maillog, keeper=self.suppressions
            ),
            directory=directory,
            maildir=maildir,
            local=local,
            verping=build_verping(queueing, transport=dispatch),
            bouncer=build_bouncer(settings, store=store, routing=routing, clock=clock),
        )

    def _build_intake(self, back: Back) -> Intake:
        rules = bcc_rules(back.settings)
        kind = partial(CopyingIntake, rules=rules) if rules else Intake
        return kind(
            store=self._store,
            on_accepted=self._scheduler.add,
            maillog=self.maillog,
            clock=self._clock,
            hostname=back.settings.hostname,
            settings=limits_of(back.settings),
            inspect=back.policy.inspect,
            readdressing=back.readdressing,
        )

    def _build_front(self, back: Back) -> Front:
        assert self.recovery is not None
        settings, clock, maillog, before = back.settings, self._clock, self.maillog, self._front
        certificates = build_certificates(settings, clock=clock, maillog=maillog)
        intake = self._build_intake(back)
        if before is not None and is_same_access(self.settings, settings):
            access = before.access
        else:
            secret = self.recovery.journal.encode()
            access = build_access(
                settings, clock=clock, maillog=maillog, authenticator=self._authenticator, secret=secret
            )
        reception = Reception(
            intake=intake,
            maillog=maillog,
            clock=clock,
            hostname=settings.hostname,
            routing=back.routing,
            lookup=lookup_in(back.directory),
            refusal=self._store.refusal,
            pressure=self.pressure,
            limits=limits_of(settings),
            networks=settings.relay.networks,
            etrn_from=settings.relay.etrn_from,
            turns=before.reception.turns if before is not None else turns_of(self),
            access=access,
            tracing=self.tracing,
            gate=back.policy.gate,
            readdressing=back.readdressing,
            **(shared(before.reception) if before is not None else {}),
        )
        return Front(intake, access, certificates, reception)

    def _take(self, back: Back, front: Front) -> None:
        """These are in force from now on."""
        assert self._resolver is not None
        self._back, self._front = back, front
        self.settings, self._routing = back.settings, back.routing
        self._directory, self._maildir = back.directory, back.maildir
        self._local, self._verping = back.local, back.verping
        self._intake, self._access, self._certificates = front.intake, front.access, front.certificates
        self._rooms = Rooms(
            store=self._store,
            scheduler=self._scheduler,
            intake=front.intake,
            routing=back.routing,
            directory=back.directory,
            resolver=self._resolver,
            remote=self._remote,
            policy=back.policy,
        )

    async def _start(self) -> None:
        """The listeners come last: whoever can reach us is served by the whole of us."""
        await self._watching.open(self._store)
        await self._directory.load()
        if self._lists is not None:
            await self._lists.open(sending(self._intake.submit))
        self._scheduler.start()
        await listen(self._listeners)

    # -- how it stands -----------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, in the order of the settings, with the ports that the system chose."""
        return [address for listener in self._listeners for address in listener.addresses]

    async def wait_failed(self) -> str:
        """Return when the journal has failed for good: the process has to end (exit code 74)."""
        await self._failed.wait()
        return self._failure

    def _on_poisoned(self, failure: JournalFailed) -> None:
        self._failure = f"the journal failed: {failure}"
        self.maillog.note("critical", "journal_failed", reason=str(failure))
        self._failed.set()

    def _on_spool_event(self, event: str, facts: dict[str, object]) -> None:
        said = {("reason" if name == "error" else name): value for name, value in facts.items()}
        self.maillog.note("warning", f"spool_{event}", error=None, **said)

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
from asyncmta.inbound.access import Access, Authenticator
from asyncmta.inbound.certificates import Certificates
from asyncmta.inbound.copying import CopyingIntake
from asyncmta.inbound.intake import Intake
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener, ListenerSettings
from asyncmta.inbound.recipients import lookup_in
from asyncmta.inbound.sessions import Reception
from asyncmta.mail.transport import Transport
from asyncmta.mta_bounce import build_bouncer, scheduler_settings
from asyncmta.mta_delivery import build_dispatch, build_pipe
from asyncmta.mta_doors import build_exit_door
from asyncmta.mta_forwarding import Queueing, build_leaving, build_local, build_readdressing, build_verping
from asyncmta.mta_front import build_access, build_certificates, given, listen
from asyncmta.mta_lists import build_lists, sending
from asyncmta.mta_local import Exists, build_directory, build_mailboxes, build_stores
from asyncmta.mta_maildir import bcc_rules, build_maildir
from asyncmta.mta_metrics import Measured
from asyncmta.mta_policy import build_policy
from asyncmta.mta_remote import build_dialer, build_remote, build_resolver
from asyncmta.mta_watching import build_log, build_watching
from asyncmta.operations import Rooms
from asyncmta.routing import Routing
from asyncmta.scheduling.scheduler import HOLD, Scheduler
from asyncmta.scheduling.tags import marks_of
from asyncmta.spool.store import JournalFailed, Recovery, SpoolSettings, Store
from asyncmta.system.clock import Clock, SystemClock
from asyncmta.system.disk import Disk, PosixDisk
from asyncmta.turning import turns_of

DRAIN = 30.0  # seconds that sessions and attempts in hand get at a stop


class Mta(Measured):
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
        await self.drain(DRAIN)

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
        routing, keeper = self._routing, self.suppressions
        resolver = self._resolver
        if resolver is None:
            resolver = self._own_resolver = build_resolver(settings, clock=clock, maillog=maillog)
        self._policy = build_policy(settings, clock=clock, maillog=maillog, resolver=resolver, hooks=self._hooks)
        mailboxes = build_mailboxes(settings, clock=clock, disk=self._disk, maillog=maillog, exists=self._recipients)
        self._readdressing = build_readdressing(settings, routing=routing, clock=clock, maillog=maillog, keeper=keeper)
        lists = self._lists = build_lists(settings, disk=self._disk, clock=clock, maillog=maillog)
        self._directory = build_directory(settings, mailboxes=mailboxes, clock=clock, maillog=maillog, lists=lists)
        self._dialer = build_dialer(
            settings, clock=clock, resolver=resolver, maillog=maillog, listening=lambda: self.addresses
        )
        self._remote = build_remote(dialer=self._dialer, clock=clock, maillog=maillog, store=store, routing=routing)
        self._maildir = build_maildir(settings, disk=self._disk, store=store, mailboxes=mailboxes)
        leaving = build_leaving(settings, remote=self._remote, clock=clock)
        queueing = Queueing(settings, store, clock, maillog, lambda made: self._scheduler.add(made))  # noqa: PLW0108 - later
        self._local = build_local(
            queueing,
            directory=self._directory,
            mailboxes=build_stores(settings, maildirs=self._maildir, remote=self._remote),
            remote=leaving,
            lists=lists,
        )
        pipe = self._pipe = build_pipe(settings, clock=clock, maillog=maillog, store=store, routing=routing)
        dispatch = build_dispatch(routing, self._local, leaving, pipe, clock=clock, maillog=maillog)
        self._verping = build_verping(queueing, transport=dispatch)
        transport = build_exit_door(settings, keeper=keeper, transport=self._verping, maillog=maillog)
        self._scheduler = self._build_scheduler(transport, routing)
        self._intake = self._build_intake()
        self._listeners = self._build_listeners(routing)
        self._rooms = Rooms(
            store=store,
            scheduler=self._scheduler,
            intake=self._intake,
            routing=routing,
            directory=self._directory,
            resolver=resolver,
            remote=self._remote,
            policy=self._policy,
        )

    def _build_scheduler(self, transport: Transport, routing: Routing) -> Scheduler:
        bouncer = build_bouncer(self.settings, store=self._store, routing=routing, clock=self._clock)
        return Scheduler(
            clock=self._clock,
            store=self._store,
            transport=transport,
            bouncer=bouncer,
            routing=routing,
            maillog=self.maillog,
            settings=scheduler_settings(self.settings),
        )

    def _build_intake(self) -> Intake:
        rules = bcc_rules(self.settings)
        kind = partial(CopyingIntake, rules=rules) if rules else Intake
        return kind(
            store=self._store,
            on_accepted=self._scheduler.add,
            maillog=self.maillog,
            clock=self._clock,
            hostname=self.settings.hostname,
            settings=self._limits(),
            inspect=self._policy.inspect,
            readdressing=self._readdressing,
        )

    def _limits(self) -> Limits:
        return Limits(**given(Limits, self.settings.limits), soft=self.settings.bounce.soft)

    def _build_listeners(self, routing: Routing) -> list[Listener]:
        assert self.recovery is not None
        settings, clock, maillog = self.settings, self._clock, self.maillog
        secret = self.recovery.journal.encode()
        self._access = build_access(
            settings, clock=clock, maillog=maillog, authenticator=self._authenticator, secret=secret
        )
        reception = Reception(
            intake=self._intake,
            maillog=self.maillog,
            clock=self._clock,
            hostname=self.settings.hostname,
            routing=routing,
            lookup=lookup_in(self._directory),
            refusal=self._store.refusal,
            pressure=self._scheduler.pressure,
            limits=self._limits(),
            networks=self.settings.relay.networks,
            etrn_from=self.settings.relay.etrn_from,
            turns=turns_of(self),
            access=self._access,
            gate=self._policy.gate,
            readdressing=self._readdressing,
        )
        tls = self._certificates = build_certificates(settings, clock=clock, maillog=maillog)
        return [
            Listener(settings=ListenerSettings(**given(ListenerSettings, table)), reception=reception, certificates=tls)
            for table in self.settings.listeners
        ]

    async def _start(self) -> None:
        """The listeners come last: whoever can reach us is served by the whole of us."""
        await self._watching.open(self._store)
        await self._directory.load()
        if self._lists is not None:
            await self._lists.open(sending(self._intake.submit))
        self._scheduler.start()
        await listen(self._listeners)

    async def drain(self, grace: float) -> None:
        """Stop top first: no new sessions, no new attempts; what is in hand gets `grace` seconds and is then cut off.

        Nothing is lost by a grace of nothing: what was not recorded is tried again. Safe to call twice.
        """
        self._is_draining = True
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
            await rooms.scheduler.stop(grace)
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
            await self._watching.close()
            await asyncio.gather(*(listener.stop(0.0) for listener in listeners))  # whom the loop was just accepting
            await asyncio.to_thread(self.maillog.close)

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

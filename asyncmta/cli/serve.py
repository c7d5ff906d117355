"""`asyncmta serve`: the MTA in the foreground, from reading the settings to its exit code. The only importer of uvloop.

SIGTERM and SIGINT drain and end with 0; a second one ends at once, which is as safe as kill -9 and no safer. 78: bad
configuration; 73: a spool that is locked or cannot be made; 69: an address that cannot be bound; 74: a disk that
failed. SIGHUP reads the settings again. A supervisor (systemd) hears of all of it. The control socket is open while
the MTA runs. Never: anything about mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import click

from asyncmta import __version__
from asyncmta.admin.control_socket import SocketTaken
from asyncmta.admin.doorbell import Doorbell
from asyncmta.admin.guard import OpenDoor
from asyncmta.auth.reading import UsersRefused
from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.first_process import leave_first_process
from asyncmta.cli.where import config_option, load_settings_to_serve
from asyncmta.config import InvalidConfig
from asyncmta.inbound.certificate_files import CertificatesRefused
from asyncmta.mta import Mta
from asyncmta.mta_drop import build_pickup
from asyncmta.null_client import NullClient
from asyncmta.operations import NotRunning
from asyncmta.spool.store import JournalFailed, SpoolRefused
from asyncmta.system.addresses import AddressUnavailable
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import Locked
from asyncmta.system.supervisor import Supervisor

if TYPE_CHECKING:
    from types import ModuleType

    from asyncmta.admin.door import Door
    from asyncmta.config import Settings
    from asyncmta.web.pages import Pages

BROKEN = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EUCLEAN, errno.EREMOTEIO})
"""What a disk says that has failed. With anything else it refuses us, or has no room."""
GC_THRESHOLDS = (20_000, 20, 20)


@click.command(name="serve")
@config_option
def command() -> None:
    """Run the MTA in the foreground.

    SIGTERM and SIGINT let running transactions end and stop it with 0, a second one at once; SIGHUP reads settings and
    certificates anew.
    """
    leave_first_process()
    settings = load_settings_to_serve()
    allow_many_files()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(Service(settings).run())
    if code != Exit.OK:
        raise SystemExit(int(code))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is there; it costs a quarter less CPU or better."""
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop


def allow_many_files() -> None:
    """Each session is a descriptor; the usual soft limit of 1,024 is for programs that call select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def imported(name: str) -> ModuleType:
    """What mail does not wait for: aiohttp takes longer to import than all of ours."""
    return await asyncio.to_thread(import_module, name)


class Service:
    """One run of one MTA."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mta = NullClient(settings) if settings.mode == "null-client" else Mta(settings)
        self._log = self._mta.maillog
        self._stopping = asyncio.Event()
        self._starting: asyncio.Task[Exit] | None = None
        self._signals = 0
        self._listening: tuple[str, int] | None = None  # the door, over TCP
        self._reloading: set[asyncio.Future[None]] = set()
        self._mta.read_settings = partial(type(settings).load, settings.source.file)
        self._supervisor = Supervisor(environ=os.environ, clock=SystemClock())

    async def run(self) -> Exit:
        """Until it is told to stop or cannot go on."""
        self._starting = asyncio.current_task()
        self._listen_to_signals()
        self._log.note("info", "starting", version=__version__, pid=os.getpid())
        for note in self._settings.source.notes:
            if note.text:
                self._log.note("warning", "foreign_variable", variable=note.variable, text=note.text)
            else:
                self._log.note("info", "foreign_variable", variable=note.variable, ours=list(note.ours))
        self._log.note("info", "settings", **self._settings.effective())
        if os.geteuid() == 0:
            self._log.note("warning", "running_as_root", advice="bind low ports by a capability and run as a user")
        try:
            return await self._serve()
        except asyncio.CancelledError:
            if not self._signals:
                raise
            return Exit.OK
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            self._log.note("critical", "cannot_start", reason=str(error))
            raise Stop(code, f"asyncmta: {error}") from None
        finally:
            self._supervisor.close()
            self._log.close()

    async def _serve(self) -> Exit:
        admin = self._settings.admin
        async with self._mta as mta:
            if isinstance(mta, NullClient):  # nothing that an operator could ask about, and no disk for a socket
                self._starting = None
                self._log.note("info", "ready", listening=list(map(shown, mta.addresses)))
                self._say_ready()
                return await self._until_the_end()
            async with contextlib.AsyncExitStack() as opened:
                if self._settings.drop.enabled:  # first: a user of `sendmail` finds one open door once mail can be sent
                    pickup = build_pickup(mta)
                    opened.push_async_callback(pickup.close)
                    await pickup.open()
                if admin.listen:
                    opened.push_async_callback((await self._door(None)).close)
                else:  # it is built for the first who asks: mail needs no HTTP
                    bell = Doorbell(admin.socket, build=self._door, on_error=self._on_error)
                    opened.push_async_callback(bell.close)
                    bell.hang()
                    mta.observe(True)
                    opened.callback(mta.observe, False)
                freeze()
                self._starting = None
                self._log.note("info", "ready", listening=list(map(shown, mta.addresses)), admin=shown(self._listening))
                self._say_ready()
                return await self._until_the_end()

    async def _door(self, control: socket.socket | None) -> Door:
        """Open, at this control socket, or at one of its own."""
        mta, admin = self._mta, self._settings.admin
        assert isinstance(mta, Mta)
        door: Door = (await imported("asyncmta.admin.door")).Door(
            mta,
            socket_path=admin.socket,
            listen=admin.listen,
            token=admin.token,
            message_size=self._settings.limits.message_size,
            on_error=self._on_error,
            pages=await self._pages(mta) if admin.listen else None,
            control=control,
        )
        await door.open()
        self._listening = door.address
        return door

    async def _pages(self, mta: Mta) -> Pages:
        """Made in a thread: templates are read and compiled."""
        room = await imported("asyncmta.web.pages")
        hostname, token = self._settings.hostname, self._settings.admin.token
        make = partial(room.Pages, mta, hostname=hostname, token=token, clock=SystemClock(), on_error=self._on_error)
        pages: Pages = await asyncio.to_thread(make)
        return pages

    def _on_error(self, where: str, error: Exception) -> None:
        self._log.note("error", "admin_failed", error=error, request=where)

    def _say_ready(self) -> None:
        self._supervisor.say("READY=1")
        self._supervisor.watch(self._mta.alive)

    async def _until_the_end(self) -> Exit:
        stopping = asyncio.ensure_future(self._stopping.wait())
        failing = asyncio.ensure_future(self._mta.wait_failed())
        try:
            await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
            return Exit.IO_ERROR if failing.done() else Exit.OK
        finally:
            stopping.cancel()
            failing.cancel()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _stop(self, number: int) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self._log.note("info", "draining", signal=signal.Signals(number).name)
        self._supervisor.say("STOPPING=1")
        self._stopping.set()
        if self._starting is not None:
            self._starting.cancel()

    def _reload(self) -> None:
        if isinstance(self._mta, NullClient) or self._starting is not None:
            self._log.note("warning", "reload_ignored", reason="not by a null client, nor before the start is over")
            return
        self._supervisor.say_reloading()
        self._reloading.add(reloading := asyncio.ensure_future(self._read_anew(self._mta)))
        reloading.add_done_callback(self._reloading.discard)

    async def _read_anew(self, mta: Mta) -> None:
        try:
            await mta.reload()
        except InvalidConfig as error:
            for fault in error.faults:
                self._log.note("error", "reload_failed", reason=fault)
        except NotRunning:  # it stops
            return
        except Exception as error:
            self._log.note("error", "reload_failed", error=error)
        self._supervisor.say("READY=1")


def shown(address: tuple[str, int] | None) -> str:
    """`127.0.0.1:25`, `[::1]:25`, or nothing."""
    if address is None:
        return ""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def freeze() -> None:
    """What is there now stays: the cyclic collector need not look at it again, and looks less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def exit_code(error: Exception) -> Exit | None:
    """How a start that failed ends; None for a bug."""
    match error:
        case OpenDoor() | ssl.SSLError() | CertificatesRefused() | UsersRefused():
            return Exit.CONFIG
        case Locked() | SocketTaken() | SpoolRefused():
            return Exit.CANT_CREATE
        case JournalFailed():
            return Exit.IO_ERROR
        case AddressUnavailable():
            return Exit.UNAVAILABLE
        case OSError():  # of the spool, or of what stands in it
            return Exit.IO_ERROR if error.errno in BROKEN else Exit.CANT_CREATE
    return None

"""What the tests of the adapter share: a store without a disk, a log that is a list, a transport in memory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from asyncmta.inbound.acceptance import parse_networks
from asyncmta.inbound.access import Access, AccessSettings, Authenticator
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.intake import Intake
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener, ListenerSettings, SmtpConnection
from asyncmta.inbound.sessions import Reception
from asyncmta.mail.envelope import Content, QueueId
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import digest, is_dotted, unstuff
from asyncmta.spool.failures import JournalFailed
from asyncmta.spool.records import Accepted
from asyncmta.testing.clock import FakeClock
from tests.dialogs.player import HOSTNAME, ROUTING, lookup


class KitLarge:
    """Large content in memory. `unwritten` is what the test says."""

    def __init__(self, failure: JournalFailed | None) -> None:
        self.octets = b""
        self.unwritten = 0
        self.aborted = self.binary = False
        self._failure = failure

    def write(self, octets: bytes) -> None:
        self.octets += octets

    async def finish(self) -> Content:
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        size = len(unstuff(self.octets))
        return Content(size, digest((self.octets,), is_dotted(self.octets)), is_dotted(self.octets), len(self.octets))

    def abort(self) -> None:
        self.aborted = True


class KitStore:
    """Durable when the test says so: at once, or with `release`."""

    def __init__(self) -> None:
        self.records: list[Accepted] = []
        self.large: list[KitLarge] = []
        self.failure: JournalFailed | None = None
        self.large_failure: JournalFailed | None = None
        self.no_room: Reply | None = None
        self.waiting: list[Callable[[], None]] = []
        self.at_once = True
        self._next = 0

    def next_queue_id(self) -> QueueId:
        self._next += 1
        return QueueId(self._next)

    def submit(self, records: Sequence[Any], on_durable: Callable[[JournalFailed | None], None]) -> None:
        def sync() -> None:
            if self.failure is None:
                self.records += records
            on_durable(self.failure)

        if self.at_once:
            sync()
        else:
            self.waiting.append(sync)

    async def commit(self, *records: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.records += records

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for sync in waiting:
            sync()

    def refusal(self, size: int = 0) -> Reply | None:
        return self.no_room

    def begin_large(self, queue_id: QueueId, *, binary: bool = False) -> KitLarge:
        self.large.append(KitLarge(self.large_failure))
        self.large[-1].binary = binary
        return self.large[-1]


class KitLog:
    """Every line as its event and its facts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def accepted(self, **facts: Any) -> None:
        self.lines.append(("accepted", facts))

    def refused(self, **facts: Any) -> None:
        self.lines.append(("refused", facts))

    def refused_by(self, by: str, *, paths: tuple[Any, Any], **facts: Any) -> None:
        facts |= {"reverse_path": paths[0], "recipient": paths[1]} | ({"by": by} if by else {})
        self.lines.append(("refused", facts))

    def login_refused(self, **facts: Any) -> None:
        self.lines.append(("refused", {"stage": "AUTH", **facts}))

    def note(self, level: str, event: str, /, **facts: Any) -> None:
        self.lines.append((event, {"level": level, **facts}))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.lines if name == event]


class KitCertificates:
    """One context, whatever is asked of clients."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def context(self, asks: str) -> ssl.SSLContext:
        return self._context


class KitSocket:
    def __init__(self, fileno: int) -> None:
        self._fileno = fileno

    def fileno(self) -> int:
        return self._fileno


class KitTransport(asyncio.Transport):
    """A transport whose writes are a list."""

    def __init__(self, peer: tuple[str, int] | None = ("192.0.2.1", 4321), fileno: int | None = None) -> None:
        super().__init__({"peername": peer} | ({"socket": KitSocket(fileno)} if fileno is not None else {}))
        self.writes: list[bytes] = []
        self.reading = True
        self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def is_reading(self) -> bool:
        return self.reading

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def take(self) -> bytes:
        out = b"".join(self.writes)
        self.writes.clear()
        return out


class Kit:
    """One listener with all that it needs, never bound to a port."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        lookup: Any = lookup,
        authenticate: Authenticator | None = None,
        access: AccessSettings | None = None,
        tls_context: Any = None,
        on_accepted: Callable[[QueueId], None] | None = None,
        gate: Callable[[Kit], Gate] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.store = KitStore()
        self.log = KitLog()
        self.queued: list[QueueId] = []
        self.gate = None if gate is None else gate(self)
        limits = limits or Limits()
        self.intake = Intake(
            store=self.store,  # type: ignore[arg-type]
            on_accepted=on_accepted or self.queued.append,
            maillog=self.log,  # type: ignore[arg-type]
            clock=self.clock,
            hostname=HOSTNAME,
            settings=limits,
            inspect=None if self.gate is None else self.gate.inspect,
        )
        self.access = Access(
            settings=access or AccessSettings(failure_delay=0.0),
            limits=limits,
            clock=self.clock,
            maillog=self.log,  # type: ignore[arg-type]
            authenticator=authenticate,
            domains=("example.org",),
        )
        self.reception = Reception(
            intake=self.intake,
            maillog=self.log,  # type: ignore[arg-type]
            clock=self.clock,
            hostname=HOSTNAME,
            routing=ROUTING,
            lookup=lookup,
            refusal=self.store.refusal,
            pressure=lambda: None,
            limits=limits,
            networks=parse_networks(["10.0.0.0/8", "127.0.0.0/8"]),
            access=self.access,
            gate=self.gate,
        )
        self.listener = Listener(
            settings=ListenerSettings(port=0, **settings),
            reception=self.reception,
            certificates=KitCertificates(tls_context) if isinstance(tls_context, ssl.SSLContext) else tls_context,
        )

    def connect(self, transport: KitTransport | None = None) -> tuple[SmtpConnection, KitTransport]:
        transport = transport or KitTransport()
        connection = SmtpConnection(self.listener)
        connection.connection_made(transport)
        return connection, transport

    def greeted(self) -> tuple[SmtpConnection, KitTransport]:
        connection, transport = self.connect()
        connection.data_received(b"EHLO client.example\r\n")
        transport.take()
        return connection, transport

    def in_content(self) -> tuple[SmtpConnection, KitTransport]:
        connection, transport = self.greeted()
        connection.data_received(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
        assert transport.take().endswith(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        return connection, transport

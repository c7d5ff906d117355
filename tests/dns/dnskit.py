"""A delivery from the domain to the addresses that are dialled: the real resolver, dialer and transport; no network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.resolver import DnsSettings, Resolver
from asyncmta.delivery.session import Manners, Opened, Target, TlsContexts
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Failed, Outcome, Place, Postponed, Scope
from asyncmta.mail.reply import reply
from asyncmta.routing import Mx
from asyncmta.system.clock import Clock
from asyncmta.testing.clock import FakeClock
from tests.dns.nameserver import NameServer

DOMAIN = "example.test"
US = "us.test"
OURS = "8.8.9.9"  # where we listen ourselves
TIMEOUT = 5.0


class Log:
    def __init__(self) -> None:
        self.notes: list[tuple[str, str, dict[str, object]]] = []

    def attempt(self, **facts: Any) -> None:
        """Not looked at."""

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        assert event != "internal_error", error
        self.notes.append((level, event, facts))

    def events(self, *names: str) -> list[str]:
        return [event for _, event, _ in self.notes if event in names]


class World:
    """One domain, one name server, and a network in which everybody says 451 in the greeting."""

    def __init__(self, server: NameServer, tls: TlsContexts, *, servers: tuple[str, ...] = ()) -> None:
        self.server = server
        self.zone = server.zone
        self.clock = FakeClock()
        self.log = Log()
        self.dialled: list[str] = []
        settings = DnsSettings(servers=servers or (server.address,), timeout=TIMEOUT)
        self.resolver = Resolver(clock=self.clock, settings=settings, note=self.log.note)
        self.dialer = Dialer(
            clock=self.clock,
            resolver=self.resolver,
            settings=RemoteSettings(),
            hostname=US,
            tls=tls,
            salt=lambda: 0,
            is_own=lambda ip, port: (ip, port) == (OURS, 25),
            open_session=self._open,
        )
        self.transport = RemoteTransport(
            clock=self.clock,
            dialer=self.dialer,
            read_content=lambda queue_id: (b"\r\n",),
            maillog=self.log,
            route_of=lambda destination: Mx(destination.removeprefix("mx:")),
        )
        self._minted = 0

    async def close(self) -> None:
        await self.transport.close()
        await self.resolver.close()

    async def _open(self, target: Target, manners: Manners, clock: Clock) -> Opened | Failed | Deferred:
        self.dialled.append(target.ip)
        said = reply(451, "4.3.2", "reached")
        return Deferred(Cause.REFUSED, said, Scope.SITE, Place(target.host, target.ip))

    async def deliver(self, domain: str = DOMAIN, *, waits: bool = False) -> str:
        """In words: which addresses were reached in turn, or when and why not. `waits`: for the deadlines of ours."""
        self._minted += 1
        self.dialled = []
        self.transport.resume(None)  # what an earlier message met with is not the subject here
        recipient = parse_address(f"bob@{domain}")
        envelope = Envelope(parse_address("a@us.test"), (Recipient(recipient),))
        consignment = Consignment(
            QueueId(self._minted),
            f"mx:{recipient.domain_key}",
            envelope,
            (0,),
            Content(2, b"", True, 2),
            self.clock.now(),
        )
        came: asyncio.Future[Mapping[int, Outcome] | Postponed] = asyncio.get_running_loop().create_future()
        self.transport.deliver([consignment], lambda _, result: came.set_result(result))
        async with asyncio.timeout(30):
            while not came.done():
                await asyncio.sleep(0.02 if waits else 0.001)
                if waits and not came.done():
                    self.clock.advance(TIMEOUT)
        result = came.result()
        assert not isinstance(result, Postponed), result
        return self._words(result[0])

    def _words(self, outcome: Outcome) -> str:
        if self.dialled:
            assert "reached" in str(outcome.reply), outcome
            return "reaches " + ", ".join(self.dialled)
        assert isinstance(outcome, Failed | Deferred)
        return f"{'bounces' if isinstance(outcome, Failed) else 'later'}, {outcome.reply.enhanced}"

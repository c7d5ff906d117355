"""What the tests of remote delivery share: a clock, a log, results, consignments, and servers that misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self

import pytest
import trustme

from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.dialogue import Dialogue
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.session import TlsContexts, default_tls_contexts
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome, Postponed
from asyncmta.mail.wire import is_dotted, unstuff
from asyncmta.routing import Mx, Route, Smarthost
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver

CONTENT = (b"Received: from x by y\r\n", b"Subject: hi\r\n\r\n..dot\r\nHello\r\n")

Result = Mapping[int, Outcome] | Postponed


async def until(predicate: Callable[[], object]) -> None:
    """Give way to the sockets until it holds; the clock stands still."""
    async with asyncio.timeout(10):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


class Results:
    """What was said of each consignment; said twice of one is a failure."""

    def __init__(self) -> None:
        self.of: dict[Consignment, Result] = {}
        self._came = asyncio.Event()

    def __call__(self, consignment: Consignment, result: Result) -> None:
        assert consignment not in self.of, "said twice"
        if not isinstance(result, Postponed):
            assert sorted(result) == sorted(consignment.ordinals)
        self.of[consignment] = result
        self._came.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.of) < count:
                self._came.clear()
                await self._came.wait()

    def outcome(self, consignment: Consignment, ordinal: int | None = None) -> Outcome:
        result = self.of[consignment]
        assert not isinstance(result, Postponed)
        return result[consignment.ordinals[0] if ordinal is None else ordinal]

    def kinds(self) -> str:
        """A letter for each consignment in order: Delivered, dEferred, Failed, Postponed; by its first recipient."""
        letters = {Delivered: "D", Deferred: "E", Failed: "F"}
        return "".join(
            "P" if isinstance(result, Postponed) else letters[type(next(iter(result.values())))]
            for result in self.of.values()
        )


class Log:
    """Stands in for the mail log."""

    def __init__(self) -> None:
        self.attempts: list[dict[str, Any]] = []
        self.notes: list[tuple[str, str, dict[str, object]]] = []

    def attempt(self, **facts: Any) -> None:
        self.attempts.append(facts)

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        self.notes.append((level, event, {**facts, "error": error}))

    @property
    def bugs(self) -> list[object]:
        return [facts["error"] for _, event, facts in self.notes if event == "internal_error"]


class Post:
    """A remote transport with what it needs."""

    def __init__(self, settings: RemoteSettings, tls: TlsContexts) -> None:
        self.clock = FakeClock()
        self.log = Log()
        self.resolver = FakeResolver()
        self.results = Results()
        self.routes: dict[str, Route] = {}
        self.content: dict[int, Any] = {}  # parts, an iterator or what makes one, an exception
        self.salt = 0
        self.dialer = Dialer(
            clock=self.clock,
            resolver=self.resolver,
            settings=settings,
            hostname="us.example",
            tls=tls,
            salt=lambda: self.salt,
        )
        self.transport = RemoteTransport(
            clock=self.clock,
            dialer=self.dialer,
            read_content=self._read_content,
            maillog=self.log,
            route_of=self._route_of,
        )
        self._minted = 0

    def _read_content(self, queue_id: QueueId) -> tuple[bytes, ...] | AsyncIterator[bytes]:
        content = self.content.get(queue_id, CONTENT)
        if callable(content):  # to be read more than once
            content = content()
        if isinstance(content, Exception):
            raise content
        return content

    def _route_of(self, destination: str) -> Route:
        kind, _, rest = destination.partition(":")
        if kind == "mx":
            return Mx(rest)
        return self.routes[destination]

    def smarthost(self, *addresses: tuple[str, int], tls: str = "none", username: str = "", password: str = "") -> str:
        """A destination that leads to these servers."""
        destination = f"smarthost:{len(self.routes)}"
        hosts = tuple(f"{host}:{port}" for host, port in addresses)
        self.routes[destination] = Smarthost(destination, hosts, tls, username, password)
        return destination

    def message(
        self,
        *recipients: str | Recipient,
        to: Sequence[str] | str = "",
        content: tuple[bytes, ...] | AsyncIterator[bytes] | Exception | None = None,
        large: int = 0,
    ) -> list[Consignment]:
        """Consignments of one message: one for each recipient domain, or all for the destination `to`."""
        self._minted += 1
        queue_id = QueueId(self._minted)
        if content is not None:
            self.content[queue_id] = content
        parsed = tuple(
            Recipient(parse_address(text, smtputf8=True)) if isinstance(text, str) else text for text in recipients
        )
        envelope = Envelope(parse_address("sender@example.org"), parsed)
        wire = CONTENT if content is None or isinstance(content, Exception) else content
        if isinstance(wire, tuple):
            octets = b"".join(wire)
            facts = Content(large or len(unstuff(octets)), b"", is_dotted(octets), large or len(octets))
        else:
            facts = Content(large, b"", False, large)
        ordinals: dict[str, list[int]] = {}
        for ordinal, recipient in enumerate(parsed):
            destination = to if isinstance(to, str) and to else f"mx:{recipient.address.domain_key}"
            ordinals.setdefault(destination, []).append(ordinal)
        return [
            Consignment(queue_id, destination, envelope, tuple(found), facts, 0.0)
            for destination, found in ordinals.items()
        ]

    def send(self, *recipients: str, to: str = "", **facts: Any) -> Consignment:
        """One message for one destination, delivered."""
        (consignment,) = self.message(*(recipients or ("bob@example.net",)), to=to, **facts)
        self.transport.deliver([consignment], self.results)
        return consignment

    async def sent(self, *recipients: str, to: str = "", **facts: Any) -> Outcome:
        """The outcome of one message for one destination."""
        before = len(self.results.of)
        consignment = self.send(*recipients, to=to, **facts)
        await self.results.wait_for(before + 1)
        return self.results.outcome(consignment)

    def dialogues(self) -> list[Dialogue]:
        """Of all sessions that are open."""
        return [session.dialogue for site in self.transport._sites.values() for session in site._sessions]

    async def until(self, predicate: Callable[[], object]) -> None:
        await until(predicate)


class Scripted:
    """A server that plays a fixed part: for each connection, a list of what it sends after so many bytes came.

    A step is `(wait_for, octets)`: when `wait_for` has come since the last step, send `octets`. None closes;
    ... neither reads nor writes any more. The last connection's part is played again for further ones.
    """

    def __init__(self, *parts: Sequence[tuple[bytes, Any]]) -> None:
        self._parts = list(parts)
        self.got: list[bytearray] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.closed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self.writers:
            writer.close()
        await self._server.wait_closed()

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        part = self._parts[min(len(self.got), len(self._parts) - 1)]
        got = bytearray()
        self.got.append(got)
        self.writers.append(writer)
        try:
            await self._play(part, reader, writer, got)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            writer.close()

    async def _play(
        self,
        part: Sequence[tuple[bytes, Any]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        got: bytearray,
    ) -> None:
        seen = 0
        for wait_for, answer in part:
            while (found := got.find(wait_for, seen)) < 0:
                octets = await reader.read(65536)
                if not octets:
                    return
                got += octets
            seen = found + len(wait_for)
            if answer is None:
                return
            if answer is ...:
                await asyncio.Event().wait()
            writer.write(answer)
            await writer.drain()
        while octets := await reader.read(65536):
            got += octets


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="session")
def system_tls() -> TlsContexts:
    return default_tls_contexts()


@pytest.fixture
async def make_post(system_tls: TlsContexts) -> AsyncIterator[Callable[..., Post]]:
    """Makes transports, and closes them at the end."""
    made: list[Post] = []

    def make(**settings: Any) -> Post:
        post = Post(RemoteSettings(**{"allow_private_exchangers": True, **settings}), system_tls)
        made.append(post)
        return post

    yield make
    for post in made:
        await post.transport.close()


@pytest.fixture
async def post(make_post: Callable[..., Post]) -> Post:
    return make_post()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Of a server called localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def contexts_trusting(authority: trustme.CA) -> TlsContexts:
    """Of a client that trusts this authority, where it judges at all."""
    opportunistic = ssl.create_default_context()
    opportunistic.check_hostname = False
    opportunistic.verify_mode = ssl.CERT_NONE
    verifying = ssl.create_default_context()
    authority.configure_trust(verifying)
    return TlsContexts(opportunistic, verifying)


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> TlsContexts:
    return contexts_trusting(authority)


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()

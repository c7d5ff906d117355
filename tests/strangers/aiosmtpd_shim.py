"""A pytest plugin that puts our listener in the place of aiosmtpd's server, for aiosmtpd's own tests (in its wheel).

Their `Controller` becomes one that runs our `Listener` in a thread; their `SMTP` becomes a mere note of how a server is
wanted, so that no test can pass because the library's own server answered. A reply is compared by its code: the words
are ours. Writes for each test "passed" or "failed", or "elsewhere" where it passed without a server, to the file that
AIOSMTPD_OUTCOMES names. Loaded only into the process that test_aiosmtpd_suite.py starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import re
import smtplib
import socket
import sys
import threading
import time
import types
from contextlib import ExitStack, suppress
from typing import Any
from unittest import mock

import aiosmtpd.controller
import aiosmtpd.smtp
import aiosmtpd.testing.helpers
import aiosmtpd.tests
import msgspec
import pytest
from aiosmtpd.testing.statuscodes import StatusCode

import asyncmta.inbound.listener as ours
from asyncmta.inbound.acceptance import Existence
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener, ListenerSettings, SmtpConnection
from asyncmta.mail.wire import unstuff
from asyncmta.spool.records import Accepted
from asyncmta.system.clock import SystemClock
from tests.unit.inbound.inboundkit import Kit, KitCertificates, KitStore

RECEIVED = re.compile(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
BARE = re.compile(r"(MAIL FROM: *|RCPT TO: *)([^< ].*@[^>]*[^> ]|[c]{500,})\Z")
DOCMD = smtplib.SMTP.docmd
LAST_LINE = re.compile(rb"^\d\d\d .*\r\n\Z", re.MULTILINE)
PATIENCE = 30.0
SERVERS: list[Controller] = []
_GREETED: list[socket.socket] = []
outcomes: dict[str, str] = {}


class Wanted:
    """In the place of the library's `SMTP`: how a server is wanted."""

    line_length_limit = 1001

    def __init__(self, handler: Any, **options: Any) -> None:
        self.handler = handler
        self.options = options


class Ending:
    """In the place of the library's stream writer, which tests watch to see that the server ends its side too."""

    def __init__(self) -> None:
        self.transport = self
        self._has_ended = False

    def is_closing(self) -> bool:
        return self._has_ended

    def close(self) -> None:
        self._has_ended = True


class Watched(SmtpConnection):
    """Shows the open transaction where a test looks at it, which is when it says VRFY; and its own end."""

    handler: Any = None
    controller: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._ending = Ending()
        self.controller.smtpd = types.SimpleNamespace(_writer=self._ending)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._ending.close()

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"vrfy") and hasattr(self.handler, "envelope"):
            assert self._conversation is not None
            state = self._conversation.state
            self.handler.envelope = _envelope(state.reverse_path, state.recipients, b"", is_text=True)
        super().data_received(data)


class BoxStore(KitStore):
    """What is durable lands in the box of the test's handler."""

    def __init__(self, handler: Any, *, is_text: bool) -> None:
        super().__init__()
        self._handler = handler
        self._is_text = is_text

    def submit(self, records: Any, on_durable: Any) -> None:
        for record in records:
            assert isinstance(record, Accepted)
            content = RECEIVED.sub(b"", unstuff(b"".join(record.parts)), count=1)
            envelope = record.envelope
            if hasattr(self._handler, "box"):
                self._handler.box.append(
                    _envelope(envelope.reverse_path, envelope.recipients, content, is_text=self._is_text)
                )
        super().submit(records, on_durable)


class Controller:
    """The library's `Controller`, as far as its tests use it, with our listener in it."""

    def __init__(self, handler: Any, *, hostname: str = "localhost", port: int = 0, **options: Any) -> None:
        self.handler = handler
        self.hostname = "127.0.0.1"
        self.port = port
        self._options = options
        self.smtpd: Any = None
        self._thread: threading.Thread | None = None
        SERVERS.append(self)

    def factory(self) -> Wanted:
        return Wanted(self.handler, **self._options)

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        assert self._thread is not None, "not running"
        thread, self._thread = self._thread, None
        self._loop.call_soon_threadsafe(self._over.set)
        thread.join(10)
        assert not thread.is_alive()

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        listener = self._listener(self.factory())
        await listener.start()
        (_, self.port), *_ = listener.addresses
        ready.set()
        await self._over.wait()
        for connection in list(listener.sessions.live):  # theirs ends without a word, and the clients count on it
            connection.abort()  # type: ignore[attr-defined]
        await listener.stop(0.0)

    def _listener(self, wanted: Wanted) -> Listener:
        options = wanted.options
        authenticate = _authenticator(options)
        context = options.get("tls_context") or options.get("ssl_context")
        kit = Kit(authenticate=authenticate, lookup=lambda _: Existence.YES)
        kit.store = kit.intake._store = BoxStore(wanted.handler, is_text=bool(options.get("decode_data")))
        Watched.handler, Watched.controller = wanted.handler, self
        limits = Limits(
            message_size=options.get("data_size_limit") or 33554432, session_idle=options.get("timeout", 300.0)
        )
        reception = msgspec.structs.replace(
            kit.reception, limits=limits, clock=SystemClock(), hostname=options.get("hostname", "localhost")
        )
        tls = "none" if context is None else "starttls"
        if options.get("require_starttls"):
            tls = "required"
        if options.get("ssl_context"):
            tls = "implicit"
        settings = ListenerSettings(
            port=0,
            role="submission" if options.get("auth_required") else "relay",
            tls=tls,  # type: ignore[arg-type]
            allow_plaintext_auth=not options.get("auth_require_tls", True),
        )
        certificates = None if context is None else KitCertificates(context)
        return Listener(settings=settings, reception=reception, certificates=certificates)


def _authenticator(options: dict[str, Any]) -> Any:
    """The test's callback as ours; where it gives none nobody can log in, but over TLS AUTH is there, as with them."""
    callback, authenticator = options.get("auth_callback"), options.get("authenticator")

    async def authenticate(mechanism: str, login: str, password: str) -> bool | None:
        given = aiosmtpd.smtp.LoginPassword(login.encode(), password.encode())
        if authenticator is not None:
            result = authenticator(None, types.SimpleNamespace(), None, mechanism, given)
            return None if (result.message or "").startswith("454") else result.success
        return bool(callback(mechanism, given.login, given.password)) if callback is not None else False

    return authenticate


def _envelope(reverse_path: Any, recipients: Any, content: bytes, *, is_text: bool) -> Any:
    envelope = aiosmtpd.smtp.Envelope()
    envelope.mail_from = str(reverse_path) if reverse_path is not None else None
    envelope.rcpt_tos = [str(recipient.address) for recipient in recipients]
    envelope.content = content.decode() if is_text else content
    return envelope


def docmd(client: smtplib.SMTP, command: str, arguments: str = "") -> tuple[int, bytes]:
    """Their lists of valid addresses hold mostly bare ones: in brackets, so that our grammar is asked at all."""
    found = BARE.match(command)
    return DOCMD(client, f"{found[1]}<{found[2]}>" if found is not None else command, arguments)


class Heard(bytes):
    """Replies, compared by their codes."""

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, bytes)
        return self[:3] == other[:3]

    __hash__ = None  # type: ignore[assignment]


def send_recv(sock: socket.socket, data: bytes, end: bytes = b"\r\n") -> bytes:
    """Theirs speaks before the greeting, gives a busy machine 0.1 seconds to reply, and reads a closed connection for
    ever. Content (which is all "a") is what gets no reply."""
    sock.settimeout(0.5 if data.startswith(b"aa") else PATIENCE)
    heard = b""
    with suppress(TimeoutError):
        if sock not in _GREETED:
            _GREETED.append(sock)
            heard = sock.recv(1024)
        sock.sendall(data + end)
        reply = sock.recv(1024)
        while reply and not LAST_LINE.search(reply):
            reply += sock.recv(1024)
        heard += reply
    return Heard(heard)


def catchup_delay() -> None:
    """Theirs sleeps; here a server that ends its side is waited for, and one that does not gets a second."""
    end = time.monotonic() + 1.0
    while not SERVERS[-1].smtpd._writer.is_closing() and time.monotonic() < end:
        time.sleep(0.01)


# -- in the place of two packages that their conftest.py imports -----------------------------------------------------


class MockFixture:
    """What they use of pytest-mock."""

    Mock = mock.Mock

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def patch(self, target: str, **options: Any) -> Any:
        return self._stack.enter_context(mock.patch(target, **options))

    def spy(self, thing: Any, name: str) -> Any:
        return self._stack.enter_context(mock.patch.object(thing, name, wraps=getattr(thing, name)))


@pytest.fixture
def mocker() -> Any:
    with ExitStack() as stack:
        yield MockFixture(stack)


@pytest.fixture(scope="session")
def session_mocker() -> Any:
    with ExitStack() as stack:
        yield MockFixture(stack)


def _certificate(package: str, name: str) -> str:
    return str(pathlib.Path(aiosmtpd.tests.__path__[0]) / "certs" / name)


def _install() -> None:
    """At once: their conftest.py is imported before any hook is called."""
    sys.modules["pkg_resources"] = types.SimpleNamespace(resource_filename=_certificate)  # type: ignore[assignment]
    sys.modules["pytest_mock"] = types.SimpleNamespace(MockFixture=MockFixture)  # type: ignore[assignment]
    aiosmtpd.controller.Controller = Controller
    aiosmtpd.smtp.SMTP = Wanted
    aiosmtpd.testing.helpers.send_recv = send_recv
    aiosmtpd.testing.helpers.catchup_delay = catchup_delay
    ours.SmtpConnection = Watched  # type: ignore[misc]
    smtplib.SMTP.docmd = docmd  # type: ignore[method-assign]
    StatusCode.__eq__ = lambda self, other: self.code == other[0]  # type: ignore[method-assign]
    StatusCode.__hash__ = None  # type: ignore[assignment]
    socket.setdefaulttimeout(PATIENCE)  # theirs wait for ever


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """One line for each test: the worst of its set-up, call and end."""
    before = len(SERVERS)
    name = item.nodeid.rpartition("tests/")[2]
    outcomes[name] = "passed"
    result = yield
    if outcomes[name] == "passed" and len(SERVERS) == before:
        outcomes[name] = "elsewhere"
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome != "passed":
        outcomes[report.nodeid.rpartition("tests/")[2]] = report.outcome


def pytest_sessionfinish() -> None:
    pathlib.Path(os.environ["AIOSMTPD_OUTCOMES"]).write_text(json.dumps(outcomes))


_install()

"""Taps on sessions that we open: put on while one is opened, or on one that has been going on.

Octets pass a transport and a protocol that note them and hand them on; a session without a tap has neither, and knows
nothing of this. Promises: a tap ends with its session, whatever way that ends. Never: an octet changed, a decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from asyncmta.delivery.exchange import Site
from asyncmta.delivery.manners import Opened, Target
from asyncmta.mail.envelope import format_queue_id
from asyncmta.mail.outcome import Deferred, Failed
from asyncmta.tracing.events import Session
from asyncmta.tracing.looking import Tracing
from asyncmta.tracing.tap import Tap

T = TypeVar("T")


class AtWork(Protocol):
    """A session at work (`transfer`), as far as it is known here."""

    transaction: Any
    follower: Any
    is_watched: bool
    dialogue: Any
    is_over: bool
    _transport: asyncio.Transport


def listen_in(protocol: Any, tap: Tap) -> None:
    """While a session is opened: the library's protocol, before it gets its transport. Its end is for `watched`."""
    came, write = protocol.data_received, protocol.write

    def data_received(data: bytes) -> None:
        tap.peer(data)
        came(data)

    def written(data: bytes) -> None:
        tap.us(data)
        write(data)

    vars(protocol).update(data_received=data_received, write=written)


async def watched(opening: Awaitable[T], tap: Tap | None) -> T:
    """Open a session; a tap on one that was not opened ends with the reason."""
    try:
        result = await opening
    except BaseException as error:
        if tap is not None:
            is_ours = isinstance(error, asyncio.CancelledError)
            tap.closed("not opened: given up" if is_ours else f"not opened: {type(error).__name__}")
        raise
    if tap is not None and isinstance(result, Failed | Deferred):
        tap.closed(f"not opened: {result.reply}")
    return result


def tapped(transport: asyncio.Transport, tap: Tap | None) -> asyncio.Transport:
    """For a session that has been opened."""
    return transport if tap is None else cast(asyncio.Transport, TappedTransport(transport, tap))


class TappedTransport:
    """A transport that notes what is written to it."""

    def __init__(self, transport: asyncio.Transport, tap: Tap) -> None:
        self.inner = transport
        self.tap = tap
        self.why: Callable[[], str] | None = None  # it is cut off

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def write(self, data: bytes) -> None:
        self.tap.us(data)
        self.inner.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        parts = tuple(parts)
        for part in parts:
            self.tap.us(part)
        self.inner.writelines(parts)

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.inner.set_protocol(_TappedProtocol(protocol, self))

    def close(self) -> None:
        self.tap.closed("by us")
        self.inner.close()

    def abort(self) -> None:
        why = self.why() if self.why is not None else ""
        self.tap.closed(f"cut off by us: {why}" if why else "cut off by us")
        self.inner.abort()


class _TappedProtocol(asyncio.Protocol):
    """Notes what comes in for the protocol behind it."""

    def __init__(self, protocol: asyncio.Protocol, transport: TappedTransport) -> None:
        self._protocol = protocol
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.tap.peer(data)
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        self._transport.tap.closed("by the peer")
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.tap.closed(f"by the peer: {exc}" if exc is not None else "by the peer")
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


class OutgoingTaps:
    """One for a dialer: who is tapped among the sessions that we open, and who could be."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self._tracing = tracing
        self._live: WeakKeyDictionary[AtWork, tuple[Target, Site, str]] = WeakKeyDictionary()

    def begin(self, site: Site, target: Target, protocol: str) -> Tap | None:
        """Before a connection is tried."""
        tracing = self._tracing
        if tracing is None or not tracing.is_on:
            return None
        named = _named(tracing.next_id("out"), site, target)
        return tracing.tap(named, is_octets=protocol == "qmtp")

    def opened(self, session: AtWork, opened: Opened, site: Site) -> None:
        """It goes to work."""
        transport: Any = opened.transport
        if self._tracing is None:
            return
        peer = transport.get_extra_info("peername")
        port = peer[1] if isinstance(peer, tuple) else 0
        self._live[session] = Target(opened.place.host, opened.place.ip, port), site, opened.protocol
        if isinstance(transport, TappedTransport):
            _at_work(session, transport)
        elif self._tracing.is_on:  # somebody began to look on while it was opened
            self._join(session)

    def look_on(self) -> None:
        """Somebody wants to look, who was not there when these sessions began."""
        for session in tuple(self._live):
            if not session.is_over:
                self._join(session)

    def _join(self, session: AtWork) -> None:
        tracing, transport = self._tracing, session._transport
        assert tracing is not None
        if isinstance(transport, TappedTransport) and transport.tap.is_on:
            return
        target, site, protocol = self._live[session]
        begun = {session.transaction, session.follower} - {None}  # of a follower, the commands have gone
        tap = tracing.tap(
            _named(tracing.next_id("out"), site, target),
            is_between=lambda: session.transaction not in begun,
            is_octets=protocol == "qmtp",
            lmtp=protocol == "lmtp",
        )
        if tap is None:
            return
        if isinstance(transport, TappedTransport):
            transport.tap = tap
            _at_work(session, transport)
        else:
            between = TappedTransport(transport, tap)
            session._transport = cast(asyncio.Transport, between)
            between.set_protocol(cast(asyncio.Protocol, session))
            _at_work(session, between)


def _at_work(session: AtWork, transport: TappedTransport) -> None:
    """What can be known of a session that works."""
    known = ref(session)

    def queue_id() -> str:
        here = known()
        transaction = here.transaction if here is not None else None
        return format_queue_id(transaction.consignment.queue_id) if transaction is not None else ""

    def why() -> str:
        here = known()
        outcomes = here.dialogue.outcomes if here is not None else {}
        last = next(reversed(outcomes.values()), None)
        return str(last.reply) if isinstance(last, Failed | Deferred) else ""

    transport.tap.queue_id, transport.why = queue_id, why
    session.is_watched = True


def _named(identity: str, site: Site, target: Target) -> Session:
    host, ip = target.host.lower(), target.ip.lower()
    names = frozenset((host, ip, f"{host}:{target.port}", site.key.lower()))
    return Session(identity, "out", target.ip, target.port, site.key, names=names)

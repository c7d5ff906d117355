"""When a client is not read from: the reasons, and the two things that make us stop (its deaf ear, our busy disk).

Promises: reading goes on exactly when no reason is left; what a session keeps in memory stays bounded, also when a
client never reads a reply or sends content faster than the disk takes it. Never: protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from asyncmta.inbound.content import Shape
from asyncmta.inbound.events import LargeAborted, LargeBegan, LargeEnded, LargeWent
from asyncmta.inbound.session import ClientFacts
from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope
from asyncmta.mail.reply import Reply
from asyncmta.spool.chunks import CHUNK

STALLED, BACKLOG, DISK = 1, 2, 4  # replies that are not read, commands that wait, content that is not written

MAX_UNWRITTEN = 1 << 20  # octets of large content kept while the disk is busy
LOOK_AGAIN = 0.005  # seconds until the disk is asked again whether it has caught up


class Arriving(Protocol):
    """A message whose content is on its way. `finish` or `abort` ends it."""

    @property
    def unwritten(self) -> int: ...

    def write(self, parts: Sequence[bytes], /) -> None: ...

    def finish(self, done: Callable[[Reply], None], shape: Shape, /) -> None: ...

    def abort(self) -> None: ...


class Takes(Protocol):
    """Who takes messages: `Intake`, or where nothing is queued `Handover`."""

    def accept(
        self,
        envelope: Envelope,
        *,
        facts: ClientFacts,
        parts: list[bytes],
        shape: Shape,
        done: Callable[[Reply], None],
    ) -> None: ...

    def begin_large(self, envelope: Envelope, *, facts: ClientFacts, parts: list[bytes]) -> Arriving | Reply: ...


class Flow:
    """The reading side of one transport."""

    __slots__ = ("held", "transport")

    def __init__(self) -> None:
        self.held = 0  # why it is not read, if anything: the sum of the reasons
        self.transport: asyncio.Transport | None = None

    def hold(self, why: int) -> None:
        if not self.held and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self.held |= why

    def release(self, why: int) -> None:
        was, self.held = self.held, self.held & ~why
        if was and not self.held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def is_held(self, why: int) -> bool:
        return bool(self.held & why)

    def move_to(self, transport: asyncio.Transport) -> None:
        """The same client on another transport: TLS runs."""
        self.transport = transport
        if self.held:
            transport.pause_reading()


class LargeArrival:
    """Content of one session that is too large for memory, on its way to intake."""

    def __init__(self, *, intake: Takes, flow: Flow, on_progress: Callable[[], None]) -> None:
        self._intake = intake
        self._flow = flow
        self._on_progress = on_progress
        self._message: Arriving | Reply | None = None

    def begin(self, event: LargeBegan) -> Reply | None:
        """A reply: it is not wanted."""
        self._message = self._intake.begin_large(event.envelope, facts=event.facts, parts=event.parts)
        return self._message if isinstance(self._message, Reply) else None

    @property
    def held(self) -> int:
        """Octets in memory, at most."""
        message = self._message
        return 0 if message is None or isinstance(message, Reply) else message.unwritten + CHUNK

    def follow(self, event: LargeWent | LargeEnded | LargeAborted, done: Callable[[Reply], None]) -> None:
        message = self._message
        match event:
            case LargeWent():
                if message is not None and not isinstance(message, Reply):
                    message.write(event.parts)
                    self._look_at_disk()
            case LargeEnded():
                self._message = None
                if message is not None and not isinstance(message, Reply):
                    message.finish(done, event.shape)
                else:
                    done(message or replies.LOCAL_ERROR)
            case LargeAborted():
                self.abort()

    def abort(self) -> None:
        message, self._message = self._message, None
        if message is not None and not isinstance(message, Reply):
            message.abort()

    def _look_at_disk(self) -> None:
        """Wait for the disk when it is behind; it has no way to call, so it is asked while, and only while, we wait."""
        waits = self._flow.is_held(DISK)
        message = self._message
        if message is not None and not isinstance(message, Reply) and message.unwritten > MAX_UNWRITTEN >> waits:
            if not waits:
                self._flow.hold(DISK)
                asyncio.get_running_loop().call_later(LOOK_AGAIN, self._ask_again)
        elif waits:
            self._flow.release(DISK)

    def _ask_again(self) -> None:
        self._on_progress()
        self._look_at_disk()
        if self._flow.is_held(DISK):
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._ask_again)

"""A session at work: the protocol on an opened transport, running one transaction after another with the dialogue.

No task, no future and no timer for a message: octets that arrive are fed to the dialogue, and what it asks for is
written in the same turn; a deadline is only noted, and a sweep once a second compares it. Small content in memory goes
in one write with its commands to a peer that takes chunks. Content that is not in memory is streamed by a task, as fast
as the peer reads. Promises: each transaction that was started is handed back
finished, once, whatever happens to the connection. Never: a choice of what comes next; that is the owner's.

RFC 5321 4.5.3.2 (timeouts by stage; ten minutes after the dot, RFC 1047).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from msgspec.structs import replace

from asyncmta.delivery.backlog import Transaction
from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.counted import counted
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.qmtp import QmtpDialogue
from asyncmta.delivery.session import Opened
from asyncmta.delivery.verdict import Fault, Stage
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.mail.outcome import Place
from asyncmta.system.clock import Clock

IDLE_TIME = 5.0
BLOCK_TIME = 180.0
STAGE_TIME = {Stage.MAIL: 300.0, Stage.RCPT: 300.0, Stage.DATA: 120.0, Stage.DOT: 600.0}
BEFORE_THE_DOT = 7200.0  # for all of a transaction but its end: patience with a drip has a bound
SMALL = 32768  # below, one joined write is cheaper than several buffers, and what a refused MAIL costs is little
# For so long after its last reply a peer has not gone for idleness. Later the content waits for the reply to MAIL: with
# a connection that is closed already nobody could tell whether it was taken.
FRESH = 1.0

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Owner(Protocol):
    """Who a session works for."""

    def finished(self, session: Session, transaction: Transaction) -> None:
        """The outcomes are in `session.dialogue`; if that is not usable, the session is over."""

    def gone(self, session: Session) -> None:
        """It was idle, and is over."""

    def broke(self, error: Exception) -> None:
        """A bug; the session deals with its consequences."""


def _dialogue(protocol: str, peer: Capabilities, place: Place) -> Dialogue | QmtpDialogue:
    return QmtpDialogue(peer, place) if protocol == "qmtp" else Dialogue(peer, place, lmtp=protocol == "lmtp")


class Session(asyncio.Protocol):
    """`deadline` is on the clock's monotonic scale; `transaction` is None while it is idle."""

    __slots__ = (
        "_clock",
        "_content",
        "_heard",
        "_owner",
        "_resumed",
        "_spawn",
        "_transport",
        "began",
        "deadline",
        "dialogue",
        "is_over",
        "served",
        "transaction",
    )

    def __init__(self, opened: Opened, *, owner: Owner, clock: Clock, spawn: Spawn, chunking: bool = True) -> None:
        peer = opened.peer if chunking else replace(opened.peer, chunking=False)
        self.dialogue = _dialogue(opened.protocol, peer, opened.place)
        self.transaction: Transaction | None = None
        self.served = 0
        self.began = 0.0
        self.deadline = math.inf
        self._transport = opened.transport
        self._owner = owner
        self._clock = clock
        self._spawn = spawn
        self._heard = clock.monotonic()  # when the peer last had something to answer
        self._content: tuple[bytes, ...] | AsyncIterator[bytes] = ()
        self._resumed: asyncio.Event | None = None
        self.is_over = False
        opened.transport.set_protocol(self)

    # -- what the owner calls ----------------------------------------------------------------------------------------

    def start(self, transaction: Transaction, content: tuple[bytes, ...] | AsyncIterator[bytes]) -> bool:
        """Begin a transaction. False: it is over at once, without a word to the peer; the session stays idle."""
        consignment = transaction.consignment
        dialogue = self.dialogue
        envelope = consignment.envelope
        facts = consignment.content
        now = 0.0 if envelope.timing is None else self._clock.now()
        began = self._clock.monotonic()
        at_once = facts.wire_size < SMALL and began - self._heard < FRESH and isinstance(content, tuple)
        step = dialogue.begin(envelope, transaction.ordinals, facts, now, at_once=at_once)
        if step is Step.DONE:
            return False
        if dialogue.opening:
            content = counted(content, facts)
        self.transaction = transaction
        self.began = began
        if dialogue.is_out:
            assert isinstance(content, tuple)
            self.deadline = began + 600.0  # STAGE_TIME[Stage.DOT]
            self._transport.write(b"".join((dialogue.out, *content)))
        else:
            self._content = content
            self.deadline = began + 300.0  # STAGE_TIME[Stage.MAIL]
            if step is Step.CONTENT:
                self._send_content()
            else:
                self._transport.write(dialogue.out)
        return True

    def rest(self) -> None:
        """Nothing to do for the moment."""
        self.deadline = self._clock.monotonic() + IDLE_TIME

    def expire(self) -> None:
        """The deadline is past."""
        if self.is_over:
            return
        if self.transaction is None:
            self.quit()
            self._owner.gone(self)
        else:
            self._fail(Fault.TIMEOUT)

    def quit(self) -> None:
        """Leave politely. The 221 is not waited for: it would tell us nothing."""
        if not self.is_over:
            self.is_over = True
            self._transport.write(self.dialogue.farewell)
            self._transport.close()

    def abandon(self) -> None:
        """Break off; what the peer made of the transaction under way is not known, and its owner deals with it."""
        self.transaction = None
        self._drop()

    # -- what the transport calls ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            if self.transaction is None:
                self._end()  # a 421 before it closes, as a rule; nobody asked for anything
                return
            dialogue = self.dialogue
            before = dialogue.progress
            step = dialogue.feed(data)
            if step is Step.DONE:
                self._finish()
            elif step is Step.CONTENT:
                self._send_content()
            else:
                if step is Step.WRITE:
                    self._transport.write(dialogue.out)
                if dialogue.progress != before:  # a drip of single octets is no progress
                    self._wait_for_reply()
        except Exception as error:
            self._bug(error)

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            if self.is_over:
                return
            if self.transaction is None:
                self._end()
            else:
                self._fail(Fault.LOST, getattr(exc, "strerror", None) or "")
        except Exception as error:
            self._bug(error)

    def pause_writing(self) -> None:
        self._resumed = asyncio.Event()

    def resume_writing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.set()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _send_content(self) -> None:
        content, self._content = self._content, ()
        if isinstance(content, tuple):
            assert self.transaction is not None
            dialogue = self.dialogue
            self._content_sent()
            if self.transaction.consignment.content.wire_size < SMALL:
                self._transport.write(b"".join((dialogue.opening, *content, dialogue.ending)))
            else:
                self._transport.writelines((dialogue.opening, *content, dialogue.ending))
        else:
            self._be_patient(BLOCK_TIME)
            self._spawn(self._stream(content))

    async def _stream(self, chunks: AsyncIterator[bytes]) -> None:
        """Send content that has to be read first; without its dot unless it came whole. What was announced with its
        size ends with its last octet, and may be answered before the iterator says that it is over."""
        transaction = self.transaction
        assert transaction is not None
        opening = self.dialogue.opening
        left = transaction.consignment.content.size if opening else -1
        self._transport.write(opening)
        try:
            async for chunk in chunks:
                if self.transaction is not transaction:
                    return
                left -= len(chunk)
                if left:
                    self._be_patient(BLOCK_TIME)
                else:
                    self._content_sent()
                self._transport.write(chunk)
                if self._resumed is not None:
                    await self._resumed.wait()
            if self.transaction is transaction:
                if not opening:
                    self._content_sent()
                self._transport.write(self.dialogue.ending)
        except ContentUnavailable as error:
            if self.transaction is transaction:
                self._fail(Fault.CONTENT, str(error))
        except Exception as error:
            if self.transaction is transaction:
                self._bug(error)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    def _content_sent(self) -> None:
        self.dialogue.content_sent()
        self._wait_for_reply()

    def _wait_for_reply(self) -> None:
        """Behind the end of the content ten minutes are never cut short, since that makes duplicates (RFC 1047); nor
        where the content has gone with the commands, since the peer may answer all of it at its end."""
        stage = self.dialogue.stage
        if stage is Stage.DOT:
            self.deadline = self._clock.monotonic() + 600.0
        else:
            self._be_patient(600.0 if self.dialogue.is_out else STAGE_TIME[stage])

    def _be_patient(self, seconds: float) -> None:
        self.deadline = min(self._clock.monotonic() + seconds, self.began + BEFORE_THE_DOT)

    def _finish(self) -> None:
        transaction, self.transaction = self.transaction, None
        assert transaction is not None
        self._content = ()
        self.served += 1
        self._heard = self._clock.monotonic()
        if not self.dialogue.usable:
            self._drop()
        self._owner.finished(self, transaction)

    def _fail(self, fault: Fault, detail: str = "") -> None:
        self.dialogue.fail(fault, detail)
        self._finish()

    def _end(self) -> None:
        self._drop()
        self._owner.gone(self)

    def _drop(self) -> None:
        """Close without another octet: what is still in the buffer must not become a whole message."""
        self.is_over = True
        self._transport.abort()
        self.resume_writing()

    def _bug(self, error: Exception) -> None:
        self._owner.broke(error)
        if self.transaction is not None:
            self._fail(Fault.INTERNAL)
        elif not self.is_over:
            self._end()

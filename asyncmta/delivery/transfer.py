"""A session at work: the protocol on an opened transport, running one transaction after another with the dialogue.

No task, no future and no timer for a message: octets that arrive are fed to the dialogue, what it asks for is written
in the same turn, and a deadline is only noted: a sweep once a second compares it. Small content goes in one write with
its commands to a peer that takes chunks. Content that is not in memory is streamed by a task, as fast as the peer
reads; what the peer cannot take as it is, is recoded first. Where others wait, the commands of the next one go in one
write with the content of this one. Promises: each transaction that was started is handed back finished, once, whatever
happens to the connection. Never: a choice of what comes next.

RFC 1047, RFC 2920, RFC 3030.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from asyncmta.delivery.backlog import Transaction
from asyncmta.delivery.conversion import Conversion
from asyncmta.delivery.counted import Octets, counted
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.line import AnyDialogue, Line
from asyncmta.delivery.patience import AFTER_THE_DOT, AHEAD_TIME, FIRST_REPLY, FRESH
from asyncmta.delivery.remedy import Fitted, Remedy, find_remedy
from asyncmta.delivery.session import Opened
from asyncmta.delivery.verdict import Fault
from asyncmta.mail.envelope import Content, ContentUnavailable, Envelope
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import Clock

SMALL = 32768  # below, one joined write is cheaper than several buffers, and what a refused MAIL costs is little
NOTHING = Content(0, b"", False, 0)

Spawn = Callable[[Coroutine[Any, Any, None]], object]
Work = Callable[..., Coroutine[Any, Any, None]]


class Owner(Protocol):
    """Who a session works for."""

    def finished(self, session: Session, transaction: Transaction) -> None:
        """The outcomes are in `session.dialogue`; if that is not usable, the session is over."""

    def following(self, session: Session) -> bytes:
        """The commands of another transaction, which is `session.follower` from then on; b"": there is none."""

    def gone(self, session: Session) -> None:
        """It was idle, and is over."""

    def broke(self, error: Exception) -> None:
        """A bug; the session deals with its consequences."""


class Session(Line):
    """`deadline` is on the clock's monotonic scale; `transaction` is None while it is idle. `follower`: of whom the
    commands went behind the content of `transaction`; `is_ahead`: so did those of `transaction` itself, which is
    unheard. `is_watched`: somebody looks on, for whom one goes after the other."""

    __slots__ = (
        "__weakref__", "_content", "_conversion", "_facts", "_is_fitting", "_owner", "_spawn", "follower", "is_ahead",
        "is_watched", "served", "transaction",
    )  # fmt: skip

    def __init__(
        self, opened: Opened, dialogue: AnyDialogue, *, owner: Owner, clock: Clock, spawn: Spawn, conversion: Conversion
    ) -> None:
        super().__init__(opened.transport, dialogue, clock)
        self.transaction: Transaction | None = None
        self.follower: Transaction | None = None
        self.is_ahead, self.is_watched, self.served = False, False, 0
        self._owner, self._spawn, self._conversion = owner, spawn, conversion
        self._is_fitting = False  # nothing was said of the transaction yet
        self._content: Octets = ()
        self._facts = NOTHING
        opened.transport.set_protocol(self)

    # -- what the owner calls ----------------------------------------------------------------------------------------

    def start(self, transaction: Transaction, content: Octets) -> bool:
        """Begin a transaction. False: it is over at once, without a word to the peer; the session stays idle."""
        consignment = transaction.consignment
        envelope, facts = consignment.envelope, consignment.content
        if self.is_ahead:
            self._follow(transaction, facts, content)
            return True
        if facts.eight_bit or envelope.body == "BINARYMIME":
            remedy = find_remedy(self.dialogue.peer, envelope, facts, self._conversion.eight_bit)
            if remedy is not None:
                return self._start_fitting(transaction, content, remedy)
        return self._begin(transaction, envelope, facts, content)

    def follow(self) -> Transaction | None:
        """The one that went behind the last, which is to be started now, if the session can go on."""
        follower, self.follower = self.follower, None
        self.is_ahead = follower is not None and self.dialogue.usable
        return follower

    def recalled(self) -> list[Transaction]:
        """The one that went behind, if any: it has its time still before it, and so far nothing has happened of it."""
        follower, self.follower = self.follower, None
        return [follower] if follower is not None else []

    def expire(self) -> None:
        """The deadline is past."""
        if self.is_over:
            return
        if self.transaction is None:
            self.quit()
            self._owner.gone(self)
        elif self.is_ahead and self.dialogue.is_unheard:
            self._fail(Fault.LOST, "what went behind the end of another message was not answered")
        else:
            self._fail(Fault.TIMEOUT)

    def abandon(self) -> None:
        """Break off; what the peer made of the transaction under way is not known, and its owner deals with it."""
        self.transaction = None
        self._drop()

    @property
    def is_before_content(self) -> bool:
        """Has nothing of the content of what is under way gone out?"""
        return self._is_fitting or (self._content != () and not self.dialogue.is_out)

    # -- what the transport calls ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            if self.transaction is None or self._is_fitting:
                self.connection_lost(None)  # a 421 before it closes, as a rule; nobody asked for anything
                return
            dialogue = self.dialogue
            before = dialogue.progress
            step = dialogue.feed(data)
            if step is Step.DONE:
                self._finish()
                if self.is_ahead and self.transaction is not None:
                    self.data_received(b"")  # what is said of the next one may have come with it
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

    # -- inside ------------------------------------------------------------------------------------------------------

    def _start_fitting(self, transaction: Transaction, content: Octets, remedy: Remedy | Reply) -> bool:
        """What else is in its way is said before any work is done."""
        consignment, dialogue = transaction.consignment, self.dialogue
        envelope = remedy.envelope if isinstance(remedy, Remedy) else consignment.envelope
        now = 0.0 if envelope.timing is None else self._clock.now()
        if dialogue.begin(envelope, transaction.ordinals, consignment.content, now) is Step.DONE:
            return False
        if not isinstance(remedy, Remedy):
            dialogue.refuse(remedy)
            return False
        self.transaction, self._is_fitting, self.began = transaction, True, self._clock.monotonic()
        self._wait_for_reply()
        self._spawn(self._guarded(transaction, self._fit, content, remedy))
        return True

    async def _fit(self, transaction: Transaction, content: Octets, remedy: Remedy) -> None:
        fitted = await self._conversion.run(content, transaction.consignment.content, remedy)
        if self.transaction is not transaction:
            return
        self._is_fitting = False
        if not isinstance(fitted, Fitted):
            self.dialogue.refuse(fitted)
            self._finish()
        elif not self._begin(transaction, fitted.envelope, fitted.facts, fitted.content):
            self._finish()

    def _begin(self, transaction: Transaction, envelope: Envelope, facts: Content, content: Octets) -> bool:
        dialogue = self.dialogue
        now = 0.0 if envelope.timing is None else self._clock.now()
        began = self._clock.monotonic()
        at_once = facts.wire_size < SMALL and began - self.heard < FRESH and isinstance(content, tuple)
        step = dialogue.begin(envelope, transaction.ordinals, facts, now, at_once=at_once)
        if step is Step.DONE:
            return False
        if dialogue.opening:
            content = counted(content, facts)
        self.transaction, self.began = transaction, began
        self._content, self._facts = content, facts
        self.deadline = began + (AFTER_THE_DOT if dialogue.is_out else FIRST_REPLY)
        if dialogue.is_out:
            assert isinstance(content, tuple)
            self._transport.write(b"".join((dialogue.out, *content)))
        elif step is Step.CONTENT:
            self._send_content()
        else:
            self._transport.write(dialogue.out)
        return True

    def _follow(self, transaction: Transaction, facts: Content, content: Octets) -> None:
        """All that is to be said before its content has been said."""
        assert isinstance(self.dialogue, Dialogue), "nobody else is said ahead"
        self.dialogue.follow(transaction.ordinals)
        self.transaction, self.began = transaction, self._clock.monotonic()
        self._content, self._facts = content, facts
        self.deadline = self.began + AHEAD_TIME

    def _send_content(self) -> None:
        content, self._content = self._content, ()
        transaction, dialogue = self.transaction, self.dialogue
        assert transaction is not None
        if not isinstance(content, tuple):
            self._wait_for_block()
            self._spawn(self._guarded(transaction, self._stream, content))
            return
        self._content_sent()
        if self._facts.wire_size < SMALL:
            behind = b"" if self.is_watched else self._owner.following(self)
            if behind:
                dialogue.is_followed = True
            self._transport.write(b"".join((dialogue.opening, *content, dialogue.ending, behind)))
        else:
            self._transport.writelines((dialogue.opening, *content, dialogue.ending))

    async def _stream(self, transaction: Transaction, chunks: AsyncIterator[bytes]) -> None:
        """Send content that has to be read first; without its dot unless it came whole. What was announced with its
        size ends with its last octet, and may be answered before the iterator says that it is over."""
        opening = self.dialogue.opening
        left = self._facts.size if opening else -1
        self._transport.write(opening)
        async for chunk in chunks:
            if self.transaction is not transaction:
                return
            left -= len(chunk)
            (self._wait_for_block if left else self._content_sent)()
            self._transport.write(chunk)
            if self._resumed is not None:
                await self._resumed.wait()
        if self.transaction is transaction:
            self._content_sent()
            self._transport.write(self.dialogue.ending)

    async def _guarded(self, transaction: Transaction, work: Work, content: Octets, *arguments: object) -> None:
        """Work on the content of a transaction: what goes wrong ends the transaction, if it is not over already."""
        try:
            await work(transaction, content, *arguments)
        except ContentUnavailable as error:
            if self.transaction is transaction:
                self._fail(Fault.CONTENT, str(error))
        except Exception as error:
            if self.transaction is transaction:
                self._bug(error)
        finally:
            close = getattr(content, "aclose", None)
            if close is not None:
                await close()

    def _finish(self) -> None:
        transaction, self.transaction = self.transaction, None
        assert transaction is not None
        self._content = ()
        self._is_fitting = False
        self.served += 1
        self.heard = self._clock.monotonic()
        if self.dialogue.is_followed and self.follower is None:
            self.dialogue.usable = False  # it was taken back, and its content is waited for
        if not self.dialogue.usable:
            self._drop()
        self._owner.finished(self, transaction)

    def _fail(self, fault: Fault, detail: str = "") -> None:
        self.dialogue.fail(fault, detail)
        self._finish()

    def _end(self) -> None:
        self._drop()
        self._owner.gone(self)

    def _bug(self, error: Exception) -> None:
        self._owner.broke(error)
        if self.transaction is not None:
            self._fail(Fault.INTERNAL)
        elif not self.is_over:
            self._end()

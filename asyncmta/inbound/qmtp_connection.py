"""A QMTP client on its transport: the conversation that an SMTP client would have, with a translator in between.

Promises: clients of `relay.networks` alone are let in; what an SMTP session is held to (sessions, time, memory, rules)
holds here too; one package at a time is in hand, and the client is not read from while it is. Never: what an octet
means (`qmtp`), a reply (`conversation`).

reliability.md D04, D08.
"""

from __future__ import annotations

import asyncio
import math

from asyncmta.inbound.connection import Connection
from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.limits import content_due
from asyncmta.inbound.qmtp import Stage, Translator
from asyncmta.inbound.sessions import Sessions
from asyncmta.mail import replies

BUSY = 8  # one more reason not to read from a client (`flow`)


class QmtpConnection(Connection):
    """One client of a listener with `role = "qmtp"`."""

    def __init__(self, sessions: Sessions) -> None:
        Connection.__init__(self, sessions)
        limits = sessions.acceptance.limits
        self._translator = Translator(most_octets=limits.message_size, most_recipients=limits.recipients)
        self._package_due = math.inf
        self._package = 0  # octets of it that are counted for us
        self._is_pumping = False
        self._has_ended = False

    # -- the way in and out ------------------------------------------------------------------------------------------

    def _admit(self, ip: str, port: int, *, rest: bytes = b"", may_be_trusted: bool = True) -> None:
        sessions = self._sessions
        if not sessions.acceptance.is_trusted(ip):
            sessions.reception.maillog.refused(client=ip, stage="connect", reply=replies.RELAY_DENIED)
            self.abort()
            return
        super()._admit(ip, port, rest=rest, may_be_trusted=may_be_trusted)

    def _begin(self, tls: str, *, is_early: bool = False) -> None:
        """In QMTP the client speaks first, and is not too early."""
        assert self._client is not None
        conversation = self._conversation = Conversation(self._sessions.acceptance, self._client, tls=tls)
        self._write(conversation.greet())

    def _fail(self, error: Exception) -> None:
        """A bug. There is no word for it, and a client that hears none tries again."""
        self._note(error)
        self.abort()

    def _leave(self) -> None:
        self._sessions.reception.holding.change(self._package, 0)
        self._package = 0
        super()._leave()

    def eof_received(self) -> bool:
        """Who has sent a package may close its half and wait for the answers."""
        self._has_ended = True
        return self._translator.is_busy or self._translator.stage is Stage.GREETING

    # -- what comes and goes -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        try:
            self._translator.feed(data)
            self._renew()
            self._pump()
            patience = self._sessions.acceptance.limits.session_idle
            is_reading = self._translator.is_reading
            due = self._package_due if self._package_due < math.inf else self.seen + patience
            self._package_due = (
                content_due(due, octets=len(data), now=self.seen, patience=patience) if is_reading else math.inf
            )
            self._count_package()
        except Exception as error:
            self._fail(error)

    def _write(self, out: bytes) -> None:
        """From the conversation, to be translated; in the next turn, since it may be in the middle of something."""
        if self.tap is not None:
            self.tap.us(out)
        self._translator.hear(out)
        if not self._is_pumping:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _send(self, out: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(out)

    def _pump(self) -> None:
        """Everything to where it belongs, until nothing is left."""
        translator = self._translator
        self._is_pumping = True
        try:
            while translator.smtp and self.transport is not None:
                super().data_received(translator.smtp.pop(0))
            self._is_pumping = False
            if translator.out:
                self._send(b"".join(translator.out))
                translator.out.clear()
            if translator.stage is Stage.OVER or (self._has_ended and translator.is_idle):
                self._end()
            elif translator.is_busy:
                self._flow.hold(BUSY)
            else:
                self._flow.release(BUSY)
            self._count_package()
        except Exception as error:
            self._fail(error)

    def _count_package(self) -> None:
        before, now = self._package, self._translator.held
        if now != before and self.transport is not None:
            self._package = now
            if self._sessions.reception.holding.change(before, now):
                self.say_goodbye(replies.OVERLOADED)

    def sweep(self, now: float) -> float:
        if self._closing_since is None and self._conversation is not None and now >= self._package_due:
            self._package_due = math.inf
            self.say_goodbye(replies.TOO_SLOW)
        return min(super().sweep(now), self._package_due)

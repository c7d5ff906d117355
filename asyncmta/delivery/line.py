"""The line to a server: what of it is the same whatever is said on it. When the peer must have answered, when it takes
no more, and how the line is closed.

A deadline is only noted, and compared by somebody else. Promises: nothing follows what was written when the line is
dropped. Never: what is said (`dialogue`), for whom (`transfer`).
"""

from __future__ import annotations

import asyncio
import math

from asyncmta.delivery.dialogue import Dialogue
from asyncmta.delivery.patience import AFTER_THE_DOT, BLOCK_TIME, IDLE_TIME, before_the_dot, until_reply
from asyncmta.delivery.qmtp import QmtpDialogue
from asyncmta.system.clock import Clock

AnyDialogue = Dialogue | QmtpDialogue


class Line(asyncio.Protocol):
    """`began`: what is under way; `heard`: when the peer last had nothing to answer; `deadline`: when it has to have
    answered; all on the clock's monotonic scale."""

    __slots__ = ("_clock", "_resumed", "_transport", "began", "deadline", "dialogue", "heard", "is_over")

    def __init__(self, transport: asyncio.Transport, dialogue: AnyDialogue, clock: Clock) -> None:
        self.dialogue = dialogue
        self.is_over, self.began, self.deadline = False, 0.0, math.inf
        self.heard = clock.monotonic()
        self._transport, self._clock = transport, clock
        self._resumed: asyncio.Event | None = None

    def rest(self) -> None:
        self.deadline = self._clock.monotonic() + IDLE_TIME

    def quit(self) -> None:
        """Leave politely. The 221 is not waited for: it would tell us nothing."""
        if not self.is_over:
            self.is_over = True
            self._transport.write(self.dialogue.farewell)
            self._transport.close()

    def pause_writing(self) -> None:
        self._resumed = asyncio.Event()

    def resume_writing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.set()

    def _content_sent(self) -> None:
        self.dialogue.content_sent()
        self.deadline = self._clock.monotonic() + AFTER_THE_DOT

    def _wait_for_reply(self) -> None:
        dialogue, now = self.dialogue, self._clock.monotonic()
        self.deadline = until_reply(dialogue.stage, is_out=dialogue.is_out, now=now, began=self.began)

    def _wait_for_block(self) -> None:
        self.deadline = before_the_dot(BLOCK_TIME, now=self._clock.monotonic(), began=self.began)

    def _drop(self) -> None:
        """Close without another octet: what is still in the buffer must not become a whole message."""
        self.is_over = True
        self._transport.abort()
        self.resume_writing()

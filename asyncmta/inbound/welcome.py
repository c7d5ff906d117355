"""What comes before a greeting, where anything does: a delay, a hook, and the start of asking the DNS about the client.

Promises: all of it runs at the same time; without a delay and a hook the greeting is said at once, and the DNS is
waited for at MAIL; a delay is one timer and no task; whoever speaks meanwhile is an early talker (554). Never: a delay
for clients that may relay.

Rows W-052, W-178; reliability.md S06.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.gate import Gate, verdicts_of
from asyncmta.inbound.sessions import Sessions
from asyncmta.policy.verdict import NOTHING_FOUND, About, Findings, Verdict
from asyncmta.system.clock import Timer

Advance = Callable[[Callable[[Conversation], bytes]], None]


class Welcome:
    """For one session that has to wait for its greeting, or whose client is asked about."""

    __slots__ = ("_advance", "_conversation", "_timer", "_waits", "_work")

    def __init__(self, conversation: Conversation, advance: Advance) -> None:
        self._conversation = conversation
        self._advance = advance
        self._waits = 0
        self._timer: Timer | None = None
        self._work: list[asyncio.Future[Any]] = []

    @property
    def is_due(self) -> bool:
        """May the greeting be said? Else it will be."""
        return not self._waits

    def delay(self, sessions: Sessions, seconds: float) -> None:
        clock = sessions.reception.clock
        self._waits += 1
        self._timer = clock.call_at(clock.monotonic() + seconds, self._ready)

    def screen(self, sessions: Sessions, gate: Gate) -> None:
        """What does DNS say of the client?"""
        state = self._conversation.state
        state.learn(NOTHING_FOUND)
        if gate.screen is not None and (gate.screens_everybody or not state.client.trusted):
            state.findings = screening = sessions.own(gate.screen(state.peer()))
            screening.add_done_callback(self._screened)
            self._work.append(screening)

    def ask(self, sessions: Sessions, gate: Gate) -> None:
        """The hook for new connections."""
        state = self._conversation.state
        if gate.ask is not None and "connect" in gate.stages:
            self._waits += 1
            asking = sessions.own(gate.ask(About(stage="connect", peer=state.peer())))
            asking.add_done_callback(self._answered)
            self._work.append(asking)

    def cancel(self) -> None:
        """The client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        for work in self._work:
            work.cancel()

    def _screened(self, screening: asyncio.Future[Any]) -> None:
        if not screening.cancelled() and screening.exception() is None:
            found = screening.result()
            self._conversation.state.learn(found if isinstance(found, Findings) else Findings(is_name_unsure=True))

    def _answered(self, asking: asyncio.Future[Any]) -> None:
        if asking.cancelled() or asking.exception() is not None:
            return
        refusing = next((each for each in verdicts_of(asking.result()) if each.refuses is not None), None)
        if refusing is None:
            self._ready()
        else:
            self._advance(partial(_turn_away, refusing))

    def _ready(self) -> None:
        self._waits -= 1
        if not self._waits:
            self._advance(_greet)


def welcome(sessions: Sessions, conversation: Conversation, advance: Advance) -> Welcome | None:
    """Begin with what has to be done before the greeting; None: nothing."""
    gate = sessions.reception.gate
    delay = sessions.acceptance.terms.greet_delay
    if gate is None and not delay:
        return None
    begun = Welcome(conversation, advance)
    if delay and not conversation.state.client.trusted:
        begun.delay(sessions, delay)
    if gate is not None:
        begun.screen(sessions, gate)
        begun.ask(sessions, gate)
    return begun


def screen_anew(sessions: Sessions, conversation: Conversation, advance: Advance) -> Welcome | None:
    """A proxy has told us of another client (XCLIENT), and it was greeted: only DNS is to be asked."""
    gate = sessions.reception.gate
    if gate is None:
        return None
    begun = Welcome(conversation, advance)
    begun.screen(sessions, gate)
    return begun


def _greet(conversation: Conversation) -> bytes:
    return b"" if conversation.is_closed else conversation.greet()


def _turn_away(verdict: Verdict, conversation: Conversation) -> bytes:
    assert verdict.reply is not None
    return b"" if conversation.is_closed else conversation.turn_away(verdict.reply, verdict.by)

"""The conversation of one client on its transport: octets in, what comes back out, and its events followed.

Promises: one write for each turn; no task and no timer on the normal path; a client that does not read its replies,
or sends faster than the disk takes, is not read from; while a client waits for us its deadline does not run; a message
whose dot came is committed also when the client is gone. Never: what to say (`conversation`), credentials (`listener`).

RFC 5321 4.5.3.2.7 (time-outs), 6.1 (responsibility); RFC 2920 (pipelining).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from asyncmta.inbound.acceptance import Existence
from asyncmta.inbound.conversation import BYE, Conversation
from asyncmta.inbound.entrance import Entrance
from asyncmta.inbound.events import (
    AuthWanted,
    ClientTold,
    Closing,
    Event,
    LargeAborted,
    LargeBegan,
    LargeEnded,
    LargeWent,
    LookUp,
    MessageEnded,
    Refused,
    TlsWanted,
    TurnEnded,
)
from asyncmta.inbound.flow import BACKLOG, STALLED, LargeArrival
from asyncmta.inbound.holding import RECIPIENT
from asyncmta.inbound.limits import content_due
from asyncmta.inbound.tunnel import HANDSHAKE, join_the_end
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

LINGER = 10.0  # seconds for the last word to get through
_NEVER = math.inf
MAX_PIPELINED = 1 << 16  # octets kept while somebody else has to answer


class Connection(Entrance):
    """The conversation of one client. `listener` adds what it keeps of aiosmtpd."""

    # -- callbacks of the transport ----------------------------------------------------------------------------------

    def eof_received(self) -> bool:
        """A client may close its half behind the dot and still wait for the answer."""
        conversation = self._conversation
        if conversation is not None and self._is_our_turn and not conversation.state.tls:
            self._half_closed = True
            return True
        return False

    def pause_writing(self) -> None:
        self._flow.hold(STALLED)

    def resume_writing(self) -> None:
        self._flow.release(STALLED)

    def data_received(self, data: bytes) -> None:
        conversation = self._conversation
        if conversation is None:
            self._too_early(data)
            return
        if self.tap is not None:
            self.tap.peer(data)
        try:
            out = conversation.feed(data)
            if out:
                if conversation.is_closed and out.endswith(BYE) and not conversation.state.tls:
                    join_the_end(self.transport)
                self._write(out)
            elif conversation.is_paused:
                if self._on_input is not None:
                    self._on_input()
            elif conversation.state.reader is not None:
                self._renew()
            self._settle(conversation, len(data))
        except Exception as error:
            self._fail(error)

    def _settle(self, conversation: Conversation, octets: int) -> None:
        """After each step: until when more of the content has to come, what is to be done, and what we keep. This runs
        for each turn of each client."""
        state = conversation.state
        content = state.content
        if content is None and state.reader is None:
            self._content_due = _NEVER
        else:
            self._content_due = content_due(
                self._content_due,
                octets=octets,
                now=self._sessions.now(),
                patience=self._sessions.acceptance.limits.session_idle,
            )
        if conversation.events:
            self._follow_all(conversation)
            content = state.content
        held = len(conversation.waiting)  # of a line that is being skipped, four octets more
        if held > MAX_PIPELINED and conversation.is_paused:
            self._flow.hold(BACKLOG)
        if state.recipients:
            held += RECIPIENT * len(state.recipients)
        if content is not None:
            held += content.held
        if self._large is not None:
            held += self._large.held
        if self._flow.held and self._flow.is_held(STALLED) and self.transport is not None:
            held += self.transport.get_write_buffer_size()
        before = self._held
        if held != before:  # and end the session where all keep too much, and we more than our part
            self._held = held
            if self._sessions.reception.holding.change(before, held):
                self.say_goodbye(replies.OVERLOADED)

    def _disk_went_on(self) -> None:
        """We were slow, not the client."""
        self._renew()
        self._content_due = self.seen + self._sessions.acceptance.limits.session_idle

    # -- events ------------------------------------------------------------------------------------------------------

    def _follow_all(self, conversation: Conversation) -> None:
        while conversation.events:
            events, conversation.events = conversation.events, []
            for event in events:
                if isinstance(event, MessageEnded):
                    self._take(event)
                elif isinstance(event, Closing):
                    self._end()
                else:
                    self._follow(conversation, event)

    def _follow(self, conversation: Conversation, event: Event) -> None:
        match event:
            case Refused():
                if not event.reply.is_positive:  # else intake has said that it was discarded
                    self._log(conversation, event)
            case LookUp():
                self._is_our_turn = True
                self._work = self._sessions.own(event.answer)
                self._work.add_done_callback(self._found)
            case TurnEnded():
                self._is_our_turn = True
                self._flow.hold(BACKLOG)
                asyncio.get_running_loop().call_soon(self._advance, Conversation.go_on)
            case TlsWanted():
                self._begin_tls()
            case ClientTold():
                self._change_client(event)
            case AuthWanted():
                self._begin_auth(event)
            case LargeBegan():
                self._large = LargeArrival(
                    intake=self._sessions.reception.intake, flow=self._flow, on_progress=self._disk_went_on
                )
                refusal = self._large.begin(event)
                if refusal is not None:
                    conversation.refuse_content(refusal)
            case LargeWent() | LargeEnded() | LargeAborted():
                assert self._large is not None
                self._is_our_turn = isinstance(event, LargeEnded)
                self._large.follow(event, self._answer)

    def _take(self, event: MessageEnded) -> None:
        self._is_our_turn = True
        try:
            self._sessions.reception.intake.accept(
                event.envelope, facts=event.facts, parts=event.parts, shape=event.shape, done=self._answer
            )
        except Exception as error:
            self._note(error)
            self._answer(replies.LOCAL_ERROR)

    def _found(self, lookup: asyncio.Future[Any]) -> None:
        self._work = None
        if lookup.cancelled():
            return
        error = lookup.exception()
        if error is not None:
            self._note(error)
        found = Existence.UNKNOWN if error is not None else lookup.result()
        self._advance(Conversation.looked_up, found)

    def _answer(self, reply: Reply) -> None:
        """What intake says to the dot."""
        self._advance(Conversation.answered, reply)

    def _advance(self, step: Callable[..., bytes], *answer: object) -> None:
        """Somebody has answered, or something happened to the session: say what comes of it, and go on."""
        conversation = self._conversation
        if conversation is None or self.transport is None:  # the client is gone
            return
        self._is_our_turn = False
        self._renew()
        try:
            out = step(conversation, *answer)
            if out:
                self._write(out)
            self._settle(conversation, 0)
            if not conversation.is_paused:
                if self._flow.held:
                    self._flow.release(BACKLOG)
                if self._half_closed:
                    self._end()
        except Exception as error:
            self._fail(error)

    def _begin_auth(self, wanted: AuthWanted) -> None:
        raise AssertionError("given by the listener")

    # -- deadlines and the end ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> float:
        """Is a deadline over? And when is the next."""
        if self._closing_since is not None:
            due = self._closing_since + LINGER
        elif self._conversation is None:
            due = self.seen + HANDSHAKE
        elif self._is_our_turn:
            return math.inf
        else:
            idle = self.seen + self._sessions.acceptance.limits.session_idle
            due = min(idle, self._content_due)
        if now < due:
            return due
        if self._closing_since is not None or self._conversation is None:
            self.abort()
        else:
            self.say_goodbye(replies.TOO_SLOW if self._content_due < idle else replies.IDLE_TIMEOUT)
        return now + LINGER

    def drain(self) -> None:
        """The listener stops: end now, or with the open transaction."""
        if self._conversation is None:
            self.abort()
        elif self._is_our_turn:
            self._conversation.drain()
        else:
            self._advance(Conversation.drain)

    def say_goodbye(self, word: Reply) -> None:
        """End now, whatever is open."""
        if self._conversation is None:
            self.abort()
        elif self._closing_since is None:
            self._sessions.reception.maillog.refused(client=self._client_ip, stage="session", reply=word)
            self._advance(Conversation.close, word)

    def _log(self, conversation: Conversation, event: Refused) -> None:
        maillog, client, helo = self._sessions.reception.maillog, conversation.state.client.ip, conversation.state.helo
        if event.login:
            maillog.login_refused(client=client, reply=event.reply, helo=helo, login=event.login)
            return
        maillog.refused_by(
            event.by,
            client=client,
            stage=event.stage,
            reply=event.reply,
            helo=helo,
            paths=(event.reverse_path, event.recipient),
        )

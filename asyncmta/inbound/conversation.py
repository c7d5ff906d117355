"""The server side of an SMTP session as a sans-IO engine: octets in; replies, joined, and events out.

Promises: the result does not depend on how the input was split, but where RFC 2920 makes it so: what stands behind
DATA, STARTTLS or XCLIENT in the same chunk was sent before its reply, and ends the session. Only CR LF ends a command;
a line is kept up to its limit and then thrown away in constant memory; while somebody else has to answer, input waits.
Never: sockets, time, credentials, and no decision that belongs to a command group or to `acceptance`.

RFC 5321 2.3.8, 4.1.4, 4.3, 4.5.3.1.4; RFC 2920 (pipelining); RFC 3207 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncmta.inbound import chunking, courtesy, lines, taking, xclient
from asyncmta.inbound.acceptance import Acceptance
from asyncmta.inbound.events import ENDS_A_GROUP, Closing, Event, LargeAborted, LookUp, Refused, TlsWanted, TurnEnded
from asyncmta.inbound.session import Client, SessionState
from asyncmta.inbound.softening import softened
from asyncmta.inbound.verbs import ALONE, BEFORE_TLS, COMMANDS, JUNK
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

COMMANDS_IN_A_TURN = 100  # half a millisecond
BYE = replies.BYE.wire
_CHUNK = b"BDAT"
# What is left of the exchange would be read as commands; or there is no sense in more of them.
_ENDS_AUTH = (replies.AUTH_TOO_LONG, replies.EARLY_INPUT, replies.AUTH_TOO_MANY_FAILURES)


class Conversation:
    """One session. Each call returns the octets to write now; then `events` are to be followed, in their order."""

    __slots__ = (
        "_draining", "_greeted", "_looking_up", "_skipping", "events", "is_closed", "is_paused", "state", "waiting"
    )  # fmt: skip

    def __init__(self, acceptance: Acceptance, client: Client, *, tls: str = "") -> None:
        """`tls` names version and cipher where the session began with a handshake."""
        self.state = SessionState(acceptance, client, tls)
        self.events: list[Event] = []
        self.is_paused = False  # somebody else has to answer first
        self.is_closed = False
        self.waiting = b""  # what came and was not looked at, or has not ended
        self._greeted = self._draining = False
        self._skipping = b""  # within a line that is too long: how it began
        self._looking_up: LookUp | None = None

    # -- what the feeder may ask -------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        return len(self.waiting) + len(self._skipping)

    @property
    def is_reading_content(self) -> bool:
        return self.state.reader is not None

    @property
    def is_in_content(self) -> bool:
        """The client owes us content: it is being read, or more chunks of it have to come."""
        return self.state.reader is not None or self.state.content is not None

    @property
    def is_idle(self) -> bool:
        """Between transactions: nothing is lost by ending the session here."""
        return self.state.envelope is None and not self.is_paused

    # -- calls -------------------------------------------------------------------------------------------------------

    def greet(self) -> bytes:
        self._greeted = True
        return self.state.acceptance.greeting

    def turn_away(self, because: Reply, by: str = "") -> bytes:
        """No greeting: for an early talker (a client waits for the greeting, a spam engine does not), or by a hook."""
        word = replies.refused_session(self.state.acceptance.terms.hostname, because)
        self._greeted = True
        self.events.append(Refused("greeting", word, by=by))
        return self.close(word)

    def feed(self, chunk: bytes) -> bytes:
        """What the client sent."""
        if self.waiting:
            chunk, self.waiting = self.waiting + chunk, b""
        if self.is_paused:
            if not self.is_closed:
                self.waiting = chunk
            return b""
        if not self._greeted:
            return self.turn_away(lines.NOT_SMTP)
        if not (self.is_closed or self._draining or self.state.reader) and chunk.find(b"\n") == len(chunk) - 1 >= 0:
            return self._command(chunk[:-1], False)  # one command and nothing else, as nearly always
        return self._run(chunk)

    def go_on(self) -> bytes:
        """The answer to `TurnEnded`: the others had their turn."""
        return b"" if self.is_closed else self._resume(b"")

    def looked_up(self, found: object) -> bytes:
        """The answer to `LookUp`."""
        wanted, self._looking_up = self._looking_up, None
        assert wanted is not None
        if self.is_closed:
            return b""
        self.is_paused = False
        out = self._said(wanted.stage, wanted.proceed(found))
        return out if self.is_paused else self._resume(out)  # else somebody else is to be asked too

    def answered(self, reply: Reply) -> bytes:
        """The answer to `MessageEnded` or `LargeEnded`: the reply to the dot, or to the last chunk."""
        state = self.state
        refused = None if reply.code < 400 else Refused("dot", reply, state.reverse_path, times=state.replies_due)
        recipients = state.to_answer
        state.forget_transaction()
        if self.is_closed:
            return b""
        if refused is not None:
            return self._resume(self._said("dot", refused))
        state.forgive()
        return self._resume(taking.taken(reply, recipients))

    def refuse_content(self, reply: Reply) -> None:
        """Nobody wants the content that is coming in: read it to its end, then say this."""
        content = self.state.content
        if content is not None:
            self.state.content_refusal = reply
            content.drop()

    def tls_started(self, tls: str) -> bytes:
        """The handshake is over; `tls` names version and cipher. What waits in the buffer came through the tunnel:
        nothing could stand behind STARTTLS."""
        self.state.secure(tls)
        return b"" if self.is_closed else self._resume(b"")

    def auth_ended(self, reply: Reply, login: str = "") -> bytes:
        """The exchange is over; `login` names who it was, or, when it did not go well, whom the client named."""
        state = self.state
        if self.is_closed:
            return b""
        if reply.code == replies.AUTH_OK.code:
            state.log_in(login)
            return self._resume(reply.wire)
        if reply.code == replies.AUTH_FAILED.code:
            state.auth_failures += 1
        out = self._said("AUTH", Refused("AUTH", reply, closes=reply in _ENDS_AUTH, login=login))
        if state.auth_failures >= state.acceptance.limits.auth_failures and not self.is_closed:
            out += self.close(replies.TOO_MANY_ERRORS)
        return self._resume(out)

    def client_changed(self, client: Client, told: Mapping[str, str]) -> bytes:
        """The answer to `ClientTold`: the session of this client begins."""
        return b"" if self.is_closed else self._resume(xclient.begin_anew(self.state, client, told))

    def take_line(self) -> bytes | Reply | None:
        """The next line of an AUTH exchange without its CR LF; None: not there yet; a Reply: there is no such line."""
        line, newline, rest = self.waiting.partition(b"\n")
        if len(line) > lines.MAX_AUTH_LINE:
            return replies.AUTH_TOO_LONG
        if not newline:
            return None
        self.waiting = rest
        return line[:-1] if line.endswith(b"\r") else replies.COMMAND_BARE_LINE_END

    def drain(self) -> bytes:
        """The server is stopping: say so now, or when the open transaction has ended."""
        self._draining = True
        return self.close(replies.SHUTTING_DOWN) if self.is_idle and not self.is_closed else b""

    def close(self, word: Reply) -> bytes:
        """The last word of the session, whatever is open. Nothing that comes later is looked at."""
        self.is_closed = True
        self.waiting = b""
        if self.state.is_large:
            self.state.is_large = False
            self.events.append(LargeAborted())
        self.events.append(Closing(word))
        return BYE if word is replies.BYE else word.wire

    # -- the engine --------------------------------------------------------------------------------------------------

    def _resume(self, out: bytes) -> bytes:
        self.is_paused = False
        chunk, self.waiting = self.waiting, b""
        if self._draining and self.is_idle and not self.is_closed:
            out += self.close(replies.SHUTTING_DOWN)
        return out + self._run(chunk) if chunk else out

    def _run(self, chunk: bytes) -> bytes:
        """Read commands and content until the chunk is used up, somebody else has to answer, or all is said."""
        state = self.state
        out = []
        at, size, left = 0, len(chunk), COMMANDS_IN_A_TURN
        while at < size and not self.is_closed:
            was_large = state.is_large
            if state.reader is not None:
                end = state.reader.feed(chunk, at)
                answer = taking.content_came(state, end >= 0, self.events)
                if answer is not None:
                    out.append(self._said("dot", answer))
                if end < 0:
                    break
                at = end
            else:
                end = chunk.find(b"\n", at)
                if end < 0:
                    out.append(self._keep(chunk[at:] if at else chunk))
                    break
                line = chunk[at:end]
                at = end + 1
                out.append(self._command(line, at < size))
                left -= 1
            # What became of large content is told to whoever writes it before there can be another one.
            is_enough = not left or (was_large and not state.is_large)
            if is_enough and at < size and not (self.is_paused or self.is_closed):
                self.is_paused = True
                self.events.append(TurnEnded())
            if self.is_paused:
                self.waiting = chunk[at:]
                break
            if self._draining and state.envelope is None and not self.is_closed:
                out.append(self.close(replies.SHUTTING_DOWN))
        return out[0] if len(out) == 1 else b"".join(out)

    def _keep(self, rest: bytes) -> bytes:
        """A line that has not ended."""
        if self._skipping:
            return b""
        if lines.is_other_protocol(rest):
            return self._said("command", lines.OTHER_PROTOCOL)
        if lines.is_too_long(rest):
            self._skipping = rest[: len(_CHUNK)]
        else:
            self.waiting = rest
        return b""

    def _command(self, line: bytes, is_followed: bool) -> bytes:
        """One line, its LF taken off; `is_followed`: more came in the same chunk."""
        if self._skipping:
            line, self._skipping = self._skipping, b""
            text: str | Refused = lines.COMMAND_TOO_LONG
        else:
            text = ALONE.get(line) or lines.as_text(line)
        if not isinstance(text, str):
            if line[: len(_CHUNK)].upper() == _CHUNK:  # nobody knows how many octets behind it are no commands
                text = Refused(text.stage, text.reply, closes=True)
            return self._said("command", text)
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        if verb == "BDAT":
            return self._begin_chunk(argument)
        command = COMMANDS.get(verb)
        if command is None:
            return self._said(verb, courtesy.unknown(verb))
        if is_followed and verb == "DATA":  # content that was sent before the 354 may be somebody else's
            return self._said(verb, Refused(verb, replies.EARLY_INPUT, closes=True))
        state = self.state
        if state.is_locked and verb not in BEFORE_TLS:
            return self._said(verb, Refused(verb, replies.NEED_TLS))
        was_large = state.is_large
        answer = command(state, argument)
        if was_large and not state.is_large:
            self.events.append(LargeAborted())
        if type(answer) is bytes and verb not in JUNK:
            return answer
        if is_followed and isinstance(answer, ENDS_A_GROUP):
            answer = Refused(verb, replies.EARLY_INPUT, closes=True)
        return self._said(verb, answer)

    def _begin_chunk(self, argument: str) -> bytes:
        """BDAT; an empty chunk has no octets to wait for."""
        refused = chunking.bdat(self.state, argument)
        if refused is not None:
            return self._said("BDAT", refused)
        is_whole = chunking.is_whole(self.state)
        answer = taking.content_came(self.state, True, self.events) if is_whole else None
        return b"" if answer is None else self._said("BDAT", answer)

    def _said(self, stage: str, answer: bytes | Event) -> bytes:
        """The octets of an answer, with all that follows from it."""
        if isinstance(answer, bytes):
            is_enough = stage in JUNK and self.state.charge(250)
            return answer + self.close(replies.TOO_MANY_ERRORS) if is_enough else answer
        if isinstance(answer, Refused):
            answer = softened(answer) if self.state.acceptance.limits.soft else answer
            self.events.append(answer)
            out = answer.reply.wire * answer.times
            is_enough = self.state.charge(answer.reply.code, answer.counts)
            if answer.closes:
                self.close(answer.reply)
            elif is_enough:
                out += self.close(replies.TOO_MANY_ERRORS)
            return out
        if isinstance(answer, Closing):
            return self.close(answer.word)
        self.is_paused = True
        self.events.append(answer)
        if isinstance(answer, LookUp):
            self._looking_up = answer
        return replies.READY_FOR_TLS.wire if isinstance(answer, TlsWanted) else b""

"""Both directions of an SMTP session read beside it, as lines that may be shown: no secret, and content counted. Pure.

A small parser of its own, which knows just enough to tell what octets are: a command, a response in an AUTH exchange,
content after DATA or BDAT, a reply. What stands behind AUTH and DATA waits until the reply to it is there, so that
nothing is taken for a command that is none. Promises: what a client says in an AUTH exchange is shown as `***` at any
split and in any order, and so is what the server asks there; who has begun one has lines that are no command masked
too; memory is bounded. Never: a judgement about the session; what cannot be read any more is counted and not shown.

RFC 5321 4.1.4, 4.2; RFC 4954 4; RFC 3030; RFC 2033 4.2 (one reply for each recipient).
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from msgspec import Struct

from asyncmta.tracing.secrets import MASK, Secrets

MOST_HELD = 1 << 16  # octets that wait, in either direction
MOST_CONTENT = 8192  # octets of one message that are shown where content is asked for
MOST_OUTSTANDING = 10_000
MOST_LINES = 3000  # at once, in either direction: some ten milliseconds
MOST_EARLY = 8  # lines behind AUTH that are looked at before their time
LINE_COSTS = 32  # octets of what may be shown of content
TOO_LONG = b"(a line without end, which is not shown)"

COMMANDS = frozenset(
    b"EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP STARTTLS ETRN XCLIENT XFORWARD".split()
)
MECHANISMS = frozenset(
    b"PLAIN LOGIN CRAM-MD5 DIGEST-MD5 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS NTLM GSSAPI SCRAM-SHA-1 "
    b"SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-512".split()
)
_DOT = b"\r\n.\r\n"
_LAST = b"LAST"  # the chunk that ends the content, or the dot


class Seen(Struct, frozen=True):
    """`octets`: a line without its end, fit to be shown but for control characters. `content`: it is of a message."""

    by_client: bool
    octets: bytes
    content: bool = False


class _State(Enum):
    COMMAND = auto()
    WAIT = auto()  # for the reply to AUTH or DATA
    RESPONSE = auto()  # the next line is one of an AUTH exchange
    CONTENT = auto()
    CHUNK = auto()
    LOST = auto()  # what the client sends cannot be read any more


class Masking:
    """One session. `greeting`: the server's first word is still to come; `lmtp`: it is known to be spoken already;
    `content`: show the beginning of content, too."""

    def __init__(self, *, greeting: bool = True, lmtp: bool = False, content: bool = False) -> None:
        self._secrets = Secrets()
        self.with_content = content
        self._lmtp = lmtp
        self._has_tried_auth = False
        self._mechanism = b""
        self.restart(greeting=greeting)

    def restart(self, *, greeting: bool = False) -> None:
        """TLS begins, or another connection: what was outstanding is not any more."""
        self._state = _State.COMMAND
        self._held = b""  # of the client
        self._reply = b""  # of the server: a line that has not ended
        self._is_skipping = False
        self._due: deque[bytes] = deque([b"(greeting)"] if greeting else ())  # commands without a reply yet
        self._accepted = 0  # recipients of the transaction
        self._answered = 0  # of those, after the content
        self._left = 0
        self._size = 0
        self._shown = 0
        self._tail = b""

    def client(self, octets: bytes) -> list[Seen]:
        """What the client sent."""
        out: list[Seen] = []
        self._held = self._held + octets if self._held else octets
        self._advance(out)
        if self._held and self._is_at_auth:  # sent without being asked, and may be echoed before it is read here
            for line in self._held[:MOST_HELD].splitlines()[:MOST_EARLY]:
                if not is_command(line):
                    self._secrets.learn(line)
        return out

    def server(self, octets: bytes) -> list[Seen]:
        """What the server sent."""
        out: list[Seen] = []
        lines = (self._reply + octets).split(b"\n", MOST_LINES)
        self._reply = lines.pop()
        for line in lines:
            if self._is_skipping:
                self._is_skipping = False
                line = TOO_LONG  # noqa: PLW2901
            elif len(line) > MOST_HELD:
                line = TOO_LONG  # noqa: PLW2901
            self._replied(line.removesuffix(b"\r"), out)
        if b"\n" in self._reply:  # what they answer counts as not answered, and hides the more
            out.append(Seen(False, b"(too many lines at once: %d octets of them are not shown)" % len(self._reply)))
            self._reply, self._is_skipping = b"", True
        elif len(self._reply) > MOST_HELD:
            self._reply, self._is_skipping = b"", True
        return out

    def end(self) -> list[Seen]:
        """The connection is over: what was cut off."""
        out: list[Seen] = []
        if self._state is _State.COMMAND and self._held:
            self._command(self._held, out)
        elif self._state in (_State.CONTENT, _State.CHUNK):
            self._summary(out, b"; then the connection was over")
        if self._reply:
            self._replied(self._reply, out)
        return out

    # -- the client --------------------------------------------------------------------------------------------------

    def _advance(self, out: list[Seen]) -> None:
        octets, at, size, left = self._held, 0, len(self._held), MOST_LINES
        while at < size and left and self._state not in (_State.WAIT, _State.LOST):
            left -= 1
            if self._state is _State.CHUNK:
                at = self._chunk(octets, at, out)
            elif self._state is _State.CONTENT:
                at = self._content(octets, at, out)
            else:
                end = octets.find(b"\n", at)
                if end < 0:
                    break
                line, at = octets[at:end].removesuffix(b"\r"), end + 1
                (self._response if self._state is _State.RESPONSE else self._command)(line, out)
        self._held = octets[at:] if at else octets
        if self._state is _State.LOST:
            self._held = b""
        elif not left or len(self._held) > MOST_HELD or len(self._due) > MOST_OUTSTANDING:
            out.append(Seen(True, b"(too much to be read: the client's lines are not shown any more)"))
            self._state, self._held = _State.LOST, b""
            self._due.clear()

    def _command(self, line: bytes, out: list[Seen]) -> None:
        words = line.upper().split(maxsplit=2)
        verb = words[0] if words else b""
        if verb.startswith(b"AUTH"):
            self._begin_auth(line, out)
            return
        if self._has_tried_auth and verb not in COMMANDS:
            self._secrets.learn(line)
            line = MASK
        else:
            line = self._secrets.redact(line)
        out.append(Seen(True, line))
        if verb == b"LHLO":
            self._lmtp = True
        if verb == b"DATA" and len(words) == 1:
            self._state = _State.WAIT
        elif verb == b"BDAT" and len(words) > 1 and words[1].isdigit() and len(words[1]) < 20:
            self._left, self._size, self._shown = int(words[1]), 0, 0
            self._state = _State.CHUNK if self._left else _State.COMMAND
            verb = _LAST if words[2:] == [b"LAST"] else verb
        self._due.append(verb)

    def _begin_auth(self, line: bytes, out: list[Seen]) -> None:
        words = line.split(maxsplit=2)
        mechanism = words[1].upper() if len(words) > 1 else b""
        if words[0].upper() == b"AUTH" and mechanism in MECHANISMS:
            shown = b"AUTH " + mechanism
            initial = words[2] if len(words) > 2 else b""
        else:  # whatever this is, it may have the secret anywhere
            shown, mechanism = b"AUTH", b""
            initial = b" ".join(words[1:])
            for word in initial.split():
                self._secrets.learn(word)
        self._has_tried_auth = True
        self._mechanism = mechanism
        if initial:
            self._learn(initial)
            shown += b" " + MASK
        out.append(Seen(True, shown))
        self._due.append(b"AUTH")
        self._state = _State.WAIT

    def _response(self, line: bytes, out: list[Seen]) -> None:
        if line != b"*":
            self._learn(line)
            line = MASK
        out.append(Seen(True, line))
        self._state = _State.WAIT

    def _learn(self, text: bytes) -> None:
        is_name = self._mechanism == b"LOGIN"
        self._mechanism = b"" if is_name else self._mechanism
        self._secrets.learn(text, is_name=is_name)

    def _chunk(self, octets: bytes, at: int, out: list[Seen]) -> int:
        end = min(len(octets), at + self._left)
        self._left -= end - at
        self._show_content(octets, at, end, out)
        if not self._left:
            self._summary(out)
            self._state = _State.COMMAND
        return end

    def _content(self, octets: bytes, at: int, out: list[Seen]) -> int:
        """The dot may be split anywhere: what could be its beginning is looked at again."""
        seen = self._tail + octets[at:]
        found = seen.find(_DOT)
        if found < 0:
            self._tail = seen[1 - len(_DOT) :]
            self._show_content(octets, at, len(octets), out)
            return len(octets)
        end = at + found + len(_DOT) - len(self._tail)
        self._show_content(octets, at, end, out)
        self._summary(out)
        self._due.append(_LAST)
        self._state = _State.COMMAND
        return end

    def _show_content(self, octets: bytes, at: int, end: int, out: list[Seen]) -> None:
        self._size += end - at
        room = MOST_CONTENT - self._shown
        if self.with_content and room > 0:
            piece = octets[at : min(end, at + room)]
            lines = piece.splitlines()[: room // LINE_COSTS + 1]
            self._shown += len(piece) + LINE_COSTS * len(lines)
            for line in lines:
                out.append(Seen(True, self._secrets.redact(line), content=True))

    def _summary(self, out: list[Seen], more: bytes = b"") -> None:
        out.append(Seen(True, b"... %s octets of content%s" % (f"{self._size:,}".encode(), more)))

    # -- the server --------------------------------------------------------------------------------------------------

    def _replied(self, line: bytes, out: list[Seen]) -> None:
        code, is_last = line[:3], line[3:4] != b"-"
        if code == b"334":
            out.append(Seen(False, b"334 " + MASK))
        else:
            out.append(Seen(False, self._secrets.redact(line)))
        if is_last and code.isdigit() and len(code) == 3:
            self._answer(code)
            self._advance(out)

    def _answer(self, code: bytes) -> None:
        """A reply is whole: to which command?"""
        due = self._due
        if code == b"334":  # to nothing but AUTH: whatever stood before it has been answered
            while due and due[0] != b"AUTH":
                due.popleft()
            if not due:
                due.append(b"AUTH")
            self._has_tried_auth = True
            if self._state in (_State.COMMAND, _State.WAIT):
                self._state = _State.RESPONSE
            return
        if code == b"354" and self._state is _State.WAIT and due[-1] == b"DATA":
            due.clear()
            self._state, self._tail = _State.CONTENT, b"\r\n"
            self._size = self._shown = 0
            return
        command = due.popleft() if due else b""
        is_positive = code[:1] == b"2"
        if command in (b"AUTH", b"DATA") and self._state in (_State.WAIT, _State.RESPONSE):
            self._state = _State.COMMAND
        elif command == b"RCPT":
            self._accepted += is_positive
        elif command == b"MAIL" and is_positive:
            self._accepted = 0
        elif command == _LAST and self._lmtp:
            self._answered += 1
            if self._answered < self._accepted:
                due.appendleft(_LAST)
            else:
                self._accepted = self._answered = 0

    @property
    def _is_at_auth(self) -> bool:
        return self._state is _State.WAIT and self._due[-1] == b"AUTH"


def is_command(line: bytes) -> bool:
    """Does it begin with a command that we know?"""
    return line.upper().partition(b" ")[0] in COMMANDS

"""QMTP as a server, translated: packages in, the SMTP of a conversation with ourselves out, its replies into answers.

A package is content, sender and recipients as netstrings; each recipient gets one answer: K (taken), Z (not now), D
(never). What may be sent, by whom and how much is decided where it is decided for SMTP, so that no rule has a second
way around it. Promises: no octet of a client reaches the conversation but in a checked address or counted content; K
is said after the 250 alone; memory is bounded by the size of a message and the number of its recipients; the same
answers at any split of the input. Never: sockets, time, a decision about mail.

https://cr.yp.to/proto/qmtp.txt
"""

from __future__ import annotations

from enum import Enum

from asyncmta.mail import replies
from asyncmta.mail.address import Address, InvalidAddress, parse_address
from asyncmta.mail.netstring import InvalidNetstring, begin, netstring, take, take_all
from asyncmta.mail.reply import Reply, parse_reply

LONGEST_MESSAGE = 10**12 - 1  # that is read, and refused, rather than hung up on
LONGEST_ADDRESS = 1000
OCTETS_OF_RECIPIENT = 330  # of an address and what a netstring has around it, as long as they are allowed to be
SLICE = 1 << 16

_COMMA = 0x2C
_LF, _CRLF = b"\n", b"\r"


class Stage(Enum):
    """What is awaited."""

    GREETING = 1  # of our conversation, and its reply to EHLO
    MESSAGE = 2  # from the client: the length of a message
    CONTENT = 3  # ... the rest of it
    SENDER = 4
    RECIPIENTS = 5
    COMMANDS = 6  # from our conversation: the replies to MAIL and RCPT
    END = 7  # ... the reply to the content
    OVER = 8


class Translator:
    """`smtp` is for the conversation, `out` for the client, piece by piece; both are emptied by whoever feeds."""

    def __init__(self, *, most_octets: int, most_recipients: int) -> None:
        self.smtp: list[bytes] = []
        self.out: list[bytes] = []
        self.stage = Stage.GREETING
        self._most_octets = most_octets
        self._most_recipients = most_recipients
        self._input = bytearray()
        self._said = b""  # by the conversation: a reply that is not whole
        self._left = 0  # octets of the message that are to come, its comma among them
        self._is_too_big = False
        self._content = b""
        self._sender: bytes = b""
        self._answers: list[Reply | None] = []  # by recipient
        self._asked: list[int] = []  # of the recipients, those with an RCPT
        self._replies: list[Reply] = []

    @property
    def is_reading(self) -> bool:
        """In the middle of a package that is not whole."""
        return bool(self._input) if self.stage is Stage.MESSAGE else self.stage in _READING

    @property
    def is_busy(self) -> bool:
        """A package came whole, and has no answers yet."""
        return self.stage is Stage.COMMANDS or self.stage is Stage.END

    @property
    def is_idle(self) -> bool:
        """Nothing can happen before the client has sent more."""
        return self.stage is Stage.MESSAGE or self.stage in _READING

    @property
    def held(self) -> int:
        """Octets in memory."""
        return len(self._input) + len(self._content)

    # -- from the client ---------------------------------------------------------------------------------------------

    def feed(self, octets: bytes) -> None:
        """What the client sent. While the translator is busy it waits."""
        if self.stage is Stage.OVER:
            return
        self._input += octets
        self._go_on()

    def _go_on(self) -> None:
        try:
            while self._has_read():
                pass
        except InvalidNetstring:
            self._hang_up()

    def _has_read(self) -> bool:
        """One step further? Raises InvalidNetstring for what is no package."""
        match self.stage:
            case Stage.MESSAGE:
                return self._begin()
            case Stage.CONTENT:
                return self._read_content()
            case Stage.SENDER:
                return self._read_sender()
            case Stage.RECIPIENTS:
                return self._read_recipients()
        return False

    def _begin(self) -> bool:
        begun = begin(self._input, 0, LONGEST_MESSAGE)
        if begun is None:
            return False
        start, length = begun
        if not length:
            raise InvalidNetstring("a message has at least its mark")
        del self._input[:start]
        self._left = length + 1
        self._is_too_big = length - 1 > self._most_octets
        self.stage = Stage.CONTENT
        return True

    def _read_content(self) -> bool:
        """Nothing is kept of a message that is too big."""
        held, left = self._input, self._left
        if self._is_too_big and left > 1:
            gone = min(len(held), left - 1)
            del held[:gone]
            self._left = left = left - gone
        if len(held) < left:
            return False
        if held[left - 1] != _COMMA:
            raise InvalidNetstring("no comma behind it")
        if not self._is_too_big:
            mark, content = bytes(held[:1]), bytes(held[1 : left - 1])
            if mark not in (_LF, _CRLF):
                raise InvalidNetstring("no mark")
            self._content = content.replace(b"\n", b"\r\n") if mark == _LF else content
        del held[:left]
        self.stage = Stage.SENDER
        return True

    def _read_sender(self) -> bool:
        taken = take(self._input, 0, LONGEST_ADDRESS)
        if taken is None:
            return False
        self._sender, end = taken
        del self._input[:end]
        self.stage = Stage.RECIPIENTS
        return True

    def _read_recipients(self) -> bool:
        taken = take(self._input, 0, self._most_recipients * OCTETS_OF_RECIPIENT)
        if taken is None:
            return False
        octets, end = taken
        recipients = take_all(octets)
        if not recipients:
            raise InvalidNetstring("nobody to answer for")
        del self._input[:end]
        self._translate(recipients)
        return True

    # -- to the conversation -----------------------------------------------------------------------------------------

    def _translate(self, recipients: list[bytes]) -> None:
        self._answers = [None] * len(recipients)
        self._asked, self._replies = [], []
        sender = _address(self._sender) if self._sender else None
        if self._is_too_big:
            self._settle(replies.TOO_BIG)
        elif self._sender and sender is None:
            self._settle(replies.BAD_SENDER_SYNTAX)
        else:
            self._command(sender, recipients)

    def _command(self, sender: Address | None, recipients: list[bytes]) -> None:
        lines: list[str] = []
        for at, octets in enumerate(recipients):
            address = _address(octets)
            if address is None:
                self._answers[at] = replies.BAD_RECIPIENT_SYNTAX
            else:
                self._asked.append(at)
                lines.append(f"RCPT TO:<{address}>\r\n")
        path = "" if sender is None else str(sender)
        mail = f"MAIL FROM:<{path}> SIZE={len(self._content)}" + ("" if self._content.isascii() else " BODY=8BITMIME")
        commands = "".join(lines)
        mail += "\r\n" if path.isascii() and commands.isascii() else " SMTPUTF8\r\n"
        if not lines:
            self._settle(replies.BAD_RECIPIENT_SYNTAX)
            return
        self.stage = Stage.COMMANDS
        self.smtp.append((mail + commands).encode())

    def hear(self, octets: bytes) -> None:
        """What the conversation says."""
        *lines, self._said = (self._said + octets).split(b"\r\n")
        reply = b""
        for line in lines:
            reply += line + b"\r\n"
            if line[3:4] != b"-" and self.stage is not Stage.OVER:
                self._hear(parse_reply(reply))
                reply = b""
        self._said = reply + self._said
        self._go_on()

    def _hear(self, reply: Reply) -> None:
        match self.stage:
            case Stage.GREETING if reply.code == 220:
                self.smtp.append(b"EHLO unknown\r\n")
            case Stage.GREETING if reply.code == 250:
                self.stage = Stage.MESSAGE
            case _ if reply.code == 421 or not self.is_busy:
                if self.is_busy:
                    self._settle(reply)
                self._hang_up()
            case Stage.COMMANDS:
                self._replies.append(reply)
                if len(self._replies) > len(self._asked):
                    self._commands_answered()
            case _:
                self._settle(reply)

    def _commands_answered(self) -> None:
        mail, *rest = self._replies
        if mail.code >= 400:
            self._settle(mail)  # a consequence of it is what they said to RCPT
            return
        for at, reply in zip(self._asked, rest, strict=True):
            if reply.code >= 400:
                self._answers[at] = reply
        if None not in self._answers:
            self.smtp.append(b"RSET\r\n")
            self.stage = Stage.END
            return
        content, self._content = self._content, b""
        self.smtp.append(b"BDAT %d LAST\r\n" % len(content))
        self.smtp += [content[at : at + SLICE] for at in range(0, len(content), SLICE)]
        self.stage = Stage.END

    def _settle(self, reply: Reply) -> None:
        """Everybody who has no answer gets this one; and the next package may come."""
        self.out.append(b"".join(netstring(answer_of(each or reply)) for each in self._answers))
        self._content = b""
        self._answers = []
        self.stage = Stage.MESSAGE

    def _hang_up(self) -> None:
        self.stage = Stage.OVER
        self._input.clear()


_READING = frozenset({Stage.CONTENT, Stage.SENDER, Stage.RECIPIENTS})


def answer_of(reply: Reply) -> bytes:
    """A reply as QMTP has it, its status in brackets as qmail has it."""
    letter = "K" if reply.code < 400 else "Z" if reply.code < 500 else "D"
    status = "" if reply.enhanced is None or letter == "K" else f" (#{reply.enhanced})"
    return f"{letter}{reply.text}{status}".encode()


def _address(octets: bytes) -> Address | None:
    try:
        return parse_address(octets.decode("utf-8"), smtputf8=True)
    except (InvalidAddress, UnicodeDecodeError):
        return None

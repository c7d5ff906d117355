"""The words of the fault table: at which step of which kind of session, which fault, and what has to follow.

Values and pure functions only, so that the page docs/server-faults.md can be made of them as well as the tests.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Step(Enum):
    """What a server is asked when it goes wrong; the words are those of the page."""

    CONNECT = "connecting"
    GREETING = "the greeting"
    EHLO = "EHLO"
    HELO = "HELO, after a refused EHLO"
    STARTTLS = "STARTTLS"
    HANDSHAKE = "the TLS handshake"
    EHLO_AGAIN = "EHLO after the handshake"
    AUTH = "AUTH"
    RSET = "RSET, before the next transaction"
    MAIL = "MAIL"
    RCPT_1 = "RCPT, the first of three"
    RCPT_2 = "RCPT, the second of three"
    RCPT_3 = "RCPT, the last of three"
    DATA = "DATA"
    CONTENT = "the middle of the content"
    DOT = "the dot"
    IDLE = "nothing: the session rests"
    QUIT = "QUIT"


class Kind(Enum):
    """What kind of session it is."""

    PIPELINED = "pipelined"
    LOCK_STEP = "lock-step"
    CHUNKED = "BDAT"
    STREAMED = "large content"
    OLD = "HELO"
    TLS = "TLS where offered"
    TLS_REQUIRED = "TLS required"
    LOGIN = "login"
    REUSED = "the second transaction of a session"
    RESET = "after a transaction in which nobody was accepted"
    LAST = "the last transaction of a session"


class Then(Enum):
    """What the server does when it has said its words."""

    GO_ON = 1  # as if nothing had been wrong
    CLOSE = 2  # FIN
    RESET = 3  # RST
    SILENCE = 4  # reads, and says no more
    DEAF = 5  # neither reads nor says anything
    DRIP = 6  # what is still to be said comes an octet every thirty seconds


class Act(Struct, frozen=True):
    """What a server does in place of a proper reply."""

    says: bytes = b""
    then: Then = Then.GO_ON

    @property
    def code(self) -> int:
        """Of the first reply that is said; 0 when that is none."""
        digits = self.says[:3]
        return int(digits) if len(digits) == 3 and digits.isdigit() else 0


class Fault(Enum):
    """What goes wrong; the words are those of the page."""

    FIN = "closes the connection"
    RST = "resets the connection"
    SILENCE = "says nothing"
    DEAF = "does not even read"
    DRIP = "says it an octet every 30 s"
    HALF_A_LINE = "closes in the middle of a line"
    UNFINISHED = "closes in the middle of a multi-line reply"
    GARBAGE = "talks another protocol"
    BINARY = "sends random octets"
    EMPTY = "sends an empty line"
    TWO_DIGITS = "sends a code of two digits"
    ENDLESS_LINE = "sends a line without end"
    ENDLESS_REPLY = "sends a multi-line reply without end"
    BYE = "421, and closes"
    BYE_STAYS = "421, and stays"
    CODE_0 = "050"
    CODE_1 = "150"
    CODE_2 = "250 where that is no answer"
    CODE_3 = "354 where that is no answer"
    CODE_4 = "450"
    CODE_452 = "452 4.5.3"
    CODE_5 = "550"
    CODE_521 = "521"
    CODE_530 = "530"
    CODE_552 = "552"
    OUR_NAME = "consents with our own name"
    CODE_6 = "650"
    CODE_9 = "999"
    CHANGING = "another code in the last line of a reply"
    CHANGING_TO_2 = "a refusal whose last line consents"
    EXTRA = "three replies more than asked for"
    EXTRA_5 = "consents, then a 550 that nobody asked for"
    HOSTILE_STATUS = "consents with the status 5.1.1"
    HOSTILE_REFUSAL = "550 with the status 2.0.0"
    NO_TEXT = "consents with the bare code"
    BARE_REFUSAL = "550 and nothing else"
    EIGHT_BIT = "consents in 8-bit and control octets"
    EIGHT_BIT_REFUSAL = "550 in 8-bit and control octets"
    BARE_LF = "consents, the line ended by LF alone"
    LONG_LINE = "consents in a line of 4,000 octets"
    MANY_LINES = "consents in 90 lines"
    REFUSED = "refuses the connection"
    NO_ANSWER = "does not answer at all"
    UNREACHABLE = "cannot be reached"


_JUNK = b"\x00\xff\x80\x1b\xfe\x07" * 40
_ODD = b"\xff\xfe \x1b[2J\x00\x07\x85 no"


def act(fault: Fault, proper: bytes) -> Act:
    """The fault in place of `proper`, a reply of one line without its line end."""
    code = proper[:3]
    silent = {Fault.FIN: Then.CLOSE, Fault.RST: Then.RESET, Fault.SILENCE: Then.SILENCE, Fault.DEAF: Then.DEAF}
    if fault in silent:
        return Act(b"", silent[fault])
    acts = {
        Fault.DRIP: Act(code + b" " + b"drip " * 200, Then.DRIP),
        Fault.HALF_A_LINE: Act(proper[:2], Then.CLOSE),
        Fault.UNFINISHED: Act(code + b"-more to come\r\n", Then.CLOSE),
        Fault.GARBAGE: Act(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Fault.BINARY: Act(_JUNK + b"\r\n"),
        Fault.EMPTY: Act(b"\r\n"),
        Fault.TWO_DIGITS: Act(proper[:2] + b" ok\r\n"),
        Fault.ENDLESS_LINE: Act(code + b" " + b"x" * 100_000, Then.SILENCE),
        Fault.ENDLESS_REPLY: Act((code + b"-x\r\n") * 20_000, Then.SILENCE),
        Fault.BYE: Act(b"421 4.3.2 bye\r\n", Then.CLOSE),
        Fault.BYE_STAYS: Act(b"421 4.3.2 bye\r\n", Then.SILENCE),
        Fault.CODE_0: Act(b"050 what\r\n"),
        Fault.CODE_1: Act(b"150 what\r\n"),
        Fault.CODE_2: Act(b"250 2.0.0 ok\r\n"),
        Fault.CODE_3: Act(b"354 go on\r\n"),
        Fault.CODE_4: Act(b"450 4.2.0 later\r\n"),
        Fault.CODE_452: Act(b"452 4.5.3 too many recipients\r\n"),
        Fault.CODE_5: Act(b"550 5.7.1 no\r\n"),
        Fault.CODE_521: Act(b"521 5.3.2 no mail is taken here\r\n"),
        Fault.CODE_530: Act(b"530 5.7.0 authentication required\r\n"),
        Fault.OUR_NAME: Act(code + b" us.example ESMTP\r\n"),
        Fault.CODE_552: Act(b"552 5.5.3 too many recipients\r\n"),
        Fault.CODE_6: Act(b"650 what\r\n"),
        Fault.CODE_9: Act(b"999 what\r\n"),
        Fault.CHANGING: Act(code + b"-ok\r\n550 5.7.1 or no\r\n"),
        Fault.CHANGING_TO_2: Act(b"550-5.7.1 no\r\n" + code + b" or yes\r\n"),
        Fault.EXTRA: Act(proper + b"\r\n" + b"250 2.0.0 ok\r\n" * 3),
        Fault.EXTRA_5: Act(proper + b"\r\n550 5.1.1 nobody\r\n"),
        Fault.HOSTILE_STATUS: Act(code + b" 5.1.1 taken\r\n"),
        Fault.HOSTILE_REFUSAL: Act(b"550 2.0.0 no\r\n"),
        Fault.NO_TEXT: Act(code + b"\r\n"),
        Fault.BARE_REFUSAL: Act(b"550\r\n"),
        Fault.EIGHT_BIT: Act(code + b" " + _ODD + b"\r\n"),
        Fault.EIGHT_BIT_REFUSAL: Act(b"550 5.1.1 " + _ODD + b"\r\n"),
        Fault.BARE_LF: Act(proper + b"\n"),
        Fault.LONG_LINE: Act(proper + b" " + b"x" * 4000 + b"\r\n"),
        Fault.MANY_LINES: Act((code + b"-more\r\n") * 89 + proper + b"\r\n"),
    }
    return acts[fault]


class Verdict(Struct, frozen=True):
    """What has to follow. `outcomes`: a letter for each recipient: D delivered, E deferred, F failed. The other fields
    are about the first one that was not delivered. `next_host`: is the next exchanger tried within the pass?"""

    outcomes: str
    cause: str = ""
    reply: str = ""
    scope: str = ""
    next_host: bool = False
    is_used_again: bool = False
    may_be_duplicate: bool = False


class Pair(Struct, frozen=True):
    """One row of the table."""

    kind: Kind
    step: Step
    fault: Fault
    verdict: Verdict

    @property
    def name(self) -> str:
        return f"{self.kind.name}-{self.step.name}-{self.fault.name}".lower()

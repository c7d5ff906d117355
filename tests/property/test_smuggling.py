"""S01: whatever stands around the end of content, in DATA and in BDAT, at every split: one message or a clean refusal.

All 19,530 strings of one to six letters over CR, LF, dot, NUL and x stand in the body of a message, a smuggled
transaction behind them; the input is cut at every place, and a message in chunks at every place too. In one session
after the other: what is left of one message would show in the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.events import Closing, MessageEnded, Refused
from asyncmta.inbound.session import Client
from asyncmta.mail import replies
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.wire import crlf, stuff, unstuff
from tests.dialogs.player import STRANGER, World

LETTERS = b"\r\n.\x00x"
LONGEST = 6
END = b"\r\n.\r\n"
OPENING = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\n"
BEGUN = replies.SENDER_OK.wire + replies.RECIPIENT_OK.wire
SMUGGLED = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nbad: yes\r\n.\r\n"
QUEUED = replies.queued(QueueId(1)).wire

pytestmark = pytest.mark.slow


def strings(first: int) -> Iterator[bytes]:
    """Those that begin with this letter."""
    for size in range(LONGEST):
        for rest in itertools.product(LETTERS, repeat=size):
            yield bytes((first, *rest))


class Session:
    """One session with one message after the other."""

    def __init__(self, **settings: str) -> None:
        world = World(errors="10000000", junk_commands="10000000", **settings)
        acceptance = world.acceptance()
        ip = settings.get("client", STRANGER)
        self.conversation = Conversation(acceptance, Client(ip, 1, acceptance.is_trusted(ip)))
        self.conversation.greet()
        self.say(b"EHLO c\r\n")
        self.messages: list[MessageEnded] = []

    def say(self, octets: bytes) -> bytes:
        conversation = self.conversation
        out = conversation.feed(octets)
        while conversation.events:
            events, conversation.events = conversation.events, []
            for event in events:
                if isinstance(event, MessageEnded):
                    self.messages.append(event)
                    out += conversation.answered(replies.queued(QueueId(1)))
                else:
                    assert isinstance(event, Refused | Closing), event
        return out

    def take(self) -> bytes | None:
        """The only message since the last call, dots unstuffed; it was from the right sender."""
        messages, self.messages = self.messages, []
        assert len(messages) <= 1
        if not messages:
            return None
        (message,) = messages
        assert str(message.envelope.reverse_path) == "a@example.com"
        wire = b"".join(message.parts)
        assert not wire.startswith(b".\r\n")
        assert END not in wire  # it would end early at the next hop
        return unstuff(wire)


def is_clean(content: bytes) -> bool:
    lines = content.replace(b"\r\n", b"")
    return b"\0" not in content and b"\r" not in lines and b"\n" not in lines


def expected_data(text: bytes) -> tuple[bytes, bytes | None, bytes]:
    """Wire form up to the true end, content if it is clean, and what stands behind."""
    whole = text + END
    end = whole.index(END)
    wire = whole[: end + 2]
    content = unstuff(wire)
    return wire, content if is_clean(content) else None, whole[end + len(END) :]


@pytest.mark.parametrize("first", LETTERS, ids=lambda first: repr(bytes([first])))
def test_in_data(first: int) -> None:
    session = Session()
    for middle in strings(first):
        text = b"ab" + middle + SMUGGLED
        _, content, rest = expected_data(b"ab" + middle)
        if rest:  # the true end stands in the string: what is behind it are commands
            check_true_end(middle)
            continue
        # The end of `SMUGGLED` is the true one.
        wire = text[: -len(b".\r\n")]
        content = unstuff(wire) if is_clean(wire) else None
        for at in range(len(middle) + 6):  # from "ab" to the first letters behind
            assert session.say(OPENING + b"DATA\r\n").endswith(replies.START_MAIL_INPUT.wire)
            out = (session.say(text[:at]) if at else b"") + session.say(text[at:])
            assert session.take() == content, (middle, at)
            assert out == QUEUED if content is not None else out.startswith(b"550 5.6."), (middle, at)
            assert out.count(b"\r\n") == 1, (middle, at)


def check_true_end(middle: bytes) -> None:
    """A string that holds the true end: one message up to there, and then commands, whose DATA comes too early."""
    _, content, _ = expected_data(b"ab" + middle)
    text = b"ab" + middle + END + SMUGGLED
    for at in range(1, len(middle) + 8):
        session = Session()
        assert session.say(OPENING + b"DATA\r\n").endswith(replies.START_MAIL_INPUT.wire)
        out = session.say(text[:at]) + session.say(text[at:])
        assert session.take() == content, (middle, at)
        assert out.startswith(QUEUED if content is not None else b"550 5.6."), (middle, at)
        assert session.conversation.is_closed
        assert out.endswith(replies.EARLY_INPUT.wire) or b"\r\n554 " in out  # 554: a line that is no SMTP at all


@pytest.mark.parametrize("first", LETTERS, ids=lambda first: repr(bytes([first])))
def test_in_bdat(first: int) -> None:
    """The octets of a chunk are never commands, whatever stands in them and wherever it is cut."""
    session = Session()
    for middle in strings(first):
        text = b"ab" + middle + SMUGGLED
        content = text if is_clean(text) else None
        octets = OPENING + b"BDAT %d LAST\r\n" % len(text) + text + b"NOOP\r\n"
        begin = octets.index(b"ab" + middle)
        for at in range(begin, begin + len(middle) + 6):
            out = session.say(octets[:at]) + session.say(octets[at:])
            assert session.take() == content, (middle, at)
            check_replies(out, content)


@pytest.mark.parametrize("first", LETTERS, ids=lambda first: repr(bytes([first])))
def test_in_chunks_that_end_anywhere(first: int) -> None:
    """The string is the end of the message, cut into two chunks at every place; text gets the line end it lacks."""
    session = Session()
    for middle in strings(first):
        text = b"ab" + middle
        kept = text if text.endswith(b"\r\n") else text + b"\r\n"
        content = kept if is_clean(kept) else None
        for at in range(len(text) + 1):
            out = session.say(
                b"%bBDAT %d\r\n%bBDAT %d LAST\r\n%bRSET\r\nNOOP\r\n"
                % (OPENING, at, text[:at], len(text) - at, text[at:])
            )
            assert session.take() == content, (middle, at)
            if content is not None:
                assert out == BEGUN + replies.CHUNK_OK.wire + QUEUED + replies.RESET_OK.wire + replies.NOOP_OK.wire
            else:  # at the first chunk that is known to be wrong; the second one then belongs to nothing
                assert out.count(b"\r\n550 5.6.") == 1, (middle, at)
                assert out.endswith(replies.RESET_OK.wire + replies.NOOP_OK.wire), (middle, at)
                assert out.count(b"\r\n") == 6, (middle, at)


@pytest.mark.parametrize("first", LETTERS, ids=lambda first: repr(bytes([first])))
def test_in_chunks_octet_by_octet(first: int) -> None:
    session = Session()
    for middle in strings(first):
        text = b"ab" + middle
        kept = text if text.endswith(b"\r\n") else text + b"\r\n"
        octets = OPENING + b"BDAT %d LAST\r\n" % len(text)
        out = session.say(octets)
        for at in range(len(text)):
            out += session.say(text[at : at + 1])
        out += session.say(b"NOOP\r\n")
        content = kept if is_clean(kept) else None
        assert session.take() == content, middle
        check_replies(out, content)


def check_replies(out: bytes, content: bytes | None) -> None:
    assert out.startswith(BEGUN + (QUEUED if content is not None else b"550 5.6.")), out
    assert out.endswith(replies.NOOP_OK.wire), out
    assert out.count(b"\r\n") == 4, out


@pytest.mark.parametrize("first", LETTERS, ids=lambda first: repr(bytes([first])))
def test_normalised_content_cannot_end_early_either(first: int) -> None:
    """Where a bare CR or LF becomes a line end: it becomes one behind the end of data, and a dot behind it is a dot."""
    session = Session(client="10.0.0.1", line_endings="normalise")
    for middle in strings(first):
        wire, _, rest = expected_data(b"ab" + middle)
        if rest:
            continue
        content = crlf(unstuff(wire)) if b"\0" not in wire else None
        for at in range(0, len(wire) + 3, 2):
            assert session.say(OPENING + b"DATA\r\n").endswith(replies.START_MAIL_INPUT.wire)
            text = wire + b".\r\n"
            out = (session.say(text[:at]) if at else b"") + session.say(text[at:])
            assert session.take() == content, (middle, at)
            assert out == QUEUED if content is not None else out.startswith(b"550 5.6.0 "), (middle, at)
    assert stuff(b".") == b".."

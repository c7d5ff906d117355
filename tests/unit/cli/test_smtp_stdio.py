"""cli/smtp_stdio: SMTP through a pipe; each message is handed over before its 250."""

from __future__ import annotations

import pytest

from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.smtp_stdio import Stdio, answer
from asyncmta.inbound.limits import Limits
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply, reply
from asyncmta.testing.clock import FakeClock

HELLO = b"EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n"


class Pipe:
    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.said = reply(250, "2.0.0", "Queued as x")
        limits = Limits(message_size=1 << 20)
        self.stdio = Stdio(hostname="mta.example", limits=limits, deliver=self._deliver, clock=FakeClock())
        self.stdio.conversation.greet()

    def _deliver(self, envelope, wire: bytes) -> Reply:  # type: ignore[no-untyped-def]
        self.taken.append((str(envelope.reverse_path), [str(each.address) for each in envelope.recipients], wire))
        return self.said

    def feed(self, octets: bytes) -> list[str]:
        return self.stdio.feed(octets).decode().splitlines()


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


def test_a_message(pipe: Pipe) -> None:
    said = pipe.feed(HELLO)
    assert said[:2] == ["250-mta.example", "250-PIPELINING"]
    assert not any("DSN" in line or "STARTTLS" in line or "BINARYMIME" in line for line in said)
    assert said[-1][:3] == "354"
    assert pipe.feed(b"Subject: x\r\n\r\n..\r\n.\r\n") == ["250 2.0.0 Queued as x"]
    assert pipe.taken == [("a@x.example", ["b@y.example", "c@y.example"], b"Subject: x\r\n\r\n..\r\n")]
    assert pipe.feed(b"QUIT\r\n")[0][:3] == "221"
    assert pipe.stdio.conversation.is_closed


def test_a_message_that_nobody_takes(pipe: Pipe) -> None:
    pipe.said = replies.LOCAL_ERROR
    pipe.feed(HELLO)
    assert pipe.feed(b"\r\n.\r\n") == [str(replies.LOCAL_ERROR)]
    assert pipe.feed(b"RSET\r\n")[0][:3] == "250"


def test_a_large_message(pipe: Pipe) -> None:
    pipe.feed(HELLO)
    text = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    for _ in range(20):
        assert pipe.feed(text * 400) == []
    assert pipe.feed(b".\r\n") == ["250 2.0.0 Queued as x"]
    assert pipe.taken[0][2] == text * 8000


def test_a_large_message_that_is_refused_or_given_up(pipe: Pipe) -> None:
    pipe.feed(HELLO)
    for _ in range(20):
        pipe.feed(b"x" * 70 + b"\r\n" + b"\0\r\n" * 10_000)
    assert pipe.feed(b"\r\n.\r\n")[0][:3] in ("550", "552")
    assert pipe.taken == []


def test_many_commands_at_once(pipe: Pipe) -> None:
    assert len(pipe.feed(b"NOOP\r\n" * 250)) >= 100


@pytest.mark.parametrize(
    ("code", "said"), [(Exit.DATA, 554), (Exit.UNAVAILABLE, 554), (Exit.TEMP_FAIL, 451), (Exit.CANT_CREATE, 451)]
)
def test_why_it_was_not_handed_over(code: Exit, said: int) -> None:
    assert answer(Stop(code, "x")).code == said

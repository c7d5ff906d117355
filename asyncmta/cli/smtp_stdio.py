"""`sendmail -bs`: SMTP on standard input and output, for programs that post so; also while the MTA does not run.

It is the conversation of the listener, fed from a pipe: no TLS, no AUTH, every recipient is taken, and each message is
handed over as that of `sendmail` (rows P-71, W-258). The fields of an author are added. Never: existence, policy; what
those would say comes as a report.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import assert_never

from asyncmta.cli.exits import Exit, Stop
from asyncmta.cli.handing_over import hand_over
from asyncmta.cli.message_text import authored, qualified
from asyncmta.config_posting import Posting
from asyncmta.inbound.acceptance import Acceptance, Existence, Terms
from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.drop_file import Directions, Dropped
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
from asyncmta.inbound.limits import LEAST_RECIPIENTS, Limits
from asyncmta.inbound.session import Client
from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope
from asyncmta.mail.reply import Reply, reply
from asyncmta.mail.wire import unstuff
from asyncmta.routing import Routing
from asyncmta.system.clock import Clock, SystemClock

_CHUNK = 1 << 16
TAKEN = reply(250, "2.0.0", "Queued: it waits for the server to be there")

Deliver = Callable[[Envelope, bytes], Reply]


class _Offer(Acceptance):
    """What can be kept on this way, and nothing else."""

    def offer(self, tls: bool, for_client: tuple[str, ...] = ()) -> bytes:
        terms = self.terms
        size = f"SIZE {terms.limits.message_size}"
        lines = [terms.hostname, "PIPELINING", size, "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"]
        return b"".join(b"250-%b\r\n" % line.encode() for line in lines) + b"250 CHUNKING\r\n"


class Stdio:
    """One session. `deliver` takes each message and says what is answered to its dot."""

    def __init__(self, *, hostname: str, limits: Limits, deliver: Deliver, clock: Clock) -> None:
        acceptance = _Offer(
            terms=Terms(hostname=hostname, limits=limits, line_endings="normalise"),
            routing=Routing(hostname=hostname),
            lookup=lambda _: Existence.YES,
            refusal=lambda _=0, /: None,
            pressure=lambda: None,
            now=clock.now,
        )
        self.conversation = Conversation(acceptance, Client("", trusted=True))
        self._deliver = deliver
        self._large: tuple[Envelope, list[bytes]] | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What is said to this."""
        conversation = self.conversation
        out = conversation.feed(chunk)
        while conversation.events:
            events, conversation.events = conversation.events, []
            for event in events:
                out += self._follow(event)
        return out

    def _follow(self, event: Event) -> bytes:
        conversation = self.conversation
        match event:
            case MessageEnded():
                return conversation.answered(self._deliver(event.envelope, b"".join(event.parts)))
            case LargeBegan():
                self._large = (event.envelope, list(event.parts))
            case LargeWent() if self._large is not None:
                self._large[1].extend(event.parts)
            case LargeEnded():
                assert self._large is not None
                (envelope, parts), self._large = self._large, None
                return conversation.answered(self._deliver(envelope, b"".join(parts)))
            case LargeAborted():
                self._large = None
            case TurnEnded():
                return conversation.go_on()
            case Refused() | Closing() | LargeWent():
                pass
            case LookUp() | TlsWanted() | AuthWanted() | ClientTold():
                raise AssertionError(f"nobody offered that: {event}")
            case _:
                assert_never(event)
        return b""


def speak(posting: Posting, login: str) -> None:
    """On standard input and output, to the end."""
    clock = SystemClock()

    def deliver(envelope: Envelope, wire: bytes) -> Reply:
        sender = str(envelope.reverse_path) if envelope.reverse_path is not None else None
        address = sender or qualified(login, posting.hostname)
        content = authored(wire if envelope.is_binary else unstuff(wire), address=address, name="", at=clock.now())
        recipients = tuple(str(recipient.address) for recipient in envelope.recipients)
        try:
            queue_id = hand_over(posting, Dropped(Directions(sender, recipients), content))
        except Stop as error:
            return answer(error)
        return reply(250, "2.0.0", f"Queued as {queue_id}") if queue_id else TAKEN

    limits = Limits(message_size=posting.message_size, recipients=max(posting.recipients, LEAST_RECIPIENTS))
    session = Stdio(hostname=posting.hostname, limits=limits, deliver=deliver, clock=clock)
    _write(session.conversation.greet())
    while not session.conversation.is_closed and (chunk := os.read(0, _CHUNK)):
        _write(session.feed(chunk))


def answer(error: Stop) -> Reply:
    """Why a message was not handed over, as a reply."""
    if error.code in (Exit.DATA, Exit.UNAVAILABLE):
        return reply(554, "5.6.0", "The message cannot be taken: see what `sendmail` says of it without -bs")
    return replies.LOCAL_ERROR


def _write(octets: bytes) -> None:
    while octets:
        octets = octets[os.write(1, octets) :]

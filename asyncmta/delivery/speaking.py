"""The half of a dialogue with an SMTP server that speaks: the commands of a transaction, and where it stands.

Promises: nothing of a transaction is left when the next one begins, and one that left something at the server begins
with RSET. Never: a reply (`dialogue` hears), sockets, time.

RFC 5321 4.1.1; RFC 2920 3.1 (pipelining); RFC 3030 2.
"""

from __future__ import annotations

from enum import Enum

from asyncmta.delivery.commands import Capabilities, compose
from asyncmta.delivery.verdict import Stage
from asyncmta.mail.envelope import Content, Envelope
from asyncmta.mail.outcome import NOWHERE, Handover, Outcome, Place

DATA = b"DATA\r\n"
DOT = b".\r\n"


class Step(Enum):
    """What the caller does next."""

    WAIT = 1  # for more octets
    WRITE = 2  # `out`
    CONTENT = 3  # send the content, then the dot, and say so with `content_sent`
    DONE = 4  # take `outcomes`; the connection may be used again only if `usable`


class Speaker:
    """Where a transaction stands, and what is said in it. `outcomes` is complete once a step is DONE."""

    __slots__ = (
        "_accepted", "_awaited", "_commands", "_handover", "_held", "_is_at_once", "_is_behind", "_is_usual",
        "_needs_reset", "_of_all", "_sent", "_taken", "ending", "is_cut_off", "is_followed", "is_lmtp", "is_out",
        "is_unsure", "opening", "out", "outcomes", "peer", "place", "progress", "usable",
    )  # fmt: skip

    farewell = b"QUIT\r\n"

    def __init__(self, peer: Capabilities, place: Place = NOWHERE, *, lmtp: bool = False) -> None:
        self.peer = peer
        # Whose business it is to tell of the delivery (RFC 3461 5.2.2); LMTP says no more than SMTP does (W-177).
        self._handover = Handover.PASSED_ON if peer.dsn else Handover.RELAYED
        self.place = place
        self.is_lmtp = lmtp
        self.usable = True
        self.is_cut_off = False  # the peer went away, by closing or by 421
        self.is_unsure = False  # all content went out, and some recipient got no answer to it: was it taken?
        self.out = self._held = b""
        self.outcomes: dict[int, Outcome] = {}
        self._sent: tuple[int, ...] = ()
        self._commands: list[bytes] = []
        # Whose reply is awaited: -1 RSET, 0 MAIL, each recipient, DATA, then the dot (LMTP: for each of `_awaited`).
        self.progress = self._accepted = 0
        self._awaited: tuple[int, ...] = ()
        self.is_out = self._is_at_once = False  # all content is on its way, or there already; it went with MAIL
        self._is_usual = False  # one recipient, in one write up to DATA
        self.is_followed = False  # the commands of another transaction went behind this one's content
        self._is_behind = False  # those of this one went behind the content of another
        self._needs_reset = False
        self._of_all: Outcome | None = None
        self._taken: tuple[bytes, Outcome | None] = (b"", None)  # the last words with which content was taken
        self.opening = b""  # what stands before content (BDAT, if it goes without dots doubled), and behind it
        self.ending = DOT

    def begin(
        self,
        envelope: Envelope,
        ordinals: tuple[int, ...],
        content: Content,
        now: float = 0.0,
        *,
        at_once: bool = False,
    ) -> Step:
        """Start a transaction: WRITE, or DONE at once when the peer cannot take it for anybody. `now`: Unix seconds.
        `at_once`: where the peer allows it, `out` ends with the announcement of the content, which is to follow in the
        same write; then `is_out` is true."""
        peer = self.peer
        self._anew(ordinals)
        is_chunk = peer.chunking or envelope.is_binary
        self.opening = b"BDAT %d LAST\r\n" % content.size if is_chunk else b""
        self.ending = b"" if is_chunk else DOT
        commands = compose(peer, envelope, ordinals, content, now)
        if not isinstance(commands, bytes):
            self.outcomes = commands.outcomes(self.place)
            self._sent = tuple([ordinal for ordinal in ordinals if ordinal not in self.outcomes])
            commands = commands.commands
            if not commands:
                return Step.DONE
        if not peer.pipelining:
            self._commands = [*commands.splitlines(keepends=True), DATA]
            commands = b"" if self._needs_reset else self._commands[0]
        elif is_chunk and at_once and not self._needs_reset:
            self.out = commands + self.opening
            self.is_out = self._is_at_once = True
            return Step.WRITE
        elif not is_chunk:
            commands += DATA
            self._is_usual = len(self._sent) == 1
        self.out = b"RSET\r\n" + commands if self._needs_reset else commands
        return Step.WRITE

    def ahead(self, envelope: Envelope, ordinals: tuple[int, ...], content: Content) -> bytes:
        """The commands of a transaction that may go behind the content of this one, in the same write (RFC 2920 3.1);
        b"": it has to wait for its turn. For one recipient, and for what nothing can stand in the way of."""
        peer = self.peer
        if not peer.pipelining or self.is_lmtp or self.opening or peer.chunking or len(ordinals) != 1:
            return b""
        if envelope.is_binary or envelope.timing is not None or (content.eight_bit and not peer.eight_bit):
            return b""
        commands = compose(peer, envelope, ordinals, content)
        return commands + DATA if isinstance(commands, bytes) else b""

    def follow(self, ordinals: tuple[int, ...]) -> None:
        """The one before is over; of this one it has been said all that `ahead` gave."""
        self._anew(ordinals)
        self.opening, self.ending = b"", DOT
        self._is_usual = self._is_behind = True

    def _anew(self, ordinals: tuple[int, ...]) -> None:
        self.outcomes = {}
        self._of_all, self._accepted = None, 0
        self.is_out = self.is_unsure = self._is_at_once = self._is_usual = self.is_followed = False
        self._is_behind = False
        self._sent = ordinals
        self.progress = -1 if self._needs_reset else 0

    @property
    def stage(self) -> Stage:
        """Where the transaction stands: whose reply is awaited; DATA as long as the content is being sent."""
        behind = self.progress - len(self._sent)
        if self.progress <= 0:
            return Stage.MAIL
        if behind <= 0:
            return Stage.RCPT
        return Stage.DOT if behind > 1 and self.is_out else Stage.DATA

    @property
    def is_unheard(self) -> bool:
        """The peer has not consented to MAIL and has not got the content: nothing of this transaction happened."""
        return self.progress <= 0 and not self.is_out

    def content_sent(self) -> None:
        """The content and the dot are on their way: the next reply is the one to the dot."""
        self.is_out = True

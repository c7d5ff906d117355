"""The client side of SMTP transactions as a sans-IO engine: what may be written now, replies in, outcomes out.

One object for each connection, any number of transactions one after another. With PIPELINING, MAIL, all RCPT and DATA
leave in one write; lock-step otherwise. With CHUNKING content goes by BDAT, and in that same write if the caller likes.
A peer that speaks LMTP answers the content once for each recipient. Promises: when a transaction is over there is one
outcome for each of its recipients, none forgotten and none invented, whatever the peer sends and whenever it goes;
nothing counts as a reply that came before it was asked for. Never: sockets, time, content (the caller sends that).

RFC 5321 4.1.1, 4.2, 4.5.3; RFC 2920 3.1 (pipelining, and the 354 that nobody should get); RFC 3030 2; RFC 2033 4.2.
"""

from __future__ import annotations

from enum import Enum

from msgspec.structs import replace

from asyncmta.delivery.commands import Capabilities, compose
from asyncmta.delivery.reply_octets import end_of_reply, is_endless
from asyncmta.delivery.verdict import Fault, Stage, blame, is_expected, judge
from asyncmta.mail.envelope import Content, Envelope
from asyncmta.mail.outcome import NOWHERE, Cause, Delivered, Failed, Handover, Outcome, Place, Scope
from asyncmta.mail.reply import InvalidReply, Reply, parse_reply

DATA = b"DATA\r\n"
DOT = b".\r\n"
NO_BDAT = (500, 501, 502, 504)  # there is no such command


class Step(Enum):
    """What the caller does next."""

    WAIT = 1  # for more octets
    WRITE = 2  # `out`
    CONTENT = 3  # send the content, then the dot, and say so with `content_sent`
    DONE = 4  # take `outcomes`; the connection may be used again only if `usable`


class Dialogue:
    """`outcomes` is complete for the ordinals of `begin` once a step is DONE."""

    __slots__ = (
        "_accepted", "_at", "_awaited", "_commands", "_handover", "_held", "_is_at_once", "_needs_reset", "_of_all",
        "_sent", "ending", "is_cut_off", "is_lmtp", "is_out", "is_unsure", "opening", "out", "outcomes", "peer",
        "place", "usable",
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
        self._at = self._accepted = 0
        self._awaited: tuple[int, ...] = ()
        self.is_out = self._is_at_once = False  # all content is on its way, or there already; it went with MAIL
        self._needs_reset = False
        self._of_all: Outcome | None = None
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
        self.outcomes = {}
        self._of_all, self._accepted = None, 0
        self.is_out = self.is_unsure = self._is_at_once = False
        self._sent = ordinals
        self._at = -1 if self._needs_reset else 0
        is_chunk = peer.chunking or envelope.is_binary
        self.opening = b"BDAT %d LAST\r\n" % content.size if is_chunk else b""
        self.ending = b"" if is_chunk else DOT
        commands = compose(peer, envelope, ordinals, content, now)
        if not isinstance(commands, bytes):
            for ordinal, refusal in commands.refused.items():
                self.outcomes[ordinal] = Failed(Cause.REFUSED, refusal, Scope.RECIPIENT, self.place)
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
        self.out = b"RSET\r\n" + commands if self._needs_reset else commands
        return Step.WRITE

    @property
    def stage(self) -> Stage:
        """Where the transaction stands: whose reply is awaited; DATA as long as the content is being sent."""
        behind = self._at - len(self._sent)
        if self._at <= 0:
            return Stage.MAIL
        if behind <= 0:
            return Stage.RCPT
        return Stage.DOT if behind > 1 and self.is_out else Stage.DATA

    @property
    def progress(self) -> int:
        """Grows with each reply."""
        return self._at

    @property
    def is_unheard(self) -> bool:
        """The peer has not consented to MAIL and has not got the content: nothing of this transaction happened."""
        return self._at <= 0 and not self.is_out

    def content_sent(self) -> None:
        """The content and the dot are on their way: the next reply is the one to the dot."""
        self.is_out = True

    def feed(self, octets: bytes) -> Step:
        """Take what the peer sent during a transaction."""
        if self._held:
            octets = self._held + octets
            self._held = b""
        start = 0
        while True:
            end = end_of_reply(octets, start)
            if end < 0:
                self._held = octets[start:]
                return self.fail(Fault.GARBAGE, "an endless reply") if is_endless(self._held) else Step.WAIT
            # The replies to nearly every MAIL, RCPT and DATA: consent, and not a word of it is kept.
            code = octets[start : start + 4]
            behind = self._at - len(self._sent)
            if behind <= 0 and code == b"250 ":
                step = self._consented()
            elif behind == 1 and code == b"354 ":
                step = self._wants_content()
            else:
                step = self._read(octets[start:end])
            start = end
            if step is Step.WAIT:
                continue
            if start < len(octets):
                if step is not Step.DONE or (self.usable and self._is_shifted(octets[start:])):
                    self._distrust()
                    return self.fail(Fault.GARBAGE, "a reply before it was asked for")
                self.usable = False  # the outcomes stand, but who knows what the rest would be taken for
            return step

    def refuse(self, said: Reply) -> None:
        """The transaction that was begun is over before a word of it was said: this peer cannot have the message."""
        self._finish(Failed(Cause.REFUSED, said, Scope.MESSAGE, self.place))

    def fail(self, fault: Fault, detail: str = "") -> Step:
        """The transaction ends here, by a fault of the connection or of ours."""
        self.usable = False
        self.is_cut_off = fault is Fault.LOST
        stage = self.stage
        if fault is Fault.GARBAGE and stage is not Stage.DOT:
            self._distrust()
        if self.is_out and self._of_all is None:
            self.is_unsure = any(ordinal not in self.outcomes for ordinal in self._sent)
        return self._finish(blame(Stage.DOT if self.is_unsure else stage, fault, detail, self.place))

    def _is_shifted(self, rest: bytes) -> bool:
        """Was one reply too many? So behind a refusal of DATA, without a 354 between, or among answers that differ."""
        if self.is_lmtp and self.stage is Stage.DOT:
            return rest[:1] != b"2" or any(type(said) is not Delivered for said in self.outcomes.values())
        return self.stage is Stage.DATA or (self._is_at_once and rest[:3] != b"421")

    def _distrust(self) -> None:
        """Which reply belonged to which command is in doubt: nobody bounces for a refusal that may be another's."""
        self._of_all = None
        self.outcomes = {at: said for at, said in self.outcomes.items() if at not in self._sent}

    def _read(self, raw: bytes) -> Step:
        """A reply that needs a look."""
        try:
            heard = parse_reply(raw)
        except InvalidReply as error:
            return self.fail(Fault.GARBAGE, str(error))
        stage = self.stage
        if stage is Stage.DATA and self._at > len(self._sent) + 1:
            # The content is still on its way. A refusal is believed; what is consented to is unknown.
            if heard.code < 400:
                return self.fail(Fault.GARBAGE, f"a reply before the end of the content: {heard}")
            self.usable = False
            return self._finish(judge(Stage.DOT, heard, self.place))
        if heard.code == 421:
            self.usable, self.is_cut_off = False, True
            self.is_out = self.is_out and stage is Stage.DOT  # else it will not be taken, though it went
            return self._finish(judge(stage, heard, self.place))
        if heard.code < 400 and not is_expected(stage, heard.code):
            return self.fail(Fault.GARBAGE, f"unexpected reply: {heard}")
        if stage is Stage.MAIL or stage is Stage.RCPT:
            return self._consented() if heard.code < 400 else self._refused(stage, heard)
        if stage is Stage.DATA:
            return self._wants_content() if heard.code < 400 else self._finish(judge(stage, heard, self.place))
        if self.opening and heard.code in NO_BDAT and self._accepted:
            self.usable = False  # the content was read as commands, perhaps
            detail = f"CHUNKING is offered, and BDAT refused: {heard}"
            return self._finish(blame(stage, Fault.GARBAGE, detail, self.place))
        self._needs_reset = bool(self.opening) and heard.code >= 400  # RFC 3030 2: or the rest is undefined
        if self.is_lmtp and self._accepted:
            return self._answered_for_one(heard)
        return self._finish(judge(stage, heard, self.place, self._handover))

    def _answered_for_one(self, heard: Reply) -> Step:
        """RFC 2033 4.2: a reply to the content for each recipient that was accepted, in the order of RCPT."""
        outcome = judge(Stage.DOT, heard, self.place, self._handover)
        assert outcome is not None
        if not isinstance(outcome, Delivered):
            outcome = replace(outcome, scope=Scope.RECIPIENT)
        behind = self._at - len(self._sent) - 2
        if not behind:
            self._awaited = tuple([ordinal for ordinal in self._sent if ordinal not in self.outcomes])
        self.outcomes[self._awaited[behind]] = outcome
        self._at += 1
        return Step.WAIT if behind + 1 < len(self._awaited) else Step.DONE

    def _consented(self) -> Step:
        at = self._at
        if at < 0:
            self._needs_reset = False
        elif at == 0:
            self._needs_reset = True  # until the dot is answered
        elif self._of_all is None:
            self._accepted += 1
        return self._go_on(at + 1)

    def _refused(self, stage: Stage, heard: Reply) -> Step:
        at = self._at
        if at < 0:
            self.fail(Fault.GARBAGE, f"RSET refused: {heard}")
            self.is_cut_off = True  # as good as gone: another connection may have the message
            return Step.DONE
        outcome = judge(stage, heard, self.place)
        assert outcome is not None
        if at == 0:
            self._of_all = outcome
        elif self._of_all is None:  # else it is only the consequence of a refused MAIL
            self.outcomes[self._sent[at - 1]] = outcome
        return self._go_on(at + 1)

    def _go_on(self, at: int) -> Step:
        """Wait for the next reply; lock-step: the next command, or the end when it would be of no use."""
        self._at = at
        if self.opening and at > len(self._sent):
            return self._wants_chunk()
        if self.peer.pipelining:
            return Step.WAIT
        if self._of_all is not None or (at > len(self._sent) and not self._accepted):
            return self._finish(None)
        self.out = self._commands[at]
        return Step.WRITE

    def _wants_chunk(self) -> Step:
        """RFC 3030 2: without a 354, and only when somebody wants it; unless it is there already."""
        if self.is_out:
            self._at += 1
            return Step.WAIT
        if self._of_all is not None or not self._accepted:
            return self._finish(None)
        return self._wants_content()

    def _wants_content(self) -> Step:
        self._at += 1
        if self._accepted:
            return Step.CONTENT
        if self.is_lmtp:
            self.usable = False  # RFC 2033 4.2 wants a 503; how many replies the dot would get, nobody can say
            return self._finish(None)
        # RFC 2920 3.1: the server wants content for nobody. An empty message ends the matter.
        self.out, self.is_out = DOT, True
        return Step.WRITE

    def _finish(self, outcome: Outcome | None) -> Step:
        """Everybody without an outcome gets that of MAIL if it was refused, else this one."""
        rest = outcome if self._of_all is None else self._of_all
        if rest is not None:
            outcomes = dict.fromkeys(self._sent, rest)
            self.outcomes = outcomes | self.outcomes if self.outcomes else outcomes
        return Step.DONE

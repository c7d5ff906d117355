"""The client side of QMTP as a sans-IO engine, with the face of `Dialogue`: content and envelope out, outcomes in.

A message is one package: its content, its sender, its recipients; the answer is one netstring for each recipient,
beginning with K (taken), Z (not now) or D (never). Lines of the content end in CR LF, as its first octet, a CR, says.
Promises: as `Dialogue`; what a package cannot say (binary content, addresses that need SMTPUTF8, REQUIRETLS) is refused
here and not lost. Never: sockets, time; a second try by SMTP of what was sent by QMTP.

https://cr.yp.to/proto/qmtp.txt
"""

from __future__ import annotations

import re

from asyncmta.delivery.commands import Capabilities, compose
from asyncmta.delivery.dialogue import Step
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.envelope import Content, Envelope
from asyncmta.mail.netstring import InvalidNetstring, netstring, take
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Failed, Handover, Outcome, Place, Scope
from asyncmta.mail.reply import Reply, reply

LONGEST_ANSWER = 4096
MOST_LINES = 10

# What one can say of a server that offers nothing and takes any octet in a line.
PLAIN = Capabilities(eight_bit=True)

_STATUS = re.compile(r"#([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")  # as qmail says it, in brackets
_CODES = {"K": (250, "2"), "Z": (451, "4"), "D": (554, "5")}


class QmtpDialogue:
    """`outcomes` is complete for the ordinals of `begin` once a step is DONE."""

    __slots__ = (
        "_held", "_sent", "ending", "is_cut_off", "is_out", "is_unsure", "opening", "out", "outcomes", "peer", "place",
        "progress", "usable",
    )  # fmt: skip

    farewell = b""  # there is no word for it
    is_followed = False

    def __init__(self, peer: Capabilities = PLAIN, place: Place = NOWHERE) -> None:
        self.peer = peer
        self.place = place
        self.usable = True
        self.is_cut_off = False
        self.is_unsure = False
        self.is_out = False
        self.progress = 0
        self.opening = b""
        self.ending = b""
        self.out = b""
        self.outcomes: dict[int, Outcome] = {}
        self._sent: tuple[int, ...] = ()
        self._held = b""

    def begin(
        self,
        envelope: Envelope,
        ordinals: tuple[int, ...],
        content: Content,
        now: float = 0.0,
        *,
        at_once: bool = False,
    ) -> Step:
        """Start a transaction: CONTENT, or DONE at once when it cannot be said in QMTP for anybody."""
        self.outcomes = {}
        self.progress = 0
        self._held = b""
        self.is_out = self.is_unsure = False
        commands = compose(self.peer, envelope, ordinals, content, now)
        if not isinstance(commands, bytes):
            self.outcomes = commands.outcomes(self.place)
            commands = commands.commands
        self._sent = tuple([ordinal for ordinal in ordinals if ordinal not in self.outcomes])
        if not self._sent:
            return Step.DONE
        sender, *recipients = [line[line.index(b"<") + 1 : line.rindex(b">")] for line in commands.splitlines()]
        self.opening = b"%d:\r" % (content.size + 1)
        self.ending = b"," + netstring(sender) + netstring(b"".join(map(netstring, recipients)))
        return Step.CONTENT

    def ahead(self, envelope: Envelope, ordinals: tuple[int, ...], content: Content) -> bytes:
        """Nothing goes before its turn."""
        return b""

    @property
    def stage(self) -> Stage:
        return Stage.DOT if self.is_out else Stage.DATA

    @property
    def is_unheard(self) -> bool:
        """The package has not gone whole: nothing of this transaction happened."""
        return not self.is_out

    def content_sent(self) -> None:
        self.is_out = True

    def feed(self, octets: bytes) -> Step:
        """Take what the peer sent during a transaction."""
        if not self.is_out:
            return self.fail(Fault.GARBAGE, "an answer before the end of the content")
        self._held += octets
        at = 0
        while self.progress < len(self._sent):
            try:
                taken = take(self._held, at, LONGEST_ANSWER)
                if taken is None:
                    self._held = self._held[at:]
                    return Step.WAIT
                answer, at = taken
                self._answered(answer)
            except InvalidNetstring as error:
                return self.fail(Fault.GARBAGE, f"no answer of QMTP: {error}")
        if at < len(self._held):
            self.usable = False
        self._held = b""
        return Step.DONE

    def _answered(self, answer: bytes) -> None:
        outcome = outcome_of(answer, self.place)
        if outcome is None:
            raise InvalidNetstring("neither K nor Z nor D")
        self.outcomes[self._sent[self.progress]] = outcome
        self.progress += 1

    def refuse(self, said: Reply) -> None:
        """The transaction that was begun is over before an octet of it was sent: this peer cannot have the message."""
        self.outcomes |= dict.fromkeys(self._sent, Failed(Cause.REFUSED, said, Scope.MESSAGE, self.place))

    def fail(self, fault: Fault, detail: str = "") -> Step:
        """The transaction ends here, by a fault of the connection or of ours."""
        self.usable = False
        self.is_cut_off = fault is Fault.LOST
        rest = self._sent[self.progress :]
        self.is_unsure = self.is_out and bool(rest)
        self.outcomes.update(dict.fromkeys(rest, blame(self.stage, fault, detail, self.place)))
        return Step.DONE


def outcome_of(answer: bytes, place: Place) -> Outcome | None:
    """`Kok 1234 qp 5678`, `Zdisk full (#4.3.0)`, `Dno such user (#5.1.1)`; None for anything else."""
    text = answer.decode("utf-8", "replace")
    if text[:1] not in _CODES:
        return None
    code, digit = _CODES[text[0]]
    found = _STATUS.search(text)
    status = f"{digit}.{int(found[2])}.{int(found[3])}" if found is not None and found[1] == digit else f"{digit}.0.0"
    said = reply(code, status, *text[1:].split("\n")[:MOST_LINES])
    if code == 250:
        return Delivered(said, place, handover=Handover.RELAYED)  # there is no word for DSN
    return (Failed if code >= 500 else Deferred)(Cause.REFUSED, said, Scope.RECIPIENT, place)

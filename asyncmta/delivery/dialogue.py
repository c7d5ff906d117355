"""The client side of SMTP transactions as a sans-IO engine: replies in, outcomes out, and what may be written now.

One object for each connection, any number of transactions one after another. With PIPELINING, MAIL, all RCPT and DATA
leave in one write; lock-step otherwise. With CHUNKING content goes by BDAT, and in that same write if the caller likes.
A peer that speaks LMTP answers the content once for each recipient. Promises: when a transaction is over there is one
outcome for each of its recipients, none forgotten and none invented, whatever the peer sends and whenever it goes;
nothing counts as a reply that came before it was asked for. Never: sockets, time, content (the caller sends that).

RFC 5321 4.1.1, 4.2, 4.5.3; RFC 2920 3.1 (pipelining, and the 354 that nobody should get); RFC 3030 2; RFC 2033 4.2.
"""

from __future__ import annotations

from msgspec.structs import replace

from asyncmta.delivery.reply_octets import consents_for_one, end_of_reply, is_endless
from asyncmta.delivery.speaking import DOT, Speaker, Step
from asyncmta.delivery.verdict import Fault, Stage, blame, is_about_order, is_expected, judge
from asyncmta.mail.outcome import Cause, Delivered, Failed, Outcome, Scope
from asyncmta.mail.reply import InvalidReply, Reply, parse_reply

__all__ = ["Dialogue", "Step"]

NO_BDAT = (500, 501, 502, 504)  # there is no such command


class Dialogue(Speaker):
    """`outcomes` is complete for the ordinals of `begin` once a step is DONE."""

    __slots__ = ()

    def feed(self, octets: bytes) -> Step:
        """Take what the peer sent during a transaction."""
        if self._held:
            octets = self._held + octets
            self._held = b""
        if self._is_usual:
            if not self.progress and consents_for_one(octets):
                self._needs_reset, self._accepted, self.progress = True, 1, 3
                return Step.CONTENT
            if self.is_out and self._accepted and self._is_as_before(octets):
                return Step.DONE
        start = 0
        while True:
            end = end_of_reply(octets, start)
            if end < 0:
                self._held = octets[start:]
                return self.fail(Fault.GARBAGE, "an endless reply") if is_endless(self._held) else Step.WAIT
            # The replies to nearly every MAIL, RCPT and DATA: consent, and not a word of it is kept.
            code = octets[start : start + 4]
            behind = self.progress - len(self._sent)
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
                if self.is_followed and step is Step.DONE and self.usable:
                    self._held = octets[start:]  # of the next one
                    return step
                if step is not Step.DONE or (self.usable and self._is_shifted(octets[start:])):
                    self._distrust()
                    return self.fail(Fault.GARBAGE, "a reply before it was asked for")
                self.usable = False  # the outcomes stand, but who knows what the rest would be taken for
            return step

    def _is_as_before(self, octets: bytes) -> bool:
        """Is it the end of a message for one recipient, in the very words that were taken to be one the last time?"""
        words, outcome = self._taken
        size = len(words)
        if outcome is None or self.progress != 3 or self.is_lmtp or not octets.startswith(words):
            return False
        if len(octets) > size and not self.is_followed:
            return False
        self._needs_reset, self.outcomes, self._held = False, {self._sent[0]: outcome}, octets[size:]
        return True

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
        stage = self.stage
        if raw == self._taken[0] and stage is Stage.DOT and not self.is_lmtp:  # word for word as the last time
            self._needs_reset = False
            return self._finish(self._taken[1])
        try:
            heard = parse_reply(raw)
        except InvalidReply as error:
            return self.fail(Fault.GARBAGE, str(error))
        if stage is Stage.DATA and self.progress > len(self._sent) + 1:
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
        outcome = judge(stage, heard, self.place, self._handover)
        if type(outcome) is Delivered:
            self._taken = raw, outcome
        return self._finish(outcome)

    def _answered_for_one(self, heard: Reply) -> Step:
        """RFC 2033 4.2: a reply to the content for each recipient that was accepted, in the order of RCPT."""
        outcome = judge(Stage.DOT, heard, self.place, self._handover)
        assert outcome is not None
        if not isinstance(outcome, Delivered):
            outcome = replace(outcome, scope=Scope.RECIPIENT)
        behind = self.progress - len(self._sent) - 2
        if not behind:
            self._awaited = tuple([ordinal for ordinal in self._sent if ordinal not in self.outcomes])
        self.outcomes[self._awaited[behind]] = outcome
        self.progress += 1
        return Step.WAIT if behind + 1 < len(self._awaited) else Step.DONE

    def _consented(self) -> Step:
        at = self.progress
        if at < 0:
            self._needs_reset = False
        elif at == 0:
            self._needs_reset = True  # until the dot is answered
        elif self._of_all is None:
            self._accepted += 1
        return self._go_on(at + 1)

    def _refused(self, stage: Stage, heard: Reply) -> Step:
        at = self.progress
        if at < 0 or (at == 0 and self._is_behind and is_about_order(heard)):
            self.fail(Fault.GARBAGE, f"{'RSET' if at < 0 else 'what was said ahead'} refused: {heard}")
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
        self.progress = at
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
            self.progress += 1
            return Step.WAIT
        if self._of_all is not None or not self._accepted:
            return self._finish(None)
        return self._wants_content()

    def _wants_content(self) -> Step:
        self.progress += 1
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

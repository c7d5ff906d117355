"""The dialogue against servers that answer anything: outcomes are complete, and nothing is invented."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialogue import Dialogue, Step
from asyncmta.delivery.verdict import Fault
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient
from asyncmta.mail.outcome import Deferred, Delivered, Failed

CONTENT = Content(100, b"d" * 16, False, 100)
SENDER = parse_address("a@example.org")


def mail(count: int, body: str) -> Envelope:
    return Envelope(SENDER, tuple(Recipient(parse_address(f"r{n}@example.net")) for n in range(count)), body)


class Server:
    """Takes command lines, answers with the codes it is given, and knows what it has taken for whom."""

    def __init__(self, codes: list[int], *, is_long_winded: bool, is_lmtp: bool = False) -> None:
        self._codes = codes
        self._is_lmtp = is_lmtp
        self._is_long_winded = is_long_winded
        self.in_transaction = False
        self.accepted: list[str] = []
        self.taken_for: list[str] = []
        self.refused: list[str] = []
        self.refused_all = False
        self.wants_content = False
        self.is_gone = False

    def _say(self, usual: int) -> tuple[int, bytes]:
        code = self._codes.pop(0) if self._codes else usual
        if code == 0:
            code = usual
        self.is_gone = code == 421
        text = b"%d-well\r\n%d so\r\n" % (code, code) if self._is_long_winded else b"%d so\r\n" % code
        return code, text

    def command(self, line: bytes) -> bytes:
        if self.is_gone:
            return b""
        verb = line[:4]
        if verb == b"RSET":
            self.in_transaction = False
            return b"250 ok\r\n"
        if verb == b"MAIL":
            if self.in_transaction:
                return b"503 nested\r\n"
            code, text = self._say(250)
            self.in_transaction = code < 300
            self.accepted = []
            self.refused_all = code >= 500
            return text
        if not self.in_transaction:
            return b"503 no MAIL\r\n"
        name = line[9:-3].decode()
        if verb == b"RCPT":
            code, text = self._say(250)
            if code < 300:
                self.accepted.append(name)
            elif code >= 500 and code != 552:
                self.refused.append(name)
            return text
        code, text = self._say(354)
        self.wants_content = code == 354
        if code >= 500:
            self.refused += self.accepted
        return text

    def content(self, is_empty: bool) -> bytes:
        self.wants_content = self.in_transaction = False
        answer = b""
        for names in [[name] for name in self.accepted] if self._is_lmtp else [self.accepted]:
            code, text = self._say(250)
            if code < 300 and not is_empty:
                self.taken_for += names
            elif code >= 500:
                self.refused += names
            answer += text
            if self.is_gone:
                break
        return answer

    def chunk(self) -> bytes:
        """It has come with its BDAT, wanted or not."""
        if self.is_gone:
            return b""
        if not self.in_transaction or not self.accepted:
            return b"503 nobody wants it\r\n"
        return self.content(is_empty=False)


bodies = st.sampled_from(["8BITMIME", "BINARYMIME"])
codes = st.lists(st.sampled_from([0, 0, 0, 250, 251, 354, 450, 452, 550, 552, 554, 421]), max_size=12)


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    codes,
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.data(),
)
def test_outcomes_are_complete_and_true(
    pipelining: bool,
    is_long_winded: bool,
    chunking: bool,
    lmtp: bool,
    script: list[int],
    counts: list[int],
    data: st.DataObject,
) -> None:
    dialogue = Dialogue(Capabilities(pipelining=pipelining, binary=True, chunking=chunking), lmtp=lmtp)
    server = Server(script, is_long_winded=is_long_winded, is_lmtp=lmtp)
    for count in counts:
        server.taken_for, server.refused = [], []
        letter = mail(count, data.draw(bodies))
        step = dialogue.begin(letter, tuple(range(count)), CONTENT, at_once=data.draw(st.booleans()))
        went_at_once = dialogue.is_out
        while step is not Step.DONE:
            if step is Step.CONTENT:
                assert not went_at_once
                assert server.wants_content == (not dialogue.opening)
                assert server.accepted
                dialogue.content_sent()
                answer = server.content(is_empty=False)
            elif dialogue.out == b".\r\n":
                assert server.wants_content
                answer = server.content(is_empty=True)
            else:
                lines = dialogue.out.splitlines(keepends=True)
                if not pipelining:
                    assert len(lines) == 1
                if went_at_once:
                    assert lines.pop() == dialogue.opening
                answer = b"".join(server.command(line) for line in lines)
                if went_at_once:
                    answer += server.chunk()
            cut = data.draw(st.integers(0, len(answer)))
            step = Step.WAIT
            for piece in (answer[:cut], answer[cut:]):
                if piece and step is Step.WAIT:
                    step = dialogue.feed(piece)
            assert step is not Step.WAIT
        assert sorted(dialogue.outcomes) == list(range(count))
        for ordinal, outcome in dialogue.outcomes.items():
            name = f"r{ordinal}@example.net"
            assert "nested" not in outcome.reply.text
            if isinstance(outcome, Delivered):
                assert server.taken_for.count(name) == 1
            elif dialogue.usable or not dialogue.is_unsure:
                assert name not in server.taken_for
            if isinstance(outcome, Failed):
                assert name in server.refused or server.refused_all
        if not dialogue.usable:
            break


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    bodies,
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from([b"250 ok\r\n", b"250-a\r\n", b"354 go\r\n", b"550 no\r\n", b"421 x\r\n", b"2", b"\r\n"]),
        ),
        max_size=12,
    ),
    st.sampled_from(Fault),
)
def test_no_octets_break_it_or_deliver_without_content(
    pipelining: bool, at_once: bool, lmtp: bool, body: str, stream: list[bytes], fault: Fault
) -> None:
    dialogue = Dialogue(Capabilities(pipelining=pipelining, binary=True), lmtp=lmtp)
    dialogue.begin(mail(3, body), (0, 1, 2), CONTENT, at_once=at_once)
    was_sent = dialogue.is_out
    for octets in stream:
        step = dialogue.feed(octets)
        if step is Step.DONE:
            break
        if step is Step.CONTENT:
            was_sent = True
            dialogue.content_sent()
    else:
        dialogue.fail(fault)
    assert sorted(dialogue.outcomes) == [0, 1, 2]
    if not was_sent:
        assert not any(isinstance(outcome, Delivered) for outcome in dialogue.outcomes.values())
    assert all(isinstance(outcome, Delivered | Deferred | Failed) for outcome in dialogue.outcomes.values())

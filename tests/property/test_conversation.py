"""inbound/conversation: order of commands, splits, smuggling; whatever a client says, nothing raises."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogs.player import Player, World, octet_by_octet

COMMANDS = [
    b"EHLO c.example",
    b"HELO c.example",
    b"EHLO",
    b"MAIL FROM:<a@example.com>",
    b"MAIL FROM:<>",
    b"MAIL FROM:<broken",
    b"MAIL FROM:<a@example.com> SIZE=99999999999",
    b"RCPT TO:<alice@example.org>",
    b"RCPT TO:<slow-bob@example.org>",
    b"RCPT TO:<nobody@example.org>",
    b"RCPT TO:<x@anywhere.example>",
    b"RCPT TO:<postmaster>",
    b"DATA",
    b"DATA x",
    b"RSET",
    b"NOOP",
    b"VRFY alice",
    b"EXPN x",
    b"HELP",
    b"STARTTLS",
    b"AUTH PLAIN AGEAYg==",
    b"FOO",
    b"",
    b"\xff\xfe",
    b"N\0OP",
    b"x" * 3000,
]
commands = st.lists(st.sampled_from(COMMANDS), max_size=25)
roomy = {"errors": "1000", "junk_commands": "1000"}


class Model:
    """RFC 5321 4.1.4 in thirty lines: which reply code each command of ours must get."""

    def __init__(self) -> None:
        self.greeted = self.mail = False
        self.recipients = self.tried = 0

    def forget(self) -> None:
        self.mail = False
        self.recipients = self.tried = 0

    def expects(self, line: bytes) -> int:
        verb, _, argument = line.upper().partition(b" ")
        if verb in (b"EHLO", b"HELO"):
            if not argument:
                return 501
            self.forget()
            self.greeted = True
            return 250
        if verb == b"MAIL":
            return self._mail(line)
        if verb == b"RCPT":
            return self._rcpt(line)
        if verb == b"DATA":
            if argument:
                return 501
            if not self.recipients:
                return 554 if self.tried else 503
            return 354
        if verb == b"RSET":
            self.forget()
            return 250
        others = {b"NOOP": 250, b"VRFY": 252, b"EXPN": 502, b"HELP": 214, b"STARTTLS": 502, b"AUTH": 502}
        return 501 if b"\0" in line else others.get(verb, 500)

    def _mail(self, line: bytes) -> int:
        if not self.greeted or self.mail:
            return 503
        if b"broken" in line:
            return 501
        if b"SIZE" in line:
            return 552
        self.mail = True
        return 250

    def _rcpt(self, line: bytes) -> int:
        if not self.mail:
            return 503
        self.tried += 1
        if b"nobody" in line or b"anywhere" in line:
            return 550
        self.recipients += 1
        return 250


def code(out: bytes) -> int:
    return int(out.splitlines()[-1][:3])


@given(commands)
@settings(max_examples=150)
def test_every_command_gets_the_reply_of_the_state_it_comes_in(lines: list[bytes]) -> None:
    player, model = World(**roomy).player(), Model()
    for line in lines:
        if line.startswith(b"\xff"):
            continue  # no letter: ends the session, see dialogs/
        expected = model.expects(line)
        assert code(player.say(line + b"\r\n")) == expected, line
        if expected == 354:
            taken = len(player.messages)
            assert code(player.say(b"x: y\r\n.\r\n")) == 250
            assert len(player.messages) == taken + 1
            assert len(player.messages[-1][0].recipients) >= 1
            model.forget()


@given(commands)
@settings(max_examples=100)
def test_content_is_read_only_behind_mail_and_an_accepted_recipient(lines: list[bytes]) -> None:
    player = World(**roomy).player()
    state = player.conversation.state
    for line in lines:
        player.say(line + b"\r\n")
        if state.reader is not None:
            assert state.envelope is not None
            assert state.envelope.recipients
            assert {str(recipient.address) for recipient in state.envelope.recipients} <= {
                "alice@example.org",
                "slow-bob@example.org",
                "postmaster@mx.example.org",
            }
            player.say(b".\r\n")


def turns(lines: list[bytes]) -> list[bytes]:
    """Groups as RFC 2920 allows them: DATA ends one, and its content is another."""
    groups = [b""]
    for line in lines:
        groups[-1] += line + b"\r\n"
        if line.startswith(b"DATA"):
            groups += [b"DATA-CONTENT", b""]
    return groups


def play(groups: list[bytes], split: object, content: bytes) -> Player:
    player = World(**roomy).player()
    for group in groups:
        octets = group
        if group == b"DATA-CONTENT":
            if player.conversation.state.reader is None:
                continue
            octets = content
        if octets:
            player.say(*split(octets))  # type: ignore[operator]
    return player


@given(
    commands,
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
    st.sampled_from([b".\r\n", b"a\n.\r\n.\r\n", b"..\r\n.\r\n"]),
)
@settings(max_examples=100)
def test_a_split_changes_nothing(lines: list[bytes], sizes: list[int], content: bytes) -> None:
    def in_pieces(octets: bytes) -> Iterable[bytes]:
        at = 0
        for size in itertools.cycle(sizes):
            if at >= len(octets):
                return
            yield octets[at : at + size]
            at += size

    groups = turns(lines)
    at_once, in_octets, split = (
        play(groups, way, content) for way in (lambda octets: [octets], octet_by_octet, in_pieces)
    )
    for other in (in_octets, split):
        assert other.out == at_once.out
        assert other.messages == at_once.messages
        assert other.refused == at_once.refused
        assert other.closing == at_once.closing


def test_no_string_around_the_end_makes_one_message_into_two() -> None:
    """S01: all strings over CR, LF, dot, NUL, x up to length 5 inside a body, a smuggled transaction behind them, and
    the true end. One message of one sender, or one refusal."""
    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nbad: yes\r\n.\r\nQUIT\r\n"
    for size in range(6):
        for letters in itertools.product(b"\r\n.\x00x", repeat=size):
            middle = bytes(letters)
            if b"\r\n.\r\n" in middle or middle.startswith(b".\r\n"):
                continue  # that is the true end
            player = World(**roomy).player()
            player.say(b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
            out = player.say(b"body" + middle + smuggled)
            is_clean = not (b"\0" in middle or set(b"\r\n") & set(middle.replace(b"\r\n", b"")) or _joins(middle))
            assert [str(envelope.reverse_path) for envelope, _ in player.messages] == ["a@example.com"] * is_clean
            if not is_clean:
                assert out.startswith(b"550 5.6."), middle
            assert out.endswith(b"221 2.0.0 Bye\r\n"), middle


def _joins(middle: bytes) -> bool:
    """Does a CR at its end, behind which the next text begins, stand bare?"""
    return middle.endswith(b"\r")


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=150)
def test_whatever_comes_nothing_raises_and_little_is_kept(chunks: list[bytes]) -> None:
    player = World().player()
    player.say(*chunks)
    assert player.largest <= 12288
    assert player.messages == []


@given(st.lists(st.sampled_from([*COMMANDS, b"\r\n", b"\r", b"\n", b".", b"x"]), max_size=40))
@settings(max_examples=150)
def test_the_same_for_what_is_nearly_right(parts: list[bytes]) -> None:
    player = World(tls="starttls", auth="plaintext").player()
    player.say(b"EHLO c\r\n", *parts)
    for envelope, _ in player.messages:
        assert all(recipient.address.domain_key.endswith("example.org") for recipient in envelope.recipients)

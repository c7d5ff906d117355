"""Fuzz target: a whole session against the conversation (rows S24, S20, A03).

Input: four octets of options, then what the client sends; 0x1E ends a turn, in which the client waits for us. The
session is played twice, octet by octet and in pieces, and has to come to the same; and in each:

- no exception; no octet kept beyond a line's limit; nothing said and nothing taken after the last word;
- every reply line is `ddd text` or `ddd-text` and ends in CR LF, and no other CR or LF is ever sent;
- no message but for a 354 or a last chunk, each with a recipient; what came behind DATA was sent in this form up to
  its dot, none of it twice; text is clean of NUL and bare line ends; a stranger's recipients are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

from asyncmta.inbound import session
from asyncmta.inbound.events import AuthWanted, Closing, LargeAborted, LargeBegan, LargeEnded, LargeWent, MessageEnded
from asyncmta.inbound.lines import MAX_AUTH_LINE
from asyncmta.mail import replies
from asyncmta.mail.envelope import Envelope
from tests.dialogs.player import Player, World

TURN = b"\x1e"
SMALL_INLINE = 40
REPLIES = re.compile(rb"(?:\d{3}[ -][^\r\n]{0,506}\r\n)*\Z")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


class Watcher(Player):
    """A player that keeps the wire form of each message, and looks at what it is told."""

    wires: list[bytes]

    def _content(self, event: MessageEnded | LargeBegan | LargeWent | LargeEnded | LargeAborted) -> None:
        is_open = self._large is not None or self._large_verdict is not None
        assert is_open or isinstance(event, MessageEnded | LargeBegan | LargeAborted), event
        super()._content(event)

    def _finish(self, envelope: Envelope, parts: list[bytes], size: int) -> None:
        self.wires.append(b"".join(parts))
        super()._finish(envelope, parts, size)


def check(octets: bytes) -> None:
    """Play it both ways; AssertionError for what is wrong."""
    if len(octets) < 4:
        return
    seed, turns = octets[3], octets[4:].split(TURN)
    world = _world(octets[0], octets[1], octets[2])
    options, more = octets[0], octets[1]
    sent = b"".join(turns)
    with ExitStack() as stack:
        if options & 16:
            stack.enter_context(mock.patch.object(session, "INLINE_LIMIT", session.ROOM_FOR_RECEIVED + SMALL_INLINE))
        slow = _play(world, options, more, [[turn[at : at + 1] for at in range(len(turn))] for turn in turns], sent)
        fast = _play(world, options, more, [list(_pieces(turn, seed)) for turn in turns], sent)
    # What stood behind DATA, STARTTLS or a challenge in one chunk was too early; alone it was not. The same goes for
    # what came before the greeting.
    if options & 128 or any(refused.reply == replies.EARLY_INPUT for refused in fast.refused):
        return
    assert slow.out == fast.out, (slow.out, fast.out)
    assert slow.messages == fast.messages
    assert slow.refused == fast.refused
    assert slow.closing == fast.closing


def _pieces(turn: bytes, seed: int) -> Iterator[bytes]:
    """Of sizes that follow from the seed; 0: in one piece."""
    at, size = 0, seed or len(turn) or 1
    while at < len(turn):
        yield turn[at : at + size]
        at += size
        size = size * 7 % 61 + 1


def _world(options: int, more: int, extra: int) -> World:
    settings = {}
    if options & 1:
        settings["tls"] = "required" if more & 32 else "starttls"
    if options & 2:
        settings["auth"] = "plaintext" if more & 64 else "tls"
    if options & 4:
        settings["client"] = "10.1.2.3"
    if options & 8:
        settings["message_size"] = "1000"
    if options & 32:
        settings["accept_long_lines"] = ""
    if options & 64:
        settings["role"] = "submission"
    if extra & 1:
        settings["xclient_from"] = "192.0.2.0/24"
    if extra & 2:
        settings |= {"etrn": "yes", "etrn_from": "192.0.2.0/24"}
    if extra & 4:
        settings["line_endings"] = "normalise"
    if extra & 8:
        settings["role"] = "lmtp"
    if extra & 16:
        settings["own"] = "yes"
    if not more & 1:
        settings |= {"errors": "1000", "junk_commands": "1000"}
    verdict = {2: "deferred", 4: "refuse large"}.get(more & 6)
    return World(**settings, **({"verdict": verdict} if verdict is not None else {}))


def _play(world: World, options: int, more: int, turns: list[list[bytes]], sent: bytes) -> Watcher:
    acceptance = world.acceptance()
    player = Watcher(world.player(greet=False).conversation, verdict=world.verdict, greet=False)
    player.wires = []
    if not options & 128:
        player._do(player.conversation.greet())
    for chunk in (chunk for turn in turns for chunk in turn):
        _say(player, chunk, more)
    _judge(player, sent, is_stranger=not acceptance.is_trusted(player.conversation.state.client.ip))
    return player


def _say(player: Watcher, chunk: bytes, more: int) -> None:
    """One chunk, and whatever it makes us wait for."""
    conversation = player.conversation
    was_closed = conversation.is_closed
    said = player.say(chunk)
    while player.waits_for is not None:
        if conversation.is_closed:
            break
        if isinstance(player.waits_for, AuthWanted):
            player.log_in("alice" if more & 8 else "?" if more & 16 else "-")
        else:
            player.handshake()
    assert not (was_closed and said)
    assert conversation.buffered <= MAX_AUTH_LINE
    assert not conversation.events
    assert conversation.is_closed == isinstance(player.closing, Closing)


def _judge(player: Watcher, sent: bytes, *, is_stranger: bool) -> None:
    assert REPLIES.match(player.out), player.out
    assert all(refused.reply.code >= 400 and refused.stage for refused in player.refused)
    is_all_data = b"BDAT" not in sent.upper()
    is_told = b"XCLIENT" in sent.upper()
    terms = player.conversation.state.acceptance.terms
    assert len(player.messages) <= player.out.count(b"354 End data") + sent.upper().count(b"LAST")
    at = 0
    for (envelope, content), wire in zip(player.messages, player.wires, strict=False):
        assert envelope.recipients
        if is_all_data and terms.line_endings == "strict":
            found = sent.find(wire + b".\r\n", at)
            assert found >= 0, wire
            at = found + len(wire) + 3
        if not envelope.is_binary:
            assert b"\r\n.\r\n" not in b"\r\n" + wire
            assert wire == b"" or wire.endswith(b"\r\n")
            assert not BARE.search(content), content
        if is_stranger and not is_told and b"235 " not in player.out:
            domains = [recipient.address.domain_key for recipient in envelope.recipients]
            assert all(domain.endswith(("example.org", "relay.example")) for domain in domains), domains

"""Plays the client against a conversation, and everybody whom the conversation asks: intake, lookups, TLS, AUTH.

`World` is the small world of these tests; `Player` feeds octets and keeps what came of them; `Dialog` reads a file.

A file of dialogs/*.smtp has one line for each step; a turn is what stands between two expectations:

    # comment
    ! key value       a setting, see `World`; `! at once`: a turn is not split (what it tests depends on that)
    C: text           the client sends the text and CR LF
    C= text           the client sends exactly this: escapes of Python, and {x*1000} for a thousand x
    S: text           the server says a line that begins so
    M: from > to, to > content      a message was taken; content unstuffed, with escapes, or `...` for any
    T:                the handshake that was asked for succeeds
    H: text           what is to be done with the message just taken: held, tags, header lines, who is discarded
    A: name           the AUTH exchange that was asked for succeeds; `A: -` it fails, `A: ?` it cannot be told
    A: name           the AUTH exchange that was asked for succeeds; `A: -` it fails, `A: ?` it cannot be told,
                    `A: !` the login has failed too often, `A: !!` the client has
    X:                the server closes
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from asyncmta.config import Settings
from asyncmta.config_kinds import RateOf
from asyncmta.inbound.acceptance import Acceptance, Existence, Terms, parse_networks, serves_anybody
from asyncmta.inbound.allowance import Allowance
from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.etrn import Turns
from asyncmta.inbound.events import (
    AuthWanted,
    ClientTold,
    Closing,
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
from asyncmta.inbound.gate import Gate
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.readdressing import Readdressing
from asyncmta.inbound.session import ClientFacts, client_at
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.reply import Reply, reply
from asyncmta.mail.rewrite import Rewriting, parse_rule
from asyncmta.mail.wire import unstuff
from asyncmta.mta_policy import rules_of
from asyncmta.policy.delegation import parse_action
from asyncmta.policy.verdict import About, Findings, Handling
from asyncmta.routing import Mx, Reject, Routing, Rule, parse_pattern

HOSTNAME = "mx.example.org"
STRANGER = "192.0.2.1"
NOW = 1_700_000_000.25  # 14 November 2023, 22:13:20 UTC
ROUTING = Routing(
    local_domains=["example.org"],
    relay_domains=["relay.example", ".relay.example"],
    rules=[
        Rule(parse_pattern("reject.example"), parse_pattern("*"), Reject(replies.REJECTED_BY_RULE)),
        Rule(parse_pattern("*@mx.example.org"), parse_pattern("nobody@example.com"), Mx("")),
    ],
    hostname=HOSTNAME,
)
STARTED = {"relay.example": True, "busy.example": False}  # what ETRN of these leads to
MAILBOXES = {"alice", "bob", "postmaster"}


class Later:
    """Something to wait for; the player knows what comes of it."""

    def __init__(self, existence: object) -> None:
        self.existence = existence

    def __await__(self) -> Any:
        raise AssertionError("the conversation does not wait by itself")


def lookup(address: Address) -> Any:
    """alice, bob and postmaster are there; `slow-` comes later; `unsure` cannot be told."""
    name = address.local_part.removeprefix("slow-")
    found = Existence.YES if name.lower() in MAILBOXES else Existence.UNKNOWN if name == "unsure" else Existence.NO
    return Later(found) if name != address.local_part else found


class World:
    """The settings of one dialog, as text."""

    def __init__(self, **settings: str) -> None:
        self.settings = settings
        get = settings.get
        limits = {
            key: RateOf().parse(value) if "/" in value else int(value)
            for key, value in settings.items()
            if key in Limits.__struct_fields__ and key != "accept_long_lines"
        }
        self.terms = Terms(
            hostname=HOSTNAME,
            role=get("role", "relay"),  # type: ignore[arg-type]
            tls=get("tls", "none"),  # type: ignore[arg-type]
            mechanisms=("PLAIN", "LOGIN") if "auth" in settings else (),
            plaintext_auth=get("auth") == "plaintext",
            networks=parse_networks(["10.0.0.0/8", "2001:db8::/32"]),
            line_endings=get("line_endings", "strict"),  # type: ignore[arg-type]
            etrn_from=parse_networks(get("etrn_from", "").split()),
            xclient_from=parse_networks(get("xclient_from", "").split()),
            limits=Limits(**limits, accept_long_lines="accept_long_lines" in settings),
        )
        self.gate = self._gate()
        self.storage = get("storage", "")
        self.verdict = get("verdict", "")

    def _toml(self, key: str) -> Any:
        return tomllib.loads(f"it = {self.settings[key]}")["it"] if key in self.settings else None

    def _gate(self) -> Gate | None:
        """`! rules [{...}]` as in config.toml; `! asks {RCPT = "HOLD"}`: what is answered."""
        asks = self._toml("asks") or {}
        if not any(key in self.settings for key in ("rules", "asks", "findings")):
            return None
        tree = {"rule": self._toml("rules") or [], "dnsbl": {"lists": ["a.example"]} | (self._toml("dnsbl") or {})}

        def ask(about: About) -> Any:
            found = [parse_action(text) for text in asks[about.stage].split("; ")]
            return Later(tuple(verdict for verdict in found if verdict is not None))

        return Gate(
            rules=rules_of(Settings.from_dict(tree)),
            now=lambda: 0.0,
            ask=ask,
            stages=frozenset(asks),
        )

    def acceptance(self) -> Acceptance:
        full = replies.STORAGE_FULL if self.storage == "full" else None
        busy = replies.BUSY if self.storage == "busy" else None
        allowance = Allowance(limits=self.terms.limits, now=lambda: 0.0, only_own="own" in self.settings)
        return Acceptance(
            terms=self.terms,
            routing=ROUTING,
            lookup=lookup,
            refusal=lambda size=0: full,
            pressure=lambda: busy,
            gate=self.gate,
            now=lambda: NOW,
            turns=Turns(lambda domain, below: STARTED.get(domain)) if "etrn" in self.settings else None,
            allowance=allowance,
            readdressing=self._readdressing(),
        )

    def _readdressing(self) -> Readdressing | None:
        """`! rewrite {"@old.example" = "@example.org"}`, for senders and recipients; `srs-late@` is too old."""
        rules = self._toml("rewrite")
        if rules is None:
            return None
        table = Rewriting([parse_rule(match, to) for match, to in rules.items()])
        return Readdressing(
            senders=table,
            recipients=table,
            returned=lambda address: replies.RETURN_EXPIRED if address.local_part == "srs-late" else None,
            serves=lambda address: ROUTING.is_ours(address) or serves_anybody(ROUTING, address),
            tell=lambda of, given, now, by: None,
        )

    def player(self, **options: Any) -> Player:
        acceptance = self.acceptance()
        ip = self.settings.get("client", STRANGER)
        tls = "TLSv1.3 IMPLICIT" if self.terms.tls == "implicit" else ""
        conversation = Conversation(acceptance, client_at(acceptance, ip, 4321), tls=tls)
        findings = self._toml("findings")
        if findings is not None:
            conversation.state.findings = Later(Findings(**findings) if findings else None)
        return Player(conversation, verdict=self.verdict, **options)


class Player:
    """`out` is all that the server said, `messages` what it took, `refused` what it logged."""

    def __init__(self, conversation: Conversation, *, verdict: str = "", greet: bool = True) -> None:
        self.conversation = conversation
        self.out = b""
        self.messages: list[tuple[Envelope, bytes]] = []
        self.handlings: list[str] = []
        self.refused: list[Refused] = []
        self.closing: Closing | None = None
        self.waits_for: TlsWanted | AuthWanted | None = None
        self.largest = 0  # octets that the conversation kept, at most
        self._verdict = reply(451, "4.3.0", "no") if verdict == "deferred" else None
        self._large_verdict = replies.TOO_MANY_HOPS if verdict == "refuse large" else None
        self._large: tuple[Envelope, list[bytes]] | None = None
        self._facts: ClientFacts | None = None
        if greet:
            self._do(conversation.greet())

    def say(self, *chunks: bytes) -> bytes:
        """Feed chunks; what the server says to them."""
        before = len(self.out)
        for chunk in chunks:
            self._do(self.conversation.feed(chunk))
            self.largest = max(self.largest, self.conversation.buffered)
        return self.out[before:]

    def handshake(self) -> None:
        assert isinstance(self.waits_for, TlsWanted), "no handshake was asked for"
        self.waits_for = None
        self._do(self.conversation.tls_started("TLSv1.3 TEST"))

    def log_in(self, name: str) -> None:
        assert isinstance(self.waits_for, AuthWanted), "no exchange was asked for"
        self.waits_for = None
        outcome: dict[str, Reply] = {"-": replies.AUTH_FAILED, "?": replies.AUTH_UNAVAILABLE}
        outcome |= {"!": replies.AUTH_NOT_NOW, "!!": replies.AUTH_TOO_MANY_FAILURES}
        if name in outcome:
            self._do(self.conversation.auth_ended(outcome[name]))
        else:
            self._do(self.conversation.auth_ended(replies.AUTH_OK, name))

    def _do(self, out: bytes) -> None:
        self.out += out
        conversation = self.conversation
        while conversation.events:
            event = conversation.events.pop(0)
            match event:
                case Refused():
                    self.refused.append(event)
                case Closing():
                    self.closing = event
                case TlsWanted() | AuthWanted():
                    self.waits_for = event
                case ClientTold():
                    client = client_at(conversation.state.acceptance, event.ip, event.port, name=event.name)
                    self._do(conversation.client_changed(client, event.told))
                case TurnEnded():
                    self._do(conversation.go_on())
                case LookUp():
                    assert isinstance(event.answer, Later)
                    self._do(conversation.looked_up(event.answer.existence))
                case _:
                    self._content(event)

    def _content(self, event: MessageEnded | LargeBegan | LargeWent | LargeEnded | LargeAborted) -> None:
        match event:
            case MessageEnded():
                self._facts = event.facts
                self._finish(event.envelope, event.parts, event.shape.size)
            case LargeBegan():
                self._facts = event.facts
                self._large = (event.envelope, list(event.parts))
                if self._large_verdict is not None:
                    self._large = None
                    self.conversation.refuse_content(self._large_verdict)
            case LargeWent():
                assert self._large is not None or self._large_verdict is not None
                if self._large is not None:
                    self._large[1].extend(event.parts)
            case LargeEnded():
                if self._large is None:
                    assert self._large_verdict is not None
                    self._do(self.conversation.answered(self._large_verdict))
                    return
                envelope, parts = self._large
                self._large = None
                self._finish(envelope, parts, event.shape.size)
            case LargeAborted():
                self._large = None

    def _finish(self, envelope: Envelope, parts: list[bytes], size: int) -> None:
        wire = b"".join(parts)
        content = wire if envelope.is_binary else unstuff(wire)
        assert len(content) == size
        if self._verdict is not None:
            self._do(self.conversation.answered(self._verdict))
            return
        self.messages.append((envelope, content))
        self.handlings.append(_told(self._facts.handling if self._facts is not None else None))
        self._do(self.conversation.answered(replies.queued(QueueId(len(self.messages)))))


class Dialog:
    """One file, read."""

    def __init__(self, text: str) -> None:
        self.settings: dict[str, str] = {}
        self.steps: list[tuple[str, Any]] = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            mark, argument = line[:2], line[3:]
            if mark == "! ":
                key, _, value = line[2:].partition(" ")
                self.settings[key] = value
            elif mark in ("C:", "C="):
                octets = argument.encode() + b"\r\n" if mark == "C:" else unescape(argument)
                if self.steps and self.steps[-1][0] == "C":
                    octets = self.steps.pop()[1] + octets
                self.steps.append(("C", octets))
            else:
                assert mark in ("S:", "M:", "H:", "T:", "A:", "X:"), line
                self.steps.append((mark[0], argument))

    @property
    def at_once(self) -> bool:
        return "at" in self.settings

    def run(self, split: Any) -> Player:
        """Play it; `split` makes chunks of a turn."""
        player = World(**self.settings).player(greet="early" not in self.settings)
        heard = taken = 0
        for mark, argument in self.steps:
            match mark:
                case "C":
                    player.say(*split(argument))
                case "S":
                    line, end, _ = player.out[heard:].partition(b"\r\n")
                    assert line.decode().startswith(argument), f"expected {argument!r}, got {line!r}"
                    heard += len(line) + len(end)
                case "M":
                    check_message(argument, *player.messages[taken])
                    taken += 1
                case "H":
                    assert player.handlings[taken - 1] == argument
                case "T":
                    player.handshake()
                case "A":
                    player.log_in(argument)
                case "X":
                    assert player.closing is not None, "it is still open"
        assert player.out[heard:] == b"", "said more than that"
        assert len(player.messages) == taken, "took more than that"
        assert (player.closing is not None) == any(mark == "X" for mark, _ in self.steps)
        return player


def _told(handling: Handling | None) -> str:
    if handling is None:
        return ""
    said = [f"held by {handling.held_by}"] if handling.held_by else []
    said += [f"tag {tag}" for tag in handling.tags] + [f"line {line}" for line in handling.lines]
    said += [f"discard {address} by {by}" for address, by in handling.discarded]
    return "; ".join([*said, "accepted"] if handling.is_accepted else said)


def check_message(expected: str, envelope: Envelope, content: bytes) -> None:
    sender, recipients, text = expected.split(" > ", 2)
    assert str(envelope.reverse_path or "<>") == sender
    assert ", ".join(str(recipient.address) for recipient in envelope.recipients) == recipients
    assert text == "..." or content == unescape(text)


def unescape(text: str) -> bytes:
    r"""`\r\n`, `\x00`, and `{x*1000}`."""
    octets = codecs.escape_decode(text.encode())[0]  # type: ignore[attr-defined]
    assert isinstance(octets, bytes)
    return re.sub(rb"\{([^{}*]+)\*(\d+)\}", lambda found: found[1] * int(found[2]), octets)


def whole(octets: bytes) -> Iterable[bytes]:
    return [octets]


def octet_by_octet(octets: bytes) -> Iterable[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]

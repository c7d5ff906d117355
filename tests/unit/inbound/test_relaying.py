"""The relay probes of reliability.md 4.3.1 against whole configurations: what a stranger gets accepted ends here.

Every probe is one transaction up to its dot, from every sender, through every way in. For each recipient of what was
taken the test asks routing where it goes: a Maildir below the mail root, or a relay domain of ours with a local-part
that cannot be sent on from there.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from asyncmta.config import Settings
from asyncmta.inbound.acceptance import Existence, parse_networks
from asyncmta.inbound.conversation import Conversation
from asyncmta.inbound.limits import Limits
from asyncmta.inbound.listener import Listener, ListenerSettings, SmtpConnection
from asyncmta.inbound.recipients import lookup_in
from asyncmta.inbound.session import client_at
from asyncmta.mail import replies
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope
from asyncmta.mailboxes.directory import Directory, DirectorySettings
from asyncmta.mailboxes.resolver import LocalSettings, Mailbox, Mailboxes
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import MemoryDisk
from tests.dialogs.player import Player
from tests.dialogs.probes import SENDERS, D, H, I, probes
from tests.unit.inbound.inboundkit import Kit, KitTransport

STRANGER = "198.51.100.7"
TRUSTED = "203.0.113.1"
L, R = "example.org", "relay.example"  # a domain with mailboxes, and one that is relayed

LOCAL = {"local": {"domains": [L]}}
CATCH_ALL = {"local": {"domains": [L], "mailboxes": "any"}}
RELAY = {"relay": {"domains": [R, f".{R}"]}}
SMARTHOST = {"route": [{"recipient": "*", "via": "smarthost", "hosts": ["out.example:25"], "tls": "none"}]}
HOUSES: dict[str, dict[str, Any]] = {
    "mailboxes": LOCAL,
    "catch-all": CATCH_ALL,
    "relay domains": LOCAL | RELAY,
    "everything by a smarthost": CATCH_ALL | RELAY | SMARTHOST,
    "nothing of its own": {},
}


class House:
    """One configuration, as mta.py would build it, with a listener that is never bound."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tables: dict[str, Any], **listener: Any) -> None:
        relay = {"networks": [f"{TRUSTED}/32"], **tables.get("relay", {})}
        self.settings = Settings.from_dict({"hostname": H, **tables, "relay": relay}, folder="/srv")
        self.routing = self.settings.routing()
        local = self.settings.local
        disk = MemoryDisk()
        disk.make_directories(f"/srv/var/mail/{L}/alice")
        self.mailboxes = Mailboxes(
            settings=LocalSettings(domains=local.domains, maildir=local.maildir, mailboxes=local.mailboxes),
            hostname=H,
            clock=FakeClock(),
            disk=disk,
        )
        domains = DirectorySettings(domains=frozenset(local.domains), hostname=H)
        ask = lookup_in(Directory(settings=domains, mailboxes=self.mailboxes))

        def lookup(address: Address) -> Existence:
            found = ask(address)
            return found if isinstance(found, Existence) else loop.run_until_complete(found)  # type: ignore[arg-type]

        kit = Kit(authenticate=_never)
        reception = msgspec.structs.replace(
            kit.reception,
            routing=self.routing,
            lookup=lookup,
            networks=self.settings.relay.networks,
            limits=Limits(errors=1_000_000, junk_commands=1_000_000, recipients=1000),
        )
        context: Any = object()  # no handshake is made here
        self.listener = Listener(
            settings=ListenerSettings(port=0, **listener), reception=reception, certificates=context
        )

    def conversation(self, ip: str = STRANGER) -> Conversation:
        acceptance = self.listener.sessions.acceptance
        return Conversation(acceptance, client_at(acceptance, ip, 4321))

    def connection(self, peer: str, header: bytes) -> Conversation:
        """What a connection from this peer makes of itself behind a PROXY header."""
        connection = SmtpConnection(self.listener)
        connection.connection_made(KitTransport((peer, 4321)))
        connection.data_received(header)
        conversation = connection._conversation
        assert conversation is not None
        return conversation

    def foreign(self, envelope: Envelope) -> list[str]:
        """Its recipients that do not end here, with where they go."""
        return [
            f"{recipient.address} -> {destination}"
            for recipient in envelope.recipients
            if not self._ends_here(
                recipient.address, destination := self.routing.destination(recipient.address, envelope.reverse_path)
            )
        ]

    def _ends_here(self, address: Address, destination: str) -> bool:
        domain = address.domain_key
        if destination.startswith("local:"):
            mailbox = self.mailboxes.cached(address)
            assert isinstance(mailbox, Mailbox)
            below = posixpath.relpath(posixpath.normpath(mailbox.path), "/srv/var/mail").split("/")
            return destination == f"local:{domain}" and domain in (L, H) and len(below) == 2 and below[0] == domain
        is_relayed = domain == R or domain.endswith(f".{R}")
        return is_relayed and not set("%!@") & set(address.local_part)


async def _never(mechanism: str, login: str, password: str) -> bool:
    return False


# -- ways in ---------------------------------------------------------------------------------------------------------


def stranger(house: House) -> Player:
    return Player(house.conversation())


def under_our_name(house: House) -> Player:
    player = Player(house.conversation())
    player.say(f"EHLO {H}\r\n".encode())
    return player


def mapped(house: House) -> Player:
    """Mapped into IPv6, and as near to a trusted network as can be."""
    return Player(house.conversation("::ffff:203.0.113.2"))


def failed_auth(house: House) -> Player:
    player = Player(house.conversation())
    player.say(b"EHLO probe\r\nAUTH PLAIN AGEAYg==\r\n")
    player.log_in("-")
    return player


def broken_auth(house: House) -> Player:
    """One that cannot be told, one with a second AUTH at once."""
    player = Player(house.conversation())
    player.say(b"EHLO probe\r\nAUTH LOGIN\r\n")
    player.log_in("?")
    player.say(b"AUTH GSSAPI\r\nAUTH\r\n")
    return player


def after_starttls(house: House) -> Player:
    player = Player(house.conversation())
    player.say(b"EHLO probe\r\n", b"STARTTLS\r\n")
    player.handshake()
    return player


def login_before_starttls(house: House) -> Player:
    """Who logged in in clear text is a stranger again behind the handshake (row T03)."""
    player = Player(house.conversation())
    player.say(b"EHLO probe\r\nAUTH PLAIN AGEAYg==\r\n")
    player.log_in("somebody")
    player.say(b"STARTTLS\r\n")
    player.handshake()
    return player


def behind_proxy(header: bytes) -> Callable[[House], Player]:
    """The peer itself is in a trusted network: it is a balancer, and who it speaks for is a stranger."""

    def way_in(house: House) -> Player:
        return Player(house.connection(TRUSTED, header), greet=False)

    return way_in


def told_to_be_a_stranger(house: House) -> Player:
    """XCLIENT from who may speak for others, and may relay itself."""
    player = Player(house.conversation(TRUSTED))
    assert player.say(f"EHLO front\r\nXCLIENT ADDR={STRANGER} LOGIN=[UNAVAILABLE]\r\n".encode()).endswith(b"ESMTP\r\n")
    return player


def telling_lies(house: House) -> Player:
    """XCLIENT from who may not."""
    player = Player(house.conversation())
    player.say(f"EHLO probe\r\nXCLIENT ADDR={TRUSTED} LOGIN=somebody\r\n".encode())
    player.say(f"XFORWARD ADDR={TRUSTED}\r\n".encode())
    return player


def mail_taken_before(house: House) -> Player:
    """A message of the same session was taken, and a MAIL with its recipients given up."""
    player = Player(house.conversation())
    player.say(b"EHLO probe\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", b".\r\n")
    assert len(player.messages) == 1
    player.messages.clear()
    player.say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nRSET\r\n")
    return player


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
FOR_OTHERS = {"xclient_from": parse_networks([f"{TRUSTED}/32"])}
PROXY = {"proxy_protocol": True}
CLEAR = {"allow_plaintext_auth": True}
WAYS: dict[str, tuple[dict[str, Any], Callable[[House], Player]]] = {
    "stranger": ({}, stranger),
    "EHLO with our name": ({}, under_our_name),
    "wrong network": ({}, mapped),
    "failed AUTH": (CLEAR, failed_auth),
    "broken AUTH": (CLEAR, broken_auth),
    "STARTTLS": ({"tls": "starttls"}, after_starttls),
    "login before STARTTLS": ({"tls": "starttls"} | CLEAR, login_before_starttls),
    "PROXY": (PROXY, behind_proxy(b"PROXY TCP4 198.51.100.7 203.0.113.1 9 25\r\n")),
    "PROXY from the balancer": (PROXY, behind_proxy(b"PROXY UNKNOWN\r\n")),
    "PROXY LOCAL": (PROXY, behind_proxy(V2 + b"\x20\x00\x00\x00")),
    "mail before": ({}, mail_taken_before),
    "XCLIENT": (FOR_OTHERS, told_to_be_a_stranger),
    "XCLIENT of a stranger": (FOR_OTHERS, telling_lies),
    "LMTP": ({"role": "lmtp"}, stranger),
    "submission": ({"role": "submission"} | CLEAR, failed_auth),
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def accepted(player: Player, sender: str, recipient: str, parameters: str = "") -> list[Envelope]:
    """One transaction, from HELO to the dot; what was taken of it."""
    player.messages.clear()
    hello = "LHLO" if player.conversation.state.is_lmtp else "EHLO"
    player.say(f"{hello} probe\r\nMAIL FROM:<{sender}>{parameters}\r\n".encode())
    if player.conversation.state.envelope is None:
        player.say(f"MAIL FROM:<>{parameters}\r\n".encode())  # a sender without a domain is refused
    player.say(f"RCPT TO:{recipient}\r\n".encode())
    player.say(b"DATA\r\n")
    if player.conversation.is_reading_content:
        player.say(b".\r\n")
    player.say(b"RSET\r\n")
    assert not player.conversation.is_closed, recipient
    return [envelope for envelope, _ in player.messages]


@pytest.mark.parametrize("tables", HOUSES.values(), ids=HOUSES.keys())
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_what_is_taken_from_a_stranger_ends_here(
    loop: asyncio.AbstractEventLoop, way: tuple[dict[str, Any], Callable[[House], Player]], tables: dict[str, Any]
) -> None:
    house = House(loop, tables, **way[0])
    away = []
    for sender in SENDERS:
        player = way[1](house)
        for local in (L, R):
            for probe in probes(local):
                for envelope in accepted(player, sender, f"<{probe}>"):
                    away += house.foreign(envelope)
    assert away == []


@pytest.mark.parametrize("form", ["bare", "SMTPUTF8", "two in one"])
def test_nor_in_another_form(loop: asyncio.AbstractEventLoop, form: str) -> None:
    house = House(loop, HOUSES["everything by a smarthost"])
    away = []
    for local in (L, R):
        for probe in probes(local):
            recipient, parameters = f"<{probe}>", ""
            if form == "bare":
                recipient = probe
            elif form == "SMTPUTF8":
                parameters = " SMTPUTF8"
            else:
                recipient = f"<alice@{L}>\r\nRCPT TO:<{probe}>"
            for envelope in accepted(stranger(house), "", recipient, parameters):
                away += house.foreign(envelope)
    assert away == []


def test_the_probes_that_are_taken(loop: asyncio.AbstractEventLoop) -> None:
    """The other side: these are taken, as what they say, and nothing but these."""
    house = House(loop, HOUSES["mailboxes"])
    forms = [*probes(L), f"alice@{L}", f'"alice"@{L.upper()}']
    taken = {form for form in forms if accepted(stranger(house), "", f"<{form}>")}
    assert taken == {"postmaster", f"alice@{L}", f'"alice"@{L.upper()}'}
    everybody = House(loop, HOUSES["catch-all"])
    by_text = {
        str(recipient.address)
        for form in forms
        for envelope in accepted(stranger(everybody), "", f"<{form}>")
        for recipient in envelope.recipients
    }
    # A catch-all takes them as the names of mailboxes, which is all that they are to us.
    assert {f"u%{D}@{L}", f'"u@{D}"@{L}', f"{D}!u@{L}", f'"|id"@{L}', f"postmaster@{H}"} <= by_text
    assert not any("/" in text for text in by_text)
    assert {text.rpartition("@")[2].lower() for text in by_text} == {L, H}


def test_lmtp_takes_what_is_for_a_mailbox(loop: asyncio.AbstractEventLoop) -> None:
    house = House(loop, LOCAL, role="lmtp")
    assert len(accepted(stranger(house), "", f"<alice@{L}>")) == 1


def test_who_may_relay_gets_them_through(loop: asyncio.AbstractEventLoop) -> None:
    """Without this the tests above could pass because nothing is ever taken."""
    house = House(loop, HOUSES["everything by a smarthost"], **CLEAR)
    plain = f"<u@{D}>"
    trusted = Player(house.conversation(TRUSTED))
    (envelope,) = accepted(trusted, "", plain)
    assert house.foreign(envelope) == [f"u@{D} -> smarthost:0"]
    known = failed_auth(house)
    assert accepted(known, "", plain) == []
    known.say(b"AUTH PLAIN AGEAYg==\r\n")
    known.log_in("somebody")
    assert len(accepted(known, "", plain)) == 1
    assert len(accepted(stranger(house), "", f"<u@sub.{R}>")) == 1
    assert accepted(stranger(house), "", f"<u@{I}>") == []


def test_before_a_login_submission_takes_no_sender(loop: asyncio.AbstractEventLoop) -> None:
    player = failed_auth(House(loop, HOUSES["catch-all"], role="submission", **CLEAR))
    for sender in SENDERS:
        assert player.say(f"MAIL FROM:<{sender}>\r\n".encode()) == replies.AUTH_REQUIRED.wire


def test_there_are_enough_probes() -> None:
    assert len(set(probes(L))) >= 65
    assert len(set(SENDERS)) == 7
    assert len(WAYS) >= 7

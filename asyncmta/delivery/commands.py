"""The commands of one transaction as octets: MAIL with its parameters and each RCPT, for what this server offers.

Parameters go out only when the server offered their extension. A server without SMTPUTF8 gets internationalised
domains as A-labels; an address that cannot be written without it is refused here with 5.6.7, and one such recipient
does not hold up the others. Never: sockets, replies; nothing but checked addresses and printable ASCII parameters.

RFC 1870 (SIZE), 3030 (BINARYMIME), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN), 8689 (REQUIRETLS), 6710
(MT-PRIORITY), 2852 (DELIVERBY), 9422 (LIMITS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import (
    NOTIFY_DELAY,
    NOTIFY_FAILURE,
    NOTIFY_NEVER,
    NOTIFY_SUCCESS,
    Content,
    Envelope,
    Recipient,
)
from asyncmta.mail.outcome import Cause, Failed, Outcome, Place, Scope
from asyncmta.mail.reply import Reply, reply
from asyncmta.mail.xtext import in_ascii

MOST_SECONDS = 999_999_999  # RFC 2852 3: nine digits
LONGEST_ORCPT = 500  # RFC 3461 4.2
MOST_LIMITS = 100  # that are looked at; an EHLO line has room for more


class Capabilities(Struct, frozen=True, gc=False):
    """What a server offered in its reply to EHLO. `size` 0: no limit known. `announces_size`: SIZE was offered.
    `binary`: BINARYMIME and the CHUNKING that it needs. What LIMITS said (RFC 9422; 0: not said): `most_recipients` in
    a transaction (RCPTMAX), of `most_domains` (RCPTDOMAINMAX), and `most_messages` in a session (MAILMAX)."""

    pipelining: bool = False
    announces_size: bool = False
    size: int = 0
    eight_bit: bool = False
    binary: bool = False
    smtputf8: bool = False
    dsn: bool = False
    requiretls: bool = False
    priority: bool = False
    deliver_by: bool = False
    shortest_deadline: int = 0
    chunking: bool = False
    most_recipients: int = 0
    most_messages: int = 0
    most_domains: int = 0


class Obstacle(Struct, frozen=True):
    """Some recipients cannot be sent to this server: the reply for each, and the commands for the rest, if any."""

    refused: dict[int, Reply]
    commands: bytes

    def outcomes(self, place: Place) -> dict[int, Outcome]:
        """What it means for those who cannot be sent to the server there."""
        return {at: Failed(Cause.REFUSED, refusal, Scope.RECIPIENT, place) for at, refusal in self.refused.items()}


def read_capabilities(extensions: Mapping[str, str], *, verified_tls: bool) -> Capabilities:
    """From EHLO keywords (lower case) and their parameters. REQUIRETLS counts only on a verified session."""
    limits = dict(_limits(extensions.get("limits", "")))
    return Capabilities(
        pipelining="pipelining" in extensions,
        announces_size="size" in extensions,
        size=_number(extensions.get("size", "")),
        eight_bit="8bitmime" in extensions,
        binary="binarymime" in extensions and "chunking" in extensions,
        smtputf8="smtputf8" in extensions,
        dsn="dsn" in extensions,
        requiretls=verified_tls and "requiretls" in extensions,
        priority="mt-priority" in extensions,
        deliver_by="deliverby" in extensions,
        shortest_deadline=_number(extensions.get("deliverby", "").partition(",")[0]),
        chunking="chunking" in extensions,
        most_recipients=limits.get("rcptmax", 0),
        most_messages=limits.get("mailmax", 0),
        most_domains=limits.get("rcptdomainmax", 0),
    )


def _limits(text: str) -> Iterator[tuple[str, int]]:
    """`RCPTMAX=20 MAILMAX=5` -> names in lower case with their numbers; what is no such pair is no limit."""
    for word in text.lower().split()[:MOST_LIMITS]:
        name, _, value = word.partition("=")
        if number := _number(value):
            yield name, number


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0


def compose(
    peer: Capabilities, envelope: Envelope, ordinals: tuple[int, ...], content: Content, now: float = 0.0
) -> bytes | Obstacle:
    """The transaction up to its last RCPT, or what is in its way, at this moment (Unix seconds)."""
    if peer.size and content.size > peer.size:
        text = f"the message has {content.size} octets, the server takes {peer.size}"
        return Obstacle(dict.fromkeys(ordinals, reply(552, "5.3.4", text)), b"")
    if envelope.requiretls and not peer.requiretls:
        text = "the sender requires TLS all the way, and this server does not offer it (REQUIRETLS)"
        return Obstacle(dict.fromkeys(ordinals, reply(550, "5.7.30", text)), b"")
    if envelope.body != "7BIT" and envelope.is_binary and not peer.binary:
        text = "the message is binary, and this server does not take such (BINARYMIME)"
        return Obstacle(dict.fromkeys(ordinals, reply(550, "5.6.1", text)), b"")
    timing, deadline = envelope.timing, ""
    if timing is not None and timing.by_mode:
        left = int(timing.deliver_by - now)
        if timing.by_mode.startswith("R") and (refusal := _in_time(peer, left)) is not None:
            return Obstacle(dict.fromkeys(ordinals, refusal), b"")
        if peer.deliver_by:
            deadline = f" BY={max(-MOST_SECONDS, min(left, MOST_SECONDS))};{timing.by_mode}"
    recipients = envelope.recipients
    text = _lines(peer, envelope, list(map(recipients.__getitem__, ordinals)), content, deadline)
    if text.isascii():
        return text.encode("ascii")
    if peer.smtputf8:
        utf8 = _lines(peer, envelope, list(map(recipients.__getitem__, ordinals)), content, deadline, utf8=True)
        return utf8.encode("utf-8")
    return _in_ascii(peer, envelope, ordinals, content, deadline)


def _in_time(peer: Capabilities, left: int) -> Reply | None:
    """Why this server may not have what is to be returned if it is not delivered in time (RFC 2852 4.1.4.1)."""
    if left <= 0 or left < peer.shortest_deadline:
        return reply(554, "5.4.7", "the time that its sender gave it is over, or too short for this server")
    if not peer.deliver_by:
        text = "the sender wants it delivered in a certain time, and this server does not offer that (DELIVERBY)"
        return reply(554, "5.3.3", text)
    return None


def _lines(
    peer: Capabilities,
    envelope: Envelope,
    recipients: list[Recipient],
    content: Content,
    deadline: str,
    *,
    utf8: bool = False,
) -> str:
    sender = envelope.reverse_path
    path = f"{sender.local_part}@{sender.domain}" if sender is not None else ""
    lines = [f"MAIL FROM:<{path}>{_mail_parameters(peer, envelope, content, utf8=utf8)}{deadline}"]
    for recipient in recipients:
        address = recipient.address
        if peer.dsn and (recipient.notify or recipient.orcpt is not None):
            lines.append(f"RCPT TO:<{address.local_part}@{address.domain}>{_rcpt_parameters(recipient)}")
        else:
            lines.append(f"RCPT TO:<{address.local_part}@{address.domain}>")
    lines.append("")
    return "\r\n".join(lines)


def _mail_parameters(peer: Capabilities, envelope: Envelope, content: Content, *, utf8: bool) -> str:
    text = f" SIZE={content.size}" if peer.announces_size else ""
    if envelope.body == "7BIT":
        if content.eight_bit and peer.eight_bit:
            text += " BODY=8BITMIME"
    elif envelope.is_binary:
        text += " BODY=BINARYMIME"
    elif peer.eight_bit:
        text += " BODY=8BITMIME"
    if peer.smtputf8 and (utf8 or envelope.smtputf8):
        text += " SMTPUTF8"
    if peer.dsn:
        if envelope.ret is not None:
            text += f" RET={envelope.ret}"
        if envelope.envid is not None and _is_one_word(envelope.envid):
            text += f" ENVID={envelope.envid}"
    if envelope.requiretls:
        text += " REQUIRETLS"
    timing = envelope.timing
    if timing is not None and timing.priority and peer.priority:
        text += f" MT-PRIORITY={timing.priority}"
    return text


def _rcpt_parameters(recipient: Recipient) -> str:
    text = ""
    notify = recipient.notify
    if notify & NOTIFY_NEVER:
        text = " NOTIFY=NEVER"
    elif notify:
        names = ((NOTIFY_SUCCESS, "SUCCESS"), (NOTIFY_FAILURE, "FAILURE"), (NOTIFY_DELAY, "DELAY"))
        text = " NOTIFY=" + ",".join([name for bit, name in names if notify & bit])
    if recipient.orcpt is not None:
        orcpt = in_ascii(recipient.orcpt)
        if _is_one_word(orcpt) and len(orcpt) <= LONGEST_ORCPT:
            text += f" ORCPT={orcpt}"
    return text


def _is_one_word(text: str) -> bool:
    """xtext came from a client: what is not one printable ASCII word never reaches a command line."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _in_ascii(
    peer: Capabilities, envelope: Envelope, ordinals: tuple[int, ...], content: Content, deadline: str
) -> bytes | Obstacle:
    """The same without SMTPUTF8, for those addresses that can do without."""
    no_utf8 = reply(550, "5.6.7", "the address needs SMTPUTF8, which the server does not offer")
    sender = envelope.reverse_path
    plain_sender = None
    if sender is not None:
        plain_sender = _plain(sender)
        if plain_sender is None:
            return Obstacle(dict.fromkeys(ordinals, no_utf8), b"")
    refused: dict[int, Reply] = {}
    plain: list[Recipient] = []
    for ordinal in ordinals:
        recipient = envelope.recipients[ordinal]
        address = _plain(recipient.address)
        if address is None:
            refused[ordinal] = no_utf8
        else:
            plain.append(Recipient(address, recipient.notify, recipient.orcpt))
    if not plain:
        return Obstacle(refused, b"")
    downgraded = structs.replace(envelope, reverse_path=plain_sender, recipients=tuple(plain), smtputf8=False)
    commands = _lines(peer, downgraded, plain, content, deadline).encode("ascii")
    return Obstacle(refused, commands) if refused else commands


def _plain(address: Address) -> Address | None:
    """The address in ASCII: its domain as A-labels; None when its local-part cannot be."""
    if not address.local_part.isascii():
        return None
    return Address(address.local_part, address.domain_key, address.domain_key)

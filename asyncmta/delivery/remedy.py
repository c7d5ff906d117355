"""What of a message a server cannot take as it is, and what follows: recoded, looked at, or returned.

Promises: eight bits never go to a server without 8BITMIME unless the settings say so, nor a header in UTF-8 of an
internationalised message to one without SMTPUTF8; no bit is ever dropped. Never: content read (an argument), sockets.

RFC 6152 3 (8BITMIME), RFC 3030 3 (BINARYMIME), RFC 6531 3.5 (SMTPUTF8), RFC 3463 3.7 (5.6.3, 5.6.7).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.delivery.commands import Capabilities
from asyncmta.mail.envelope import Content, Envelope
from asyncmta.mail.recode import Unrecodable, has_ascii_header, recode
from asyncmta.mail.reply import Reply, reply
from asyncmta.mail.wire import is_dotted, stuff, unstuff


class Remedy(Struct, frozen=True):
    """`envelope` with which it goes afterwards; `recodes` from eight bits or, if `binary`, from anything; `looks`
    whether the header needs SMTPUTF8."""

    envelope: Envelope
    recodes: bool = False
    binary: bool = False
    looks: bool = False


class Fitted(Struct, frozen=True):
    """A message as this server takes it: envelope, and content in wire form."""

    envelope: Envelope
    facts: Content
    content: tuple[bytes, ...]


def find_remedy(peer: Capabilities, envelope: Envelope, facts: Content, eight_bit: str) -> Remedy | Reply | None:
    """None: it can go as it is, or `compose` has the words for it. `eight_bit`: "recode", "send" or "bounce"."""
    looks = envelope.smtputf8 and not peer.smtputf8 and facts.eight_bit
    if envelope.is_binary:
        if not peer.binary and eight_bit != "bounce":
            return Remedy(replace(envelope, body="7BIT"), recodes=True, binary=True, looks=looks)
    elif facts.eight_bit and not peer.eight_bit:
        if eight_bit == "recode":
            return Remedy(replace(envelope, body="7BIT"), recodes=True, looks=looks)
        if eight_bit == "bounce":
            return reply(554, "5.6.3", "the message has eight bits, which the server does not take (8BITMIME)")
    return Remedy(envelope, looks=True) if looks else None


def fit(wire: bytes, facts: Content, remedy: Remedy) -> Fitted | Reply:
    """Do it; takes a while for a large message."""
    plain = unstuff(wire) if facts.dotted else wire
    if remedy.looks and not has_ascii_header(plain):
        return reply(550, "5.6.7", "the header needs SMTPUTF8, which the server does not offer")
    if not remedy.recodes:
        return Fitted(remedy.envelope, facts, (wire,))
    recoded = recode(plain, binary=remedy.binary)
    if isinstance(recoded, Unrecodable):
        lacks = "binary content" if remedy.binary else "eight bits"
        return reply(554, "5.6.3", f"the server does not take {lacks}, and it cannot be recoded: {recoded.reason}")
    dotted = is_dotted(recoded)
    wire = stuff(recoded) if dotted else recoded
    return Fitted(remedy.envelope, Content(len(recoded), facts.digest, dotted, len(wire)), (wire,))

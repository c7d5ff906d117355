"""XCLIENT and XFORWARD: what a proxy or a filter whom we trust says of the client behind it.

XCLIENT takes the client's place: its address is the client's from then on, for trust, limits, log and `Received`, and
the session begins anew with a greeting. XFORWARD only tells log and `Received` of the next transaction, and trust
never. Promises: nobody is heard but the networks of `xclient_from`, by the address that counts at the moment, so that
a client who was put in the place of another cannot do it again; a line is taken whole or not at all; every value is of
its attribute's form and holds nothing that could begin a line or a field. Never: sockets, counts of sessions.

Postfix's XCLIENT_README and XFORWARD_README; reliability.md S22.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from asyncmta.inbound.events import ClientTold, Event, Refused
from asyncmta.inbound.parameters import is_xtext
from asyncmta.inbound.session import Client, Forwarded, SessionState
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply
from asyncmta.mail.xtext import decode_xtext

XCLIENT = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
XFORWARD = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
MAX_VALUE = 255

_UNKNOWN = ("[unavailable]", "[tempunavail]")
_FORMS = {
    "NAME": re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?\Z"),
    "PROTO": re.compile(r"[A-Za-z0-9._-]{1,64}\Z"),
    "HELO": re.compile(r"[!-~]+\Z"),
    "LOGIN": re.compile(r".+\Z"),
    "IDENT": re.compile(r"[!-~]+\Z"),
    "SOURCE": re.compile(r"(?i:LOCAL|REMOTE)\Z"),
    "PORT": re.compile(r"[0-9]{1,5}\Z"),
    "DESTPORT": re.compile(r"[0-9]{1,5}\Z"),
}


def offered(client: Client) -> tuple[str, ...]:
    """Lines of the reply to EHLO for this client."""
    if not client.speaks_for_others:
        return ()
    return f"XCLIENT {' '.join(XCLIENT)}", f"XFORWARD {' '.join(XFORWARD)}"


def xclient(state: SessionState, argument: str) -> bytes | Event:
    refused = _refusal("XCLIENT", state)
    if refused is not None:
        return refused
    told = parse_attributes(argument, XCLIENT)
    if isinstance(told, Reply) or told.get("PROTO", "ESMTP").upper() not in ("", "SMTP", "ESMTP"):
        return Refused("XCLIENT", replies.SYNTAX_PARAMETERS)
    client, told = state.client, {**state.told, **told}
    return ClientTold(
        ip=told.get("ADDR", client.ip),
        port=int(told["PORT"] or 0) if "PORT" in told else client.port,
        name=told.get("NAME", client.name),
        told=told,
    )


def begin_anew(state: SessionState, client: Client, told: Mapping[str, str]) -> bytes:
    """It is this client from now on: the greeting. What was told of its HELO and login holds."""
    state.client = client
    state.errors = state.junk = state.auth_failures = 0
    state.forget_everything()
    state.told = told
    state.helo = told.get("HELO", "")
    state.extended = bool(state.helo) and told.get("PROTO", "ESMTP").upper() == "ESMTP"
    if told.get("LOGIN"):
        state.log_in(told["LOGIN"])
    return state.acceptance.greeting


def xforward(state: SessionState, argument: str) -> bytes | Event:
    refused = _refusal("XFORWARD", state)
    if refused is not None:
        return refused
    told = parse_attributes(argument, XFORWARD)
    if isinstance(told, Reply):
        return Refused("XFORWARD", told)
    before = state.forwarded or Forwarded()
    state.forwarded = Forwarded(
        ip=told.get("ADDR", before.ip),
        name=told.get("NAME", before.name),
        helo=told.get("HELO", before.helo),
        protocol=told.get("PROTO", before.protocol),
    )
    return replies.FORWARDED.wire


def _refusal(verb: str, state: SessionState) -> Refused | None:
    if not state.acceptance.terms.xclient_from:
        return Refused(verb, replies.NOT_IMPLEMENTED)
    if not state.client.speaks_for_others:
        return Refused(verb, replies.NOT_A_PROXY)
    return Refused(verb, replies.DURING_TRANSACTION) if state.envelope is not None else None


def parse_attributes(argument: str, known: tuple[str, ...]) -> dict[str, str] | Reply:
    """`NAME=xtext ...` -> values by name, "" for those that are said to be unknown."""
    found: dict[str, str] = {}
    for token in argument.split(" "):
        name, _, value = token.partition("=")
        name = name.upper()
        if name not in known or name in found or len(value) > 3 * MAX_VALUE or not is_xtext(value):
            return replies.SYNTAX_PARAMETERS
        decoded = _decoded(name, value)
        if decoded is None:
            return replies.SYNTAX_PARAMETERS
        found[name] = decoded
    return found


def _decoded(name: str, value: str) -> str | None:
    """The value in the form in which it is kept; None: it has not the form of that attribute."""
    try:
        text = decode_xtext(value).encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    if text.lower() in _UNKNOWN:
        return ""
    if len(text) > MAX_VALUE or not text.isprintable():
        return None
    if name in ("ADDR", "DESTADDR"):
        return _address(text)
    if not _FORMS[name].match(text) or (name.endswith("PORT") and int(text) > 65535):
        return None
    return text.removesuffix(".") if name == "NAME" else text


def _address(text: str) -> str | None:
    try:
        if text[:5].upper() != "IPV6:":
            return str(IPv4Address(text))
        if "%" in text:  # a zone means nothing on another host
            return None
        address = IPv6Address(text[5:])
    except AddressValueError:
        return None
    return str(address.ipv4_mapped or address)

"""STARTTLS and AUTH up to the point where somebody else goes on: the handshake, the exchange of the mechanism.

Promises: a password is asked for only over TLS (or where the operator allows clear text) and outside a transaction;
an unknown mechanism or a second AUTH changes nothing; after the handshake nothing is left of what was said before it.
Never: a check of credentials (the exchange is in `listener`), certificates.

RFC 3207 4 and 4.2 (STARTTLS), RFC 4954 4 (AUTH).
"""

from __future__ import annotations

from asyncmta.inbound.events import AuthWanted, Event, Refused, TlsWanted
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies

MAX_CREDENTIAL = 1024  # octets: a slow hash is not to be fed for ever


def starttls(state: SessionState, argument: str) -> bytes | Event:
    if argument:
        return Refused("STARTTLS", replies.NO_PARAMETERS_ALLOWED)
    if state.tls:
        return Refused("STARTTLS", replies.TLS_ALREADY)
    if not state.acceptance.terms.offers_starttls:
        return Refused("STARTTLS", replies.NOT_IMPLEMENTED)
    if state.content is not None:  # between two chunks
        return Refused("STARTTLS", replies.BAD_SEQUENCE)
    return TlsWanted()


def auth(state: SessionState, argument: str) -> bytes | Event:
    acceptance = state.acceptance
    mechanism, blank, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    if not acceptance.terms.mechanisms:
        return Refused("AUTH", replies.NOT_IMPLEMENTED)
    if not state.extended:
        return Refused("AUTH", replies.NEED_EHLO)
    if not acceptance.offers_auth(bool(state.tls)):
        return Refused("AUTH", replies.AUTH_NEEDS_TLS)
    if state.login is not None:
        return Refused("AUTH", replies.AUTH_ALREADY)
    if state.envelope is not None:
        return Refused("AUTH", replies.AUTH_DURING_TRANSACTION)
    if not mechanism or " " in initial or (blank and not initial):
        return Refused("AUTH", replies.SYNTAX_PARAMETERS)
    if mechanism not in acceptance.terms.mechanisms:
        return Refused("AUTH", replies.AUTH_MECHANISM_UNKNOWN)
    return AuthWanted(mechanism, initial or None)


def credential(octets: bytes) -> str | None:
    """A login or password as text; None for what cannot be one."""
    if not 0 < len(octets) <= MAX_CREDENTIAL:
        return None
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None

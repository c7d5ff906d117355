"""The commands that change nothing: NOOP, VRFY, EXPN, HELP; QUIT; and whatever is no command of ours.

Promises: nobody learns from here who lives here (VRFY is always 252, EXPN 502); what speaks another protocol to us
gets one reply and no second chance, because it may be a browser that somebody else steers (reliability.md S07).

RFC 5321 3.5 (VRFY, EXPN), 4.1.1.6 to 4.1.1.10, 4.2.4 (502 and 500).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from asyncmta.inbound.events import Closing, Event, Refused
from asyncmta.inbound.lines import OTHER_PROTOCOL
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies

_KNOWN_NOT_DONE = frozenset({"TURN", "SEND", "SOML", "SAML", "BURL"})
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})

_NOOP_OK = replies.NOOP_OK.wire
_CANNOT_VERIFY = replies.CANNOT_VERIFY.wire
_HELP = replies.HELP.wire
_BYE = Closing(replies.BYE)


def noop(_state: SessionState, _argument: str) -> bytes | Event:
    return _NOOP_OK


def vrfy(_state: SessionState, argument: str) -> bytes | Event:
    return _CANNOT_VERIFY if argument else Refused("VRFY", replies.SYNTAX_PARAMETERS)


def expn(_state: SessionState, _argument: str) -> bytes | Event:
    return Refused("EXPN", replies.NOT_IMPLEMENTED)


def show_help(_state: SessionState, _argument: str) -> bytes | Event:
    return _HELP


def quit_session(_state: SessionState, argument: str) -> bytes | Event:
    return Refused("QUIT", replies.NO_PARAMETERS_ALLOWED) if argument else _BYE


COMMANDS: Final[Mapping[str, Callable[[SessionState, str], bytes | Event]]] = MappingProxyType(
    {"NOOP": noop, "VRFY": vrfy, "EXPN": expn, "HELP": show_help, "QUIT": quit_session}
)


def unknown(verb: str) -> Refused:
    """No command of ours."""
    if verb in _HTTP:
        return OTHER_PROTOCOL
    if verb in _KNOWN_NOT_DONE:
        return Refused("command", replies.NOT_IMPLEMENTED)
    return Refused("command", replies.UNKNOWN_COMMAND)

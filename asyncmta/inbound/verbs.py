"""Which commands there are, and which of them are something special. BDAT is not among them: octets follow it.

Never: what a command does; each stands in the file of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from asyncmta.inbound import courtesy, etrn, security, transaction, xclient
from asyncmta.inbound.events import Event
from asyncmta.inbound.session import SessionState

Command = Callable[[SessionState, str], bytes | Event]

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "EHLO": transaction.ehlo,
        "HELO": transaction.helo,
        "LHLO": transaction.lhlo,
        "MAIL": transaction.mail,
        "RCPT": transaction.rcpt,
        "DATA": transaction.data,
        "RSET": transaction.rset,
        "STARTTLS": security.starttls,
        "AUTH": security.auth,
        "ETRN": etrn.etrn,
        "XCLIENT": xclient.xclient,
        "XFORWARD": xclient.xforward,
        **courtesy.COMMANDS,
    }
)
ALONE: Final[Mapping[bytes, str]] = {f"{verb}\r".encode(): verb for verb in COMMANDS}
"""Lines without their LF that are a command and nothing else: a third of all lines, which nobody need take apart."""
BEFORE_TLS = frozenset({"EHLO", "HELO", "LHLO", "NOOP", "RSET", "HELP", "STARTTLS", "QUIT"})  # RFC 3207 4, with HELO
JUNK = frozenset({"EHLO", "HELO", "LHLO", "NOOP", "RSET", "HELP", "VRFY", "BDAT"})
"""They lead nowhere by themselves, and are counted; of BDAT the empty chunk."""

"""What is spoken on a session: the dialogue that belongs to its protocol, SMTP, LMTP or QMTP.

Never: sockets, a choice of protocol.
"""

from __future__ import annotations

from asyncmta.delivery.dialogue import Dialogue
from asyncmta.delivery.manners import Opened
from asyncmta.delivery.qmtp import QmtpDialogue

Speech = Dialogue | QmtpDialogue


def speech_on(opened: Opened) -> Speech:
    """A dialogue at its beginning."""
    if opened.protocol == "qmtp":
        return QmtpDialogue(opened.peer, opened.place)
    return Dialogue(opened.peer, opened.place, lmtp=opened.protocol == "lmtp")

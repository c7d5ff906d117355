"""Softly said: a refusal of a message or a recipient for good becomes one for now, while everything is new.

For `bounce.soft`, as Postfix's soft_bounce: whoever sends keeps the message and tries again, so that nothing is lost to
a rule, a list of users or a limit that is wrong on the first day. What a client says wrong (50x, 555), logins and
greetings stay as they are. A refusal that counted as the client's error counts still. Never: a word of the text.
"""

from __future__ import annotations

from msgspec.structs import replace

from asyncmta.inbound.events import Refused
from asyncmta.mail.reply import EnhancedStatus, Reply

_STAGES = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "dot"})
_CODES = frozenset({550, 551, 552, 553, 554, 556})


def softened(refused: Refused) -> Refused:
    """The same for now."""
    said = refused.reply
    if refused.stage not in _STAGES or said.code not in _CODES or refused.closes:
        return refused
    status = said.enhanced
    softer = EnhancedStatus(4, status.subject, status.detail) if status is not None else None
    counts = True if refused.counts is None else refused.counts
    return replace(refused, reply=Reply(said.code - 100, softer, said.lines), counts=counts)

"""What kinds of failure there are, and what cause, enhanced status and code of a reply say of it.

Promises: every reply has a class; the names are promises (docs/webhooks.md). A class is a hint for people and programs,
and no decision of delivery hangs on it. Never: the words of a reply (`failure_words`), a retry.

RFC 3463, RFC 7372.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from asyncmta.mail.outcome import Cause
from asyncmta.mail.reply import Reply


class FailureClass(StrEnum):
    """Names are promises (docs/webhooks.md)."""

    NO_MAILBOX = "no_mailbox"  # nobody of that name
    NO_DOMAIN = "no_domain"  # no such domain, or it takes no mail
    DISABLED = "disabled"  # there is or was somebody, who gets no mail
    FULL = "full"
    SPAM = "spam"  # of this message
    REPUTATION = "reputation"  # of our address or domain
    AUTH = "auth"  # SPF, DKIM, DMARC
    POLICY = "policy"
    RELAY = "relay"  # the next hop takes nothing for that domain from us
    CREDENTIALS = "credentials"  # our login at the next hop
    SENDER = "sender"  # the reverse-path is not liked
    GREYLISTED = "greylisted"
    RATE = "rate"  # too much at once
    CONTENT = "content"  # its form, an attachment, a virus
    TOO_BIG = "too_big"
    TLS = "tls"
    NETWORK = "network"  # not reached, or broken off
    SYSTEM = "system"  # something is wrong with a server, theirs or ours
    PROTOCOL = "protocol"
    LOOP = "loop"
    EXPIRED = "expired"  # tried until its lifetime was over
    OTHER = "other"

    @property
    def is_hard(self) -> bool:
        """About the address itself: nothing else that is sent there would arrive."""
        return self in _HARD


_HARD: Final = frozenset({FailureClass.NO_MAILBOX, FailureClass.NO_DOMAIN, FailureClass.DISABLED})

_CAUSES: Final[tuple[tuple[Cause, FailureClass], ...]] = (
    (Cause.EXPIRED, FailureClass.EXPIRED),
    (Cause.CONNECT, FailureClass.NETWORK),
    (Cause.TIMEOUT, FailureClass.NETWORK),
    (Cause.TLS, FailureClass.TLS),
    (Cause.STORAGE, FailureClass.SYSTEM),
    (Cause.INTERNAL, FailureClass.SYSTEM),
    (Cause.LOOP, FailureClass.LOOP),
    (Cause.POLICY, FailureClass.POLICY),
)

_STATUSES: Final[tuple[tuple[tuple[int, int], FailureClass], ...]] = (
    ((1, 1), FailureClass.NO_MAILBOX),
    ((1, 2), FailureClass.NO_DOMAIN),
    ((1, 3), FailureClass.NO_MAILBOX),
    ((1, 6), FailureClass.NO_MAILBOX),
    ((1, 7), FailureClass.SENDER),
    ((1, 8), FailureClass.SENDER),
    ((1, 10), FailureClass.NO_DOMAIN),
    ((2, 1), FailureClass.DISABLED),
    ((2, 2), FailureClass.FULL),
    ((2, 3), FailureClass.TOO_BIG),
    ((2, 4), FailureClass.NO_MAILBOX),
    ((3, 4), FailureClass.TOO_BIG),
    ((4, 6), FailureClass.LOOP),
    ((4, 7), FailureClass.EXPIRED),
    ((5, 3), FailureClass.RATE),
    ((7, 8), FailureClass.CREDENTIALS),
    ((7, 9), FailureClass.CREDENTIALS),
    ((7, 10), FailureClass.TLS),
    ((7, 11), FailureClass.TLS),
    ((7, 20), FailureClass.AUTH),
    ((7, 21), FailureClass.AUTH),
    ((7, 22), FailureClass.AUTH),
    ((7, 23), FailureClass.AUTH),
    ((7, 24), FailureClass.AUTH),
    ((7, 25), FailureClass.REPUTATION),
    ((7, 26), FailureClass.AUTH),
    ((7, 27), FailureClass.NO_DOMAIN),
    ((7, 28), FailureClass.RATE),
)
_SUBJECTS: Final[tuple[tuple[int, FailureClass], ...]] = (
    (3, FailureClass.SYSTEM),
    (4, FailureClass.NETWORK),
    (5, FailureClass.PROTOCOL),
    (6, FailureClass.CONTENT),
    (7, FailureClass.POLICY),
)
_CODES: Final[tuple[tuple[int, FailureClass], ...]] = (
    (421, FailureClass.SYSTEM),
    (451, FailureClass.SYSTEM),
    (452, FailureClass.SYSTEM),
    (500, FailureClass.PROTOCOL),
    (501, FailureClass.PROTOCOL),
    (502, FailureClass.PROTOCOL),
    (503, FailureClass.PROTOCOL),
    (504, FailureClass.PROTOCOL),
    (530, FailureClass.CREDENTIALS),
    (535, FailureClass.CREDENTIALS),
    (552, FailureClass.FULL),
    (556, FailureClass.NO_DOMAIN),
)


def of_cause(cause: Cause, reply: Reply) -> FailureClass | None:
    """What the cause alone says; None: ask the reply."""
    for known, found in _CAUSES:
        if cause is known:
            return found
    if cause is Cause.DNS:
        return FailureClass.NO_DOMAIN if reply.is_permanent else FailureClass.NETWORK
    return None


def of_numbers(reply: Reply) -> FailureClass:
    """What status and code say, where the words say nothing."""
    status = reply.enhanced
    if status is not None:
        for pair, found in _STATUSES:
            if pair == (status.subject, status.detail):
                return found
        for subject, found in _SUBJECTS:
            if subject == status.subject:
                return found
    for code, found in _CODES:
        if code == reply.code:
            return found
    return FailureClass.OTHER

"""What goes into a report: who it is about and what became of them (`ReportedRecipient`), and all else (`DsnFacts`).

Promises: the action of a recipient follows from its outcome, so that the two cannot contradict each other; what is told
of an outcome of ours is fit for strangers (`discreet`): no path, no address of an inner network, no number of an error
of this machine. Never: octets; a decision about who is told.

RFC 3464 2.3.3 (actions), 2.3.4 and RFC 3463 (status), RFC 3461 4.3 (RET); seeds P-24, W-293.
"""

from __future__ import annotations

import re
from enum import Enum
from ipaddress import ip_address, ip_network

from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.headers import header_section
from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Failed, Handover, Place
from asyncmta.mail.replies import LOCAL_ERROR
from asyncmta.mail.reply import EnhancedStatus, Reply, reply

MAILBOX_FULL = reply(452, "4.2.2", "The mailbox is full")

_EXPIRED, _TOO_LATE = EnhancedStatus(4, 4, 7), EnhancedStatus(5, 4, 7)
_FULL = (2, 2)
# What nobody outside can reach, and what says something of how our network is built.
_INNER = tuple(
    map(ip_network, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"])
) + tuple(map(ip_network, ["::1/128", "fc00::/7", "fe80::/10"]))
_PATH = re.compile(r"(?<![\w:/.])~?/[\w.@%+~-]+(?:/[\w.@%+~-]*)*")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)")
_IPV6 = re.compile(r"(?<![\w.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_ERRNO = re.compile(r"\[?Errno -?\d+\]? ?")
_LEFT_OUT = "(...)"


class Action(Enum):
    """What became of a recipient, in the order in which a report tells it."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"

    @property
    def is_success(self) -> bool:
        return self not in (Action.FAILED, Action.DELAYED)


_BY_HANDOVER = {
    Handover.FINAL: Action.DELIVERED,
    Handover.RELAYED: Action.RELAYED,
    Handover.PASSED_ON: Action.RELAYED,
    Handover.EXPANDED: Action.EXPANDED,
}


class ReportedRecipient(Struct, frozen=True):
    """A recipient of this report. at: when it was last tried, in Unix seconds, or None. last: for an expired one, the
    deferral that was its last attempt; it says who spoke, which the outcome cannot any more. too_late: its sender's
    deadline was the end."""

    recipient: Recipient
    outcome: Delivered | Deferred | Failed
    at: float | None = None
    last: Deferred | None = None
    too_late: bool = False

    @property
    def action(self) -> Action:
        if isinstance(self.outcome, Failed):
            return Action.FAILED
        return Action.DELAYED if isinstance(self.outcome, Deferred) else _BY_HANDOVER[self.outcome.handover]

    @property
    def source(self) -> Delivered | Deferred | Failed:
        """Whose reply and place are to be told."""
        return self.outcome if self.last is None else self.last

    @property
    def is_expired(self) -> bool:
        """It failed because the time was over."""
        return isinstance(self.outcome, Failed) and self.outcome.cause is Cause.EXPIRED

    @property
    def is_heard(self) -> bool:
        """The reply is the other side's own word; else it is ours."""
        source = self.source
        return bool(source.place.host) and (isinstance(source, Delivered) or source.cause is Cause.REFUSED)

    @property
    def place(self) -> Place:
        """Where it happened, as far as that is nobody's secret: what is behind us is a part of us to others."""
        place = self.source.place
        if place.host == "localhost" or place.host.startswith("/") or _is_inner(place.host.strip("[]")):
            return NOWHERE
        return Place(place.host, "" if _is_inner(place.ip) else place.ip)

    @property
    def reply(self) -> Reply:
        """What was said: by the other side as it came, by us in words for strangers."""
        source = self.source
        said = source.reply
        if not isinstance(source, Delivered) and source.cause in (Cause.INTERNAL, Cause.STORAGE):
            status = said.enhanced
            return MAILBOX_FULL if status is not None and (status.subject, status.detail) == _FULL else LOCAL_ERROR
        return said if self.is_heard else Reply(said.code, said.enhanced, (discreet(said.text),))

    @property
    def status(self) -> str:
        """RFC 3463: of the class that belongs to the action; 4 also where the lifetime was over, and it was not the
        sender who has set it."""
        if self.is_expired:
            return str(_TOO_LATE if self.too_late else _EXPIRED)
        class_ = 5 if isinstance(self.outcome, Failed) else 4 if isinstance(self.outcome, Deferred) else 2
        enhanced = self.reply.enhanced
        return str(enhanced) if enhanced is not None and enhanced.class_ == class_ else f"{class_}.0.0"


class DsnFacts(Struct, frozen=True, kw_only=True):
    """All that goes into a report.

    boundary: any letters and digits, hard to guess. message_id: without angle brackets. at: the report's own date.
    reverse_path: to whom. accepted_at, queue_id, envid, smtputf8: of the message. recipients: whom the report is
    about. total, delivered, reported, pending: how many recipients the message has, and how many of those that are not
    in `recipients` are in which state. content: its octets (dots unstuffed), whole or only the header section;
    returned whole where `full`, somebody failed, and the octets allow it. retry_until: when those who are delayed will
    be given up, 0.0 for unknown. deliver_by: the sender's deadline, 0.0 for none. double: it is for the postmaster,
    and the message is itself a report, which could not be delivered.
    """

    boundary: str
    message_id: str
    reporting_mta: str
    postmaster: str
    at: float
    reverse_path: Address
    queue_id: QueueId
    accepted_at: float
    attempts: int
    recipients: tuple[ReportedRecipient, ...]
    total: int
    content: bytes
    delivered: int = 0
    reported: int = 0
    pending: int = 0
    envid: str | None = None
    full: bool = False
    smtputf8: bool = False
    retry_until: float = 0.0
    deliver_by: float = 0.0
    double: bool = False

    def those(self, action: Action) -> tuple[ReportedRecipient, ...]:
        return tuple(each for each in self.recipients if each.action is action)

    @property
    def worst(self) -> Action:
        """By which the report is called."""
        actions = {each.action for each in self.recipients}
        return next((action for action in Action if action in actions), Action.FAILED)

    @property
    def is_failure(self) -> bool:
        return self.worst is Action.FAILED


def needs_smtputf8(facts: DsnFacts) -> bool:
    """Must the report be sent with SMTPUTF8? Where it goes to an address that is not ASCII; or where the message was
    sent so itself and there is something in it that is not ASCII: a recipient or the header section."""
    if not facts.reverse_path.is_ascii:
        return True
    is_ascii = all(each.recipient.address.is_ascii for each in facts.recipients)
    return facts.smtputf8 and not (is_ascii and header_section(facts.content).isascii())


def discreet(text: str) -> str:
    """Words of ours without what is nobody's business outside: paths, addresses of inner networks, error numbers."""
    text = _PATH.sub(_LEFT_OUT, _ERRNO.sub("", text))
    for pattern in (_IPV4, _IPV6):
        text = pattern.sub(lambda match: _LEFT_OUT if _is_inner(match[0]) else match[0], text)
    return text


def _is_inner(text: str) -> bool:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in _INNER)

"""Made-up reports, to look at the words of a template before senders do.

Promises: each kind shows every sentence that a report of its kind can have. Never: a real name or message.
"""

from __future__ import annotations

from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Place
from asyncmta.mail.reply import reply

KINDS = ("failed", "delayed", "success", "mixed", "double")

_NOW = 1732226460.0
_DAY, _HOUR = 86400.0, 3600.0
_MX, _OTHER = Place("mx.example.net", "192.0.2.25"), Place("mail.example.com", "2001:db8::25")
_CONTENT = b"""\
From: Alice <alice@example.org>\r
To: bob@example.net, carol@example.com\r
Subject: Minutes of our meeting\r
Message-ID: <20241121.1@example.org>\r
Date: Sat, 16 Nov 2024 22:00:58 +0000\r
\r
"""

_GREYLISTED = Deferred(Cause.REFUSED, reply(450, "4.2.0", "Greylisted, come back later"), place=_OTHER)
_SILENT = Deferred(Cause.TIMEOUT, reply(451, "4.4.1", "timed out (connecting)"), place=_OTHER)
_NO_SUCH = Failed(Cause.REFUSED, reply(550, "5.1.1", "No such user here"), place=_MX)
_NO_DOMAIN = Failed(Cause.DNS, reply(550, "5.1.2", "the domain nowhere.example does not exist"))


def _about(address: str, outcome: Delivered | Deferred | Failed, orcpt: str | None = None) -> ReportedRecipient:
    last = outcome if isinstance(outcome, Deferred) else None
    return ReportedRecipient(Recipient(parse_address(address), orcpt=orcpt), outcome, _NOW - 10, last)


_FAILED = (
    _about("bob@example.net", _NO_SUCH, "rfc822;info@example.org"),
    _about("robert@example.net", _NO_SUCH),
    _about("eve@nowhere.example", _NO_DOMAIN),
    ReportedRecipient(
        Recipient(parse_address("dave@example.com")), Failed(Cause.EXPIRED, _SILENT.reply), _NOW - 10, _SILENT
    ),
)
_DELAYED = (_about("carol@example.com", _GREYLISTED),)
_SUCCESS = (
    _about("frank@example.org", Delivered(reply(250, "2.0.0", "delivered to mailbox"))),
    _about("grace@example.net", Delivered(reply(250, "2.0.0", "Ok: queued as 4F2"), _MX, handover=Handover.RELAYED)),
    _about("staff@example.org", Delivered(reply(250, "2.1.5", "expanded"), handover=Handover.EXPANDED)),
)
_BY_KIND = {
    "failed": _FAILED,
    "delayed": _DELAYED,
    "success": _SUCCESS,
    "mixed": (*_FAILED, *_DELAYED, *_SUCCESS),
    "double": _FAILED[:1],
}


def example(kind: str, *, hostname: str, postmaster: str) -> DsnFacts:
    """One of KINDS, as if it came from here."""
    recipients = _BY_KIND[kind]
    age = 4 * _HOUR if kind == "delayed" else 5 * _DAY
    return DsnFacts(
        boundary="example",
        message_id=f"example@{hostname}",
        reporting_mta=hostname,
        postmaster=postmaster,
        at=_NOW,
        reverse_path=parse_address("alice@example.org"),
        queue_id=QueueId(0x5EED_0000_1000_0000_002A),
        accepted_at=_NOW - age,
        attempts=9 if kind == "delayed" else 42,
        recipients=recipients,
        total=len(recipients) + 3,
        content=_CONTENT,
        delivered=2,
        pending=1,
        retry_until=_NOW - age + 6 * _DAY,
        double=kind == "double",
    )

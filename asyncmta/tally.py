"""What the mail log's events come to, as plain numbers: the counts that metrics are made of. Pure.

Promises: counting an event costs some additions and no look-up of a metric; nothing that a peer says becomes a key:
those are from fixed sets. Never: a name of a metric, a text of a reply, an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from asyncmta import logline
from asyncmta.log_rendering import Row
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import Reply
from asyncmta.system.meter import DELAYS, Distribution, Meter

REASONS = ("other", "address", "mailbox", "system", "network", "protocol", "content", "policy")
"""The subjects of enhanced codes (RFC 3463 2), from 0 on."""
STAGES = (
    *("connect", "greeting", "session", "XCLIENT", "HELO", "EHLO", "LHLO", "STARTTLS", "AUTH"),
    *("MAIL", "RCPT", "DATA", "BDAT", "dot"),
)
OTHER = "other"
CAUSES = {cause: cause.name.lower() for cause in Cause}
CLASSES = {digit: f"{digit}xx" for digit in range(2, 6)}
_DELIVERED, _DISCARDED = ("delivered", "none"), ("discarded", "none")
OUTCOMES = (
    *(_DELIVERED, _DISCARDED, ("expired", "expired")),
    *((outcome, cause) for outcome in ("deferred", "failed") for cause in CAUSES.values() if cause != "expired"),
)
VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

Counts = dict[tuple[str, ...], int]


class Told(Struct, frozen=True):
    """A copy of a tally that does not change. Keys: of `accepted` the TLS version; of `refused` stage, class and
    reason; of `attempts` the class of the reply; of `outcomes` outcome and cause; of `bounced` what became of it."""

    accepted: Mapping[tuple[str, ...], int]
    recipients: int
    octets: int
    refused: Mapping[tuple[str, ...], int]
    attempts: Mapping[tuple[str, ...], int]
    outcomes: Mapping[tuple[str, ...], int]
    bounced: Mapping[tuple[str, ...], int]
    retired: int
    transfer: Distribution
    total: Distribution


class Tally:
    """Of one log."""

    def __init__(self) -> None:
        # Known from the start, as 0: what appears with its first event is no increase to who asks for one.
        self._accepted: Counts = dict.fromkeys((("none",), ("TLSv1.2",), ("TLSv1.3",)), 0)
        self._recipients = self._octets = self._retired = 0
        self._refused: Counts = {}
        self._attempts: Counts = dict.fromkeys((("2xx",), ("4xx",), ("5xx",), ("none",)), 0)
        self._outcomes: Counts = dict.fromkeys(OUTCOMES, 0)
        self._bounced: Counts = dict.fromkeys((("queued",), ("dropped",)), 0)
        self._transfer, self._total = Meter(DELAYS), Meter(DELAYS)

    def accepted(self, *, tls: str, recipients: int, size: int) -> None:
        _count(self._accepted, (version_of(tls),))
        self._recipients += recipients
        self._octets += size

    def refused(self, stage: str, reply: Reply) -> None:
        _count(self._refused, (stage if stage in STAGES else OTHER, class_of(reply), reason_of(reply)))

    def attempted(self, seconds: float, reply: Reply | None) -> None:
        _count(self._attempts, (class_of(reply),))
        self._transfer.add(seconds)

    def settled(self, outcome: Delivered | Deferred | Failed, delay: float, *, expired: bool = False) -> None:
        """One recipient. How long it took is told of who was delivered."""
        key: tuple[str, ...]
        if isinstance(outcome, Delivered):
            key = _DISCARDED if outcome.discarded else _DELIVERED
            self._total.add(delay)
        elif isinstance(outcome, Deferred):
            key = ("deferred", CAUSES[outcome.cause])
        else:
            key = ("expired" if expired else "failed", CAUSES[outcome.cause])
        _count(self._outcomes, key)

    def bounced(self, *, is_told: bool) -> None:
        _count(self._bounced, ("queued" if is_told else "dropped",))

    def retired(self) -> None:
        self._retired += 1

    def take(self, rows: Sequence[Row]) -> None:
        """The same of those of these new events that every message has. One with odd facts is no event, as its line
        says."""
        seconds: list[float] = []
        delays: list[float] = []
        for _, _, event, build, facts in rows:
            try:
                if build is logline.retired:
                    self._retired += 1
                elif build is logline.attempt:
                    _, spent, heard = facts[3]
                    seconds.append(spent + 0.0)
                    _count(self._attempts, (class_of(heard),))
                elif build is logline.settled and event == "delivered":
                    key, delay = _DISCARDED if facts[2].discarded else _DELIVERED, facts[3] + 0.0
                    _count(self._outcomes, key)
                    delays.append(delay)
                elif build is logline.accepted:
                    _, envelope, size, source = facts
                    self.accepted(tls=source.tls, recipients=len(envelope.recipients), size=size)
            except Exception:  # noqa: S112 - of a wrong type
                continue
        self._transfer.add_all(seconds)
        self._total.add_all(delays)

    def read(self) -> Told:
        return Told(
            dict(self._accepted),
            self._recipients,
            self._octets,
            dict(self._refused),
            dict(self._attempts),
            dict(self._outcomes),
            dict(self._bounced),
            self._retired,
            self._transfer.read(),
            self._total.read(),
        )


def version_of(tls: str) -> str:
    """Of what a connection says of its TLS: the version, and after a space perhaps a cipher."""
    if not tls:
        return "none"
    version = tls.partition(" ")[0]
    return version if version in VERSIONS else OTHER


def class_of(reply: Reply | None) -> str:
    """By the first digit of a reply: what a server said, as far as it fits a label."""
    return CLASSES.get(reply.code // 100, OTHER) if reply is not None else "none"


def reason_of(reply: Reply) -> str:
    """By the subject of the enhanced code (RFC 3463 2.2 on); what has none, or another, is "other"."""
    subject = reply.enhanced.subject if reply.enhanced is not None else 0
    return REASONS[subject] if subject < len(REASONS) else OTHER


def _count(counts: Counts, key: tuple[str, ...]) -> None:
    counts[key] = counts.get(key, 0) + 1

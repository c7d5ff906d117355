"""Whom a report is for: its sender, the postmaster, or nobody; and why nobody.

A report goes to the envelope sender where one wants it (NOTIFY) and it is plausible that he is one: not to the null
reverse-path, not to the address of a mail system, where so configured only to senders of ours, and to a stranger's
address not more often than the limit says: who is flooded with reports has not sent what they are about. Promises: no
report ever answers a report; a copy for the postmaster of one that could not be delivered (a double bounce) is never
answered by another, whatever way it went. Never: the octets; who has failed.

RFC 5321 4.5.5, 6.1 and 6.2; RFC 3461 4.1; seeds P-19, W-034, W-263, Disagreement 22; reliability.md L06, L07.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from asyncmta.mail.address import Address, unquote
from asyncmta.mail.envelope import NOTIFY_FAILURE
from asyncmta.mail.headers import field
from asyncmta.mail.notify import wants
from asyncmta.mail.outcome import Delivered, Failed
from asyncmta.spool.ledger import Entry

MAIL_SYSTEMS = frozenset({"mailer-daemon", "double-bounce"})
MARK = "X-Asyncmta-Double-Bounce"
"""The field of a copy for the postmaster, by which it is known again behind an alias or a forward."""

NO_SENDER = "the reverse-path is null"
NOT_WANTED = "its sender does not want to know"
MAIL_SYSTEM = "its sender is a mail system"
NOT_OURS = "its sender is not ours"
TOO_MANY = "too many reports to this address"


class Audience(Struct, frozen=True):
    """`told` and `untold` are ordinals in order; `reason` says why somebody is untold, "" where nobody is."""

    told: tuple[int, ...]
    untold: tuple[int, ...]
    reason: str = ""


class Audiences:
    """The decisions of one Mta. `is_ours`: does this message come from a client, a login or a domain of ours?
    `may_tell`, `may_copy`: may this address, or the postmaster, have one report more now? (It counts as one.)"""

    def __init__(
        self,
        *,
        only_ours: bool = False,
        is_ours: Callable[[Entry], bool] = lambda _: True,
        may_tell: Callable[[str], bool] = lambda _: True,
        double: Address | None = None,
        may_copy: Callable[[], bool] = lambda: True,
    ) -> None:
        self._only_ours = only_ours
        self._is_ours = is_ours
        self._may_tell = may_tell
        self._double = double
        self._may_copy = may_copy

    def of(self, entry: Entry, outcomes: Mapping[int, Failed | Delivered]) -> Audience:
        """Of which of these failures, and of these deliveries that are owed, the sender is told."""
        wanted = tuple(
            ordinal
            for ordinal in sorted(outcomes)
            if isinstance(outcomes[ordinal], Delivered) or wants(entry.envelope, ordinal, NOTIFY_FAILURE)
        )
        return self._among(entry, wanted, tuple(sorted(outcomes)))

    def of_those(self, entry: Entry, ordinals: tuple[int, ...], event: int) -> Audience:
        """The same of something that all of these have in common (NOTIFY_DELAY)."""
        wanted = tuple(ordinal for ordinal in ordinals if wants(entry.envelope, ordinal, event))
        return self._among(entry, wanted, ordinals)

    def double_for(self, entry: Entry, section: bytes) -> Address | None:
        """Who gets a copy of this report (its header section), which failed; None: nobody."""
        double = self._double
        if double is None or entry.envelope.reverse_path is not None or field(section, MARK) is not None:
            return None
        if any(_same(recipient.address, double) for recipient in entry.envelope.recipients):
            return None
        return double if self._may_copy() else None

    def _among(self, entry: Entry, wanted: tuple[int, ...], everybody: tuple[int, ...]) -> Audience:
        reason = self._refusal(entry, wanted)
        if reason:
            return Audience((), everybody, reason)
        rest = tuple(ordinal for ordinal in everybody if ordinal not in wanted)
        return Audience(wanted, rest, NOT_WANTED if rest else "")

    def _refusal(self, entry: Entry, wanted: tuple[int, ...]) -> str:
        sender = entry.envelope.reverse_path
        if sender is None:
            return NO_SENDER
        if not wanted:
            return NOT_WANTED
        if unquote(sender.local_part).lower() in MAIL_SYSTEMS:
            return MAIL_SYSTEM
        if self._is_ours(entry):
            return ""
        if self._only_ours:
            return NOT_OURS
        return "" if self._may_tell(f"{unquote(sender.local_part)}@{sender.domain_key}") else TOO_MANY


def _same(one: Address, other: Address) -> bool:
    names = (unquote(each.local_part).casefold() for each in (one, other))
    return one.domain_key == other.domain_key and len(set(names)) == 1

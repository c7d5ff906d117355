"""The oracle: the ledger closes. What was acknowledged = delivered + bounced + queued, for each letter and recipient.

It looks from outside only: at the replies that clients got, at what the sink took, at the files in Maildirs and at what
`queue` lists. A letter that got no 250 may have been taken or not, but never in part. Independent of asyncmta's code.
"""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.lab import letters
from tests.crash.lab.client import Sent
from tests.crash.lab.sink import Taken

Copy = tuple[str, str]
"""A letter's identity and one recipient: what can be delivered, bounced or queued."""


@dataclass
class Account:
    """What became of the letters of one run."""

    acknowledged: int = 0
    untold: int = 0  # taken, and the 250 was lost with the crash
    copies: int = 0  # of what was acknowledged, one for each recipient
    delivered: int = 0  # of those; each is counted once, as the first of these three that it is
    bounced: int = 0
    queued: int = 0
    left: int = 0  # what waits in the queue, acknowledged or not
    duplicates: int = 0
    explained: int = 0
    lost: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.altered or self.faults or self.duplicates != self.explained)

    def add(self, other: Account) -> None:
        for name in (
            "acknowledged",
            "untold",
            "copies",
            "delivered",
            "bounced",
            "queued",
            "left",
            "duplicates",
            "explained",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("lost", "altered", "faults"):
            getattr(self, name).extend(getattr(other, name))

    def __str__(self) -> str:
        text = f"{self.acknowledged} acknowledged, {len(self.lost)} lost, {len(self.altered)} altered, "
        text += f"{self.duplicates} duplicates ({self.explained} explained)"
        for name in ("lost", "altered", "faults"):
            if said := getattr(self, name):
                text += f"; {name}: {said[:5]}"
        return text


class Arrived:
    """What was found at the far ends; `note` takes one message that was found there. `digests`: of letters that do not
    name their own, by Message-Id."""

    def __init__(self, digests: Mapping[str, str] | None = None) -> None:
        self.digests = digests or {}
        self.copies: Counter[Copy] = Counter()
        self.bounces: Counter[str] = Counter()  # by the recipient that failed
        self.altered: list[str] = []

    def note(self, content: bytes, recipients: Iterable[str]) -> None:
        if letters.is_report(content):
            told = letters.reported(content)
            if told is None:
                self.altered.append("a delivery report")
            for recipient in told or ():
                self.bounces[recipient] += 1
            return
        identity, whole = letters.examine(content)
        if not identity:
            identity, digest = letters.foreign(content)
            whole = self.digests.get(identity) == digest
        if not whole:
            self.altered.append(identity or repr(content[:60]))
        for recipient in recipients:
            self.copies[identity, recipient] += 1

    def note_sink(self, taken: Sequence[Taken]) -> None:
        for each in taken:
            self.note(each.content, each.recipients)

    def note_mailboxes(self, files: Mapping[str, bytes]) -> None:
        """Files of new/ and cur/: each must be whole, for each is seen by a reader."""
        for path, content in files.items():
            to = letters.DELIVERED_TO.search(content)
            if to is None:
                self.altered.append(path)
            else:
                self.note(content, [to[1].decode().lower()])


def identity_of(content: bytes) -> str:
    return letters.examine(content)[0] or letters.foreign(content)[0]


def mailboxes(root: pathlib.Path) -> dict[str, bytes]:
    """What readers of the Maildirs below `root` see."""
    return {str(path): path.read_bytes() for part in ("new", "cur") for path in root.glob(f"*/*/{part}/*")}


def settle(
    sent: Sequence[Sent], arrived: Arrived, queue: Sequence[Mapping[str, Any]], *, may_repeat: Iterable[Copy] = ()
) -> Account:
    """`queue` is what waits; `may_repeat` are the copies that the sink had and the journal did not know it, at a crash:
    each may arrive once more, and nothing else may."""
    account = Account(altered=list(arrived.altered))
    waiting: Counter[Copy] = Counter()
    reporting: set[str] = set()
    for row in queue:
        if not (row["whole"] or (row["digest"] and arrived.digests.get(row["identity"]) == row["digest"])):
            account.altered.append(f"queued {row['identity'] or row['recipients']}")
        for recipient in row["recipients"]:
            waiting[row["identity"], recipient] += 1
        for recipient in row["reports"]:  # a report that waits
            reporting.add(recipient)
    known: set[Copy] = set()
    for letter in sent:
        account.acknowledged += letter.acknowledged
        found = False
        for recipient in letter.recipients:
            copy = letter.identity, recipient
            known.add(copy)
            places = (arrived.copies[copy], arrived.bounces[recipient], waiting[copy] or recipient in reporting)
            found = found or any(places)
            if letter.acknowledged:
                account.copies += 1
                account.delivered += places[0] > 0
                account.bounced += not places[0] and places[1] > 0
                account.queued += not places[0] and not places[1] and places[2] > 0
            if not any(places) and letter.acknowledged:
                account.lost.append(f"{letter.identity} to {recipient}")
            if places[0] and places[1]:
                account.faults.append(f"{letter.identity} to {recipient} was delivered and bounced")
        account.untold += found and not letter.acknowledged
    account.faults += [f"never sent: {copy}" for copy in arrived.copies.keys() - known]
    account.left = sum(waiting.values())
    allowance = Counter(may_repeat)
    for copy, times in arrived.copies.items():
        account.duplicates += times - 1
        account.explained += min(times - 1, allowance[copy])
    for recipient, times in arrived.bounces.items():
        account.duplicates += times - 1
        if times > 1:
            account.faults.append(f"{times} reports about {recipient}")
    return account

"""The accounts of a simulation: what clients were told, what arrived, what was reported; and whether they close.

They close when every message for which a 250 was sent is delivered, reported or still queued; when none is delivered
more often than its client tried; and when what was delivered twice lost its reply, or its record to a crash.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from msgspec import Struct, field

from tests.incidents.incidentkit import QUEUE_ID, failed_recipients, queue_ids, without_received
from tests.simulation.moods import MoodySink, Taken

SUBJECT = re.compile(rb"^Subject: (m\d+)\r?$", re.MULTILINE)
REPORT = b"Content-Type: multipart/report"
RETURNED = re.compile(rb"^Content-Type: (?:text/rfc822-headers|message/rfc822)", re.MULTILINE)


class Letter(Struct):
    """A message as its client has it. `promises`: for each 250, the queue id and the recipients it was given for;
    `whim`: what its client does when it comes to the content, see `Clients`; 1.0 from the second time on."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    whim: float = 1.0
    tries: int = 0
    promises: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


Delivery = tuple[str, str]  # queue id, recipient


class Accounts:
    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.recorded: set[Delivery] = set()
        """What the MTA has said it delivered, and has made durable since."""
        self.recorded_in: dict[Delivery, int] = {}

    def record(self, deliveries: set[Delivery], life: int) -> None:
        for delivery in deliveries - self.recorded:
            self.recorded_in[delivery] = life
        self.recorded |= deliveries

    def faults(
        self,
        sinks: list[MoodySink],
        mailboxes: dict[str, list[bytes]],
        *,
        waiting: set[Delivery],
        discarded: set[Delivery],
    ) -> list[str]:
        """What does not close. `mailboxes`: by address; `waiting` in the queue; `discarded`: failed, with nobody to
        tell."""
        return _Audit(self, sinks, mailboxes).faults(waiting, discarded)


class _Audit:
    def __init__(self, accounts: Accounts, sinks: list[MoodySink], mailboxes: dict[str, list[bytes]]) -> None:
        self._accounts = accounts
        self._found: list[str] = []
        self._owners: dict[str, set[str]] = defaultdict(set)  # of queue ids
        self._remote: dict[Delivery, list[Taken]] = defaultdict(list)
        self._local: Counter[Delivery] = Counter()
        self._reports: dict[Delivery, set[str]] = defaultdict(set)  # by the queue ids of the DSNs
        for sink in sinks:
            self._found += [f"the next hop heard nonsense: {violation}" for violation in sink.violations]
            for taken in sink.taken:
                self._enter_remote(taken)
        for address, contents in mailboxes.items():
            for content in contents:
                self._enter_local(address, content)

    def faults(self, waiting: set[Delivery], discarded: set[Delivery]) -> list[str]:
        self._promises(waiting | discarded)
        self._repeats()
        for queue_id, names in self._owners.items():
            if len(names) > 1:
                self._found.append(f"the queue id {queue_id} was given to {sorted(names)}")
        for name, letter in self._accounts.letters.items():
            lives = {queue_id for queue_id, names in self._owners.items() if name in names}
            if len(lives) > letter.tries:
                self._found.append(f"{name} became {len(lives)} messages in {letter.tries} tries")
        return self._found

    # -- entering ----------------------------------------------------------------------------------------------------

    def _enter_remote(self, taken: Taken) -> None:
        content = taken.message.content
        if REPORT in _header(content):
            self._enter_report(content)
            return
        queue_id = self._enter(content, content)
        for recipient in taken.message.recipients:
            self._remote[queue_id, recipient].append(taken)

    def _enter_local(self, address: str, content: bytes) -> None:
        if REPORT in _header(content):
            self._enter_report(content)
        else:
            front = content.index(b"Received: ")
            self._local[self._enter(content, content[front:].replace(b"\n", b"\r\n")), address] += 1

    def _enter(self, content: bytes, received: bytes) -> str:
        """Whose is it, and is it whole? Its queue id."""
        match = SUBJECT.search(content)
        letter = self._accounts.letters.get(match[1].decode()) if match is not None else None
        queue_id = queue_ids(received)[0]
        if letter is None:
            self._found.append(f"{queue_id} is nobody's: {content[:300]!r}")
        elif not without_received(received).endswith(letter.content):
            self._found.append(f"the content of {letter.name} was changed: {received[:300]!r}")
        else:
            self._owners[queue_id].add(letter.name)
        return queue_id

    def _enter_report(self, content: bytes) -> None:
        returned = RETURNED.search(content)
        original = QUEUE_ID.search(content, returned.end()) if returned is not None else None
        if original is None:
            self._found.append(f"a report about nothing: {content!r}")
            return
        front = content.index(b"Received: ")
        for recipient in failed_recipients(content):
            self._reports[original[1].decode(), recipient].add(queue_ids(content[front:])[0])

    # -- closing -----------------------------------------------------------------------------------------------------

    def _promises(self, settled: set[Delivery]) -> None:
        for letter in self._accounts.letters.values():
            for queue_id, recipients in letter.promises:
                for recipient in recipients:
                    delivery = (queue_id, recipient)
                    if not (
                        self._remote.get(delivery)
                        or self._local[delivery]
                        or self._reports.get(delivery)
                        or delivery in settled
                    ):
                        self._found.append(f"{letter.name} to {recipient} is lost ({queue_id}: 250 was sent)")

    def _repeats(self) -> None:
        for delivery, all_taken in self._remote.items():
            for earlier, later in pairwise(all_taken):
                if earlier.is_told and (earlier.life == later.life or self._is_recorded(delivery, later.life)):
                    lives = f"in lives {earlier.life} and {later.life}"
                    self._found.append(f"{delivery} came twice without a reason, {lives}")
            last = all_taken[-1]
            excused = not last.is_told or not self._is_recorded(delivery, last.life + 1)
            if self._reports.get(delivery) and not excused:
                self._found.append(f"{delivery} is delivered and reported")
        for delivery, copies in self._local.items():
            if copies > 1:
                self._found.append(f"{delivery} is {copies} times in the mailbox")
            if self._reports.get(delivery):
                self._found.append(f"{delivery} is in the mailbox and reported")
        for delivery, reports in self._reports.items():
            if len(reports) > 1:
                self._found.append(f"{delivery} is reported by {sorted(reports)}")

    def _is_recorded(self, delivery: Delivery, before: int) -> bool:
        """Was its delivery durable before this life began?"""
        return self._accounts.recorded_in.get(delivery, before) < before


def _header(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").partition(b"\n\n")[0]

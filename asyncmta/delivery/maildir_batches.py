"""What waits for the disk in local delivery: parcels, deliveries, and the lanes in which they stand.

Promises: a batch is bounded in number and octets. Never: the disk, a task, a decision about who has a mailbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from asyncmta.delivery.maildir_copy import Copy
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Outcome, Postponed

BATCH = 64
BATCH_OCTETS = 4 * 1024 * 1024

Done = Callable[[Consignment, Mapping[int, Outcome] | Postponed], None]


class Parcel:
    """A consignment in our hands: what it has come to so far, and its content once it was read."""

    __slots__ = ("consignment", "done", "in_mailbox_form", "outcomes", "parts")

    def __init__(self, consignment: Consignment, done: Done) -> None:
        self.consignment = consignment
        self.done = done
        self.outcomes: dict[int, Outcome] = {}
        self.parts: tuple[bytes, ...] = ()
        self.in_mailbox_form: bytes | None = None


class Delivery:
    """One recipient of a parcel, and the copy for it."""

    __slots__ = ("copy", "ordinal", "parcel")

    def __init__(self, parcel: Parcel, ordinal: int, copy: Copy) -> None:
        self.parcel = parcel
        self.ordinal = ordinal
        self.copy = copy


class Lane:
    """Deliveries that wait, and how many workers may serve them."""

    __slots__ = ("is_starting", "running", "waiting", "workers")

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.running = 0
        self.is_starting = False
        self.waiting: deque[Delivery] = deque()

    def take(self) -> list[Delivery]:
        """The next batch; at least one, and bounded in number and octets."""
        batch: list[Delivery] = []
        octets = 0
        while self.waiting and len(batch) < BATCH and octets < BATCH_OCTETS:
            delivery = self.waiting.popleft()
            octets += delivery.parcel.consignment.content.wire_size
            batch.append(delivery)
        return batch

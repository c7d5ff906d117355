"""The journal's vocabulary: one frozen value for each fact. Their octets are the business of `codec`.

Facts only: no due time, no route, no priority is ever recorded; they follow from facts and the present settings. A
record is about one message, known by its queue id, and about recipients, known by their ordinals.

docs/journal-format.md 2.3 (kinds) and 4 (states).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from asyncmta.mail.envelope import Content, Envelope, QueueId
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome

INLINE_LIMIT = 256 << 10
"""Content above this goes to a file of its own (`Store.begin_large`)."""


class Accepted(Struct, frozen=True, gc=False):
    """We are responsible. `parts`: the content in wire form, empty when `large`, and when read back from a journal."""

    queue_id: QueueId
    at: float
    envelope: Envelope
    content: Content
    client: str
    login: str | None
    large: bool = False
    parts: tuple[bytes, ...] = ()


class Attempted(Struct, frozen=True, gc=False):
    """What one attempt did for each of these recipients."""

    queue_id: QueueId
    at: float
    outcomes: dict[int, Outcome]


class Reported(Struct, frozen=True, gc=False):
    """The sender has been told of these failures, and of these deliveries that were `owed`, by the message `by`; None:
    discarded, there is nobody to tell."""

    queue_id: QueueId
    at: float
    ordinals: tuple[int, ...]
    by: QueueId | None


class Warned(Struct, frozen=True, gc=False):
    """The sender has been told that these recipients are late."""

    queue_id: QueueId
    at: float
    ordinals: tuple[int, ...]
    by: QueueId | None


class Held(Struct, frozen=True, gc=False):
    queue_id: QueueId
    at: float


class Released(Struct, frozen=True, gc=False):
    queue_id: QueueId
    at: float


class Removed(Struct, frozen=True, gc=False):
    """An operator, `by`, took the message out of the queue."""

    queue_id: QueueId
    at: float
    by: str


class Retired(Struct, frozen=True, gc=False):
    """The message is closed and its octets may go."""

    queue_id: QueueId


class Carried(Struct, frozen=True, gc=False):
    """The whole state of a message, written again so that an old segment can be dropped. `at`: when it was accepted.
    `states`: one octet for each ordinal, PENDING to REPORTED. A recipient that is done may be an empty address. `owed`:
    those of the delivered whose sender is still to be told so.
    `packed`: the parts are the content as `compression` packs it."""

    queue_id: QueueId
    at: float
    envelope: Envelope
    content: Content
    client: str
    login: str | None
    large: bool
    attempts: int
    states: bytes
    last: dict[int, tuple[float, Deferred]]
    failed: dict[int, Failed]
    held: bool
    warned: bool
    parts: tuple[bytes, ...] = ()
    packed: bool = False
    owed: dict[int, tuple[float, Delivered]] = {}


class Checkpoint(Struct, frozen=True, gc=False):
    """Segments below `oldest` may go. The store's own; about no message."""

    oldest: int


Record = Accepted | Attempted | Reported | Warned | Held | Released | Removed | Retired | Carried
"""What a caller may commit: each has a `queue_id`."""


def is_new_mail(records: Sequence[Record]) -> bool:
    """Are these messages of others, held or not, and nothing that ends one of ours?"""
    is_known = all(isinstance(record, Accepted | Held) for record in records)
    return is_known and any(isinstance(record, Accepted) for record in records)


PENDING, DELIVERED, FAILED, REPORTED = range(4)

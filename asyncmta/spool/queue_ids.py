"""Queue ids: 24 bits of journal tag, 20 of boot number, 36 of counter; never the same twice in the life of a journal.

Promises: independent of the clock; an id is given out only under a boot number that some durable header covers. The tag
is a digest, for ids are seen by strangers and the journal id keys its checksums. docs/journal-format.md 5.
"""

from __future__ import annotations

from hashlib import blake2b

from asyncmta.mail.envelope import QueueId

COUNTER_BITS, BOOT_BITS = 36, 20
MAX_BOOT = (1 << BOOT_BITS) - 1


class QueueIds:
    """The ids of one life of a journal, from this boot number on."""

    def __init__(self, journal: bytes, boot: int) -> None:
        tag = int.from_bytes(blake2b(journal, digest_size=16).digest()[:3], "big")
        self._next = (tag << BOOT_BITS | boot) << COUNTER_BITS
        self.tag = f"{tag:06x}"

    def next(self) -> QueueId:
        queue_id = self._next
        self._next = queue_id + 1
        return QueueId(queue_id)

    def boot(self) -> int:
        """The boot number that the header which is being written has to cover: the one in use, and the next as soon as
        the counter is half through. The other half outlasts any segment. OverflowError when there is none left."""
        boot = (self._next >> COUNTER_BITS & MAX_BOOT) + (self._next >> COUNTER_BITS - 1 & 1)
        if boot >= MAX_BOOT:
            raise OverflowError("the queue ids of this journal are used up")
        return boot

"""The half of compaction that touches the disk: content is read for carrying, and what was carried is read back.

Promises: nothing is given out that is not what was accepted; content is packed here, if that saves room, and what is
packed already is checked and goes on as it stands; what was carried counts only when the device, past the page cache,
gives back each octet of it (K2). The methods of `Carrier` block, and raise OSError for what may pass (no descriptor, no
memory). Never: decides what is carried.

reliability.md 5.5; docs/journal-format.md 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import ContentUnavailable, Recipient
from asyncmta.spool import framing
from asyncmta.spool.codec import encode
from asyncmta.spool.compression import pack
from asyncmta.spool.content import read_stored
from asyncmta.spool.failures import raise_if_it_may_pass
from asyncmta.spool.ledger import Entry
from asyncmta.spool.records import DELIVERED, REPORTED, Carried
from asyncmta.spool.space import Reserve
from asyncmta.spool.tail import segment_path
from asyncmta.system.disk import Disk

NOBODY = Recipient(Address("", "", ""))
"""In the place of a recipient about whom everything is done (docs/journal-format.md 2.3)."""

Place = tuple[int, int]
"""Segment and offset of a record."""


class Load(Struct, frozen=True, gc=False):
    """Content as it will stand in the record that carries it."""

    parts: tuple[bytes, ...]
    packed: bool = False


def laden(entry: Entry, load: Load) -> Carried:
    """The record that carries this message."""
    return msgspec.structs.replace(shrunk(entry.carried(load.parts)), packed=load.packed)


def shrunk(record: Carried) -> Carried:
    """The same without the addresses of those about whom nothing is left to do or to tell; their ordinals stay."""
    if DELIVERED not in record.states and REPORTED not in record.states:
        return record
    recipients = tuple(
        NOBODY if state in {DELIVERED, REPORTED} and at not in record.owed else recipient
        for at, (recipient, state) in enumerate(zip(record.envelope.recipients, record.states, strict=True))
    )
    return msgspec.structs.replace(record, envelope=msgspec.structs.replace(record.envelope, recipients=recipients))


class Carrier:
    def __init__(self, *, disk: Disk, directory: str, journal: bytes, reserve: Reserve) -> None:
        self._disk = disk
        self._directory = directory
        self._journal = journal
        self.reserve = reserve

    def read(self, entries: Sequence[Entry]) -> list[Load | None]:
        """The content of each, checked, and packed if that saves room; None: it cannot be had."""
        return [self._read(entry) for entry in entries]

    def _read(self, entry: Entry) -> Load | None:
        if entry.large:
            return Load(())
        try:
            found = read_stored(self._disk, self._directory, self._journal, entry)
        except ContentUnavailable as error:
            raise_if_it_may_pass(error.__cause__)
            return None
        if found.is_packed:
            return Load((found.stored,), packed=True)
        packed = pack(found.plain)
        return Load((found.plain,)) if packed is None else Load((packed,), packed=True)

    def differing(self, carried: Sequence[tuple[Place, Carried]]) -> list[int]:
        """Which of these, by index, the device does not give back as they were written."""
        bad = []
        by_segment: dict[int, list[int]] = {}
        for index, ((segment, _), _) in enumerate(carried):
            by_segment.setdefault(segment, []).append(index)
        for segment, indexes in by_segment.items():
            try:
                file = self._disk.open(segment_path(self._directory, segment))
            except OSError as error:
                raise_if_it_may_pass(error)
                bad += indexes
                continue
            try:
                self._disk.drop_cache(file)
                bad += [index for index in indexes if not self._is_there(file, *carried[index])]
            finally:
                with suppress(OSError):  # it was only read: there is no news that close could bring
                    self._disk.close(file)
        return bad

    def _is_there(self, file: int, place: Place, record: Carried) -> bool:
        segment, offset = place
        wanted = encode(record)
        try:
            octets = self._disk.read_at(file, wanted.size, offset)
        except OSError as error:
            raise_if_it_may_pass(error)
            return False
        where = framing.place(self._journal, segment)
        frame = framing.read_frame(memoryview(octets), 0, where, check_content=True, base=offset)
        if frame is None or (frame.queue_id, frame.kind, frame.flags) != (wanted.queue_id, wanted.kind, wanted.flags):
            return False
        return octets[framing.HEADER_SIZE :] == b"".join((wanted.metadata, *wanted.parts))

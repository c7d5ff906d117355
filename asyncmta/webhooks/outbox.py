"""Events that are to be told, on the disk: files of lines, and for each endpoint the place up to which it has them.

Promises: what was appended is synced when that returns; no more than so many octets stand there: the oldest file goes
first, and the events of it that an endpoint had not got are counted as lost; a place that was not saved costs events
that are told again, and nothing else. Half a line, after a crash, is nobody's event. Never: the loop; all of it blocks,
and is called from one thread.

docs/webhooks.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec
from msgspec import Struct

from asyncmta.system.disk import Disk
from asyncmta.webhooks.events import head

SIZE = 64 << 20  # octets of all files
FILES = 16  # that they are
PIECE = 1 << 20  # octets that are read at once

_NAME = re.compile(r"events-([0-9]{10})\.jsonl\Z")
_STATE = "places.json"


class Place(Struct, frozen=True, order=True, array_like=True):
    """Behind the last event that an endpoint has: a file and an offset in it."""

    file: int = 0
    offset: int = 0


class State(Struct, frozen=True):
    """What is kept beside the events. `clean`: nothing is missing in them."""

    places: dict[str, Place]
    clean: bool = False


class Batch(Struct, frozen=True):
    """Events for an endpoint, as lines, and its place when it has them. No lines: there are none up to there."""

    lines: tuple[bytes, ...]
    place: Place


class Outbox:
    """One for an Mta. The first line of a file says when it was begun, from when on a restart looks back."""

    def __init__(self, *, disk: Disk, directory: str, size: int = SIZE) -> None:
        self._disk = disk
        self._directory = directory
        self._most = size
        self._largest = max(size // FILES, 4096)
        self._sizes: dict[int, int] = {}  # of the files, the oldest first
        self._file = -1
        self._places: dict[str, Place] = {}
        self.lost = 0

    # -- begin and end -----------------------------------------------------------------------------------------------

    def open(self, names: Iterable[str], now: float) -> None:
        """Begin a new file behind those that are there; who is new begins with it, who is gone is forgotten."""
        disk = self._disk
        disk.make_directories(self._directory)
        for name in disk.list(self._directory):
            match = _NAME.match(name)
            if match is not None:
                number = int(match[1])
                self._sizes[number] = self._size(number)
        state, oldest = self._read_state(), Place(min(self._sizes, default=0))
        self._begin(now)
        # Of what cannot be read nobody knows who has what: all is told again.
        other = self.end if state is not None else oldest
        known = {} if state is None else state.places
        self._places = {name: max(known.get(name, other), oldest) for name in names}
        self.save()
        disk.sync_directory(self._directory)  # one that is not there is that of a beginning: it may not go
        self._shrink()

    def is_clean(self) -> bool:
        """Was it closed with all that had been durable? Also one that was never there. Before `open`."""
        state = self._read_state()
        return state is not None and state.clean

    def close(self, clean: bool = False) -> None:
        """`clean`: all that was durable is in it."""
        self._close_file()
        if clean:
            self.save(clean=True)

    def _close_file(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            self._disk.close(file)

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def end(self) -> Place:
        number = max(self._sizes, default=0)
        return Place(number, self._sizes.get(number, 0))

    def append(self, octets: bytes, now: float) -> None:
        """Durable when it returns; raises OSError."""
        number, size = self.end.file, self.end.offset
        if size > self._largest:
            self._begin(now)
            number, size = self.end.file, self.end.offset
            self._shrink()
        self._disk.writev(self._file, (octets,), size)
        self._disk.fdatasync(self._file)
        self._sizes[number] = size + len(octets)

    def _begin(self, now: float) -> None:
        disk, number = self._disk, max(self._sizes, default=0) + 1
        self._close_file()
        self._file = disk.create(self._path(number))
        octets = b'{"began":%.3f}\n' % now
        disk.writev(self._file, (octets,), 0)
        disk.fdatasync(self._file)
        disk.sync_directory(self._directory)
        self._sizes[number] = len(octets)

    def _shrink(self) -> None:
        """What everybody has goes, but for the two newest files, which say what was told last; then the oldest."""
        first = min(self._places.values(), default=self.end)
        while len(self._sizes) > 2:
            oldest = min(self._sizes)
            if oldest >= first.file and sum(self._sizes.values()) <= self._most:
                return
            self.lost += self._waiting_in(oldest)
            with suppress(FileNotFoundError):
                self._disk.unlink(self._path(oldest))
            del self._sizes[oldest]

    def _waiting_in(self, number: int) -> int:
        """Events of a file that is given up and that somebody has not got, once for each of them."""
        offsets = [
            place.offset if place.file == number else 0 for place in self._places.values() if place.file <= number
        ]
        if not offsets:
            return 0
        octets = self._octets(number, 0, self._sizes[number])
        return sum(octets.count(b"\n", offset) - (offset == 0) for offset in offsets)

    # -- reading -----------------------------------------------------------------------------------------------------

    def place(self, name: str) -> Place:
        return self._places[name]

    def read(self, place: Place, most: int, kinds: frozenset[str]) -> Batch:
        """The next events of these kinds behind a place, at most so many, from one file."""
        numbers = sorted(number for number in tuple(self._sizes) if number >= place.file)
        for number in numbers:
            if number != place.file:
                place = Place(number)
            batch = self._read_file(place, most, kinds)
            if batch.lines or number == numbers[-1]:
                return batch
            place = batch.place
        return Batch((), place)

    def _read_file(self, place: Place, most: int, kinds: frozenset[str]) -> Batch:
        """From one file: until there are enough, or it ends."""
        found: list[bytes] = []
        offset = place.offset
        while octets := self._octets(place.file, offset, PIECE):
            whole = octets.rfind(b"\n") + 1
            for line in octets[:whole].splitlines(keepends=True):
                offset += len(line)
                known = head(line)
                if known is not None and known.event in kinds:
                    found.append(line[:-1])
                    if len(found) == most:
                        return Batch(tuple(found), Place(place.file, offset))
            if not whole:  # half a line
                break
        return Batch(tuple(found), Place(place.file, offset))

    def last(self) -> tuple[float, frozenset[str]]:
        """Of the two newest files: the time of the last event, or of their begin; and the ids of their events. Before
        `open` is called there may be none: 0.0."""
        at = 0.0
        ids: set[str] = set()
        try:
            names = self._disk.list(self._directory)
        except FileNotFoundError:
            return 0.0, frozenset()
        numbers = sorted(int(match[1]) for match in map(_NAME.match, names) if match is not None)
        for number in numbers[-2:]:
            for line in self._octets(number, 0, self._size(number)).splitlines():
                known = head(line)
                if known is None:
                    at = max(at, _began(line))
                elif known.queue_id:
                    at = max(at, known.ts)
                    ids.add(known.id)
        return at, frozenset(ids)

    def _octets(self, number: int, offset: int, size: int) -> bytes:
        try:
            file = self._disk.open(self._path(number))
        except FileNotFoundError:  # given up meanwhile
            return b""
        try:
            return self._disk.read_at(file, size, offset)
        finally:
            self._disk.close(file)

    def _size(self, number: int) -> int:
        file = self._disk.open(self._path(number))
        try:
            return self._disk.size(file)
        finally:
            self._disk.close(file)

    # -- places ------------------------------------------------------------------------------------------------------

    def advance(self, name: str, place: Place) -> None:
        """This endpoint has all up to there."""
        self._places[name] = place
        self.save()

    def save(self, *, clean: bool = False) -> None:
        disk, path = self._disk, f"{self._directory}/{_STATE}"
        with suppress(FileNotFoundError):
            disk.unlink(f"{path}.new")
        file = disk.create(f"{path}.new")
        try:
            disk.writev(file, (msgspec.json.encode(State(self._places, clean)),), 0)
            disk.fdatasync(file)
        finally:
            disk.close(file)
        disk.rename(f"{path}.new", path)

    def _read_state(self) -> State | None:
        """None, where it cannot be read; one that is not there is that of a beginning."""
        try:
            file = self._disk.open(f"{self._directory}/{_STATE}")
        except FileNotFoundError:
            return State({}, True)
        try:
            return msgspec.json.decode(self._disk.read_at(file, PIECE, 0), type=State)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        finally:
            self._disk.close(file)

    @property
    def octets(self) -> int:
        """Of all files."""
        return sum(tuple(self._sizes.values()))

    def backlog(self, name: str) -> int:
        """Octets that this endpoint has not got; all of them before `open`."""
        place = self._places.get(name, Place())
        return sum(
            size - (place.offset if number == place.file else 0)
            for number, size in tuple(self._sizes.items())
            if number >= place.file
        )

    def _path(self, number: int) -> str:
        return f"{self._directory}/events-{number:010d}.jsonl"


class _Began(Struct, frozen=True):
    began: float = 0.0


def _began(line: bytes) -> float:
    try:
        return msgspec.json.decode(line, type=_Began).began
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0.0

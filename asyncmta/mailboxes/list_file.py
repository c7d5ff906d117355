"""A file that names who lives here: an address or a local part on each line, read again when it has changed.

Promises: what cannot be read, or has a line that is neither, is "cannot be told" and never "nobody": a slip of the pen
costs a delay and no mail, and a line in the log. The file is looked at in a thread, at most once a second, however many
ask. A symbolic link is followed: that is how such files get into containers. Never: writing.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

from asyncmta.mail.address import Address, InvalidAddress
from asyncmta.mailboxes.path import entry_name, mailbox_name
from asyncmta.system.clock import Clock

FRESH = 1.0  # seconds between two looks at the file
LARGEST = 64 << 20  # octets; more is not this file

Signature = tuple[int, int, int]


class ListFile:
    """One file; `has` may be asked by many at once. `on_faults` hears why it cannot be told, and when it can again."""

    def __init__(
        self, *, path: str, clock: Clock, on_faults: Callable[[str, tuple[str, ...]], None] | None = None
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._on_faults = on_faults
        self._fault = ""
        self._names: frozenset[str] | None = None
        self._signature: Signature | None = None
        self._fresh_until = float("-inf")
        self._look: asyncio.Future[frozenset[str] | str] | None = None

    async def has(self, address: Address) -> bool | None:
        """Is it named? None: it cannot be told now."""
        names = await self._current()
        name = mailbox_name(address.local_part)
        if names is None:
            return None
        if name is None:
            return False
        # Quotes around an address do not make it the one that is listed.
        return ("@" not in name and name in names) or f"{name}@{address.domain_key}" in names

    async def _current(self) -> frozenset[str] | None:
        if self._clock.monotonic() < self._fresh_until:
            return self._names
        if self._look is None:
            self._look = asyncio.ensure_future(asyncio.to_thread(self._read))
            self._look.add_done_callback(self._looked)
        await asyncio.shield(self._look)
        return self._names

    def _looked(self, look: asyncio.Future[frozenset[str] | str]) -> None:
        self._look = None
        found = "the look was broken off" if look.cancelled() else look.exception() or look.result()
        self._names = found if isinstance(found, frozenset) else None
        self._fresh_until = self._clock.monotonic() + FRESH
        fault = "" if isinstance(found, frozenset) else str(found)
        if fault != self._fault:
            self._fault = fault
            if self._on_faults is not None:
                self._on_faults(str(self._path), (fault,) if fault else ())

    def _read(self) -> frozenset[str] | str:
        """In a thread."""
        try:
            found = self._path.stat()
            signature = (found.st_mtime_ns, found.st_size, found.st_ino)
            if signature == self._signature and self._names is not None:
                return self._names
            if found.st_size > LARGEST:
                return f"larger than {LARGEST >> 20} MiB"
            if not stat.S_ISREG(found.st_mode):  # before it is opened: a pipe would keep the thread
                return "not a file"
            names = parse_list(self._path.read_text("utf-8-sig"))
        except OSError as error:
            return error.strerror or type(error).__name__
        except ValueError as error:
            return str(error)
        self._signature = signature
        return names


def parse_list(text: str) -> frozenset[str]:
    """The names in normal form, as `entry_name` has them; `#` begins a comment. ValueError for a line that is none."""
    names = set()
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                names.add(entry_name(entry))
            except InvalidAddress as error:
                raise ValueError(f"line {number}: {error}") from None
    return frozenset(names)

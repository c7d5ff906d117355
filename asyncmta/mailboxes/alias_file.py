"""Files of aliases on the disk: read with all that they include, and read again when any of it has changed.

Promises: reading happens in a thread, at most once a second, however many ask; a table that cannot be read, or one of
whose includes cannot be, is "cannot be told" (as a whole, or for the names that lead there) and never an empty table.
Faults are said once for each state of the files. Bounded: a hundred included files, 64 MiB each. Never: writing; a
program; an include of a file that everybody may write; a file of somebody else for whoever owns a table of his own (the
admin of a domain includes his files, and not whatever we may read).
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable

from msgspec import Struct

from asyncmta.mailboxes.alias_text import AliasText, Broken, Include, Target, parse_include
from asyncmta.system.clock import Clock
from asyncmta.system.file_state import FileState, file_state

FRESH = 1.0  # seconds between two looks
LARGEST = 64 << 20
MOST_INCLUDES = 100
INCLUDE_LEVELS = 10
ROOT = 0  # trusted with every file, as we are ourselves


class AliasTable(Struct, frozen=True):
    """What the files say, includes and all. `faults`: "FILE, line N: reason" each."""

    entries: dict[str, tuple[Target, ...]]
    faults: tuple[str, ...]
    signatures: dict[str, FileState]


class _Included(Struct, frozen=True):
    """A file that is included, and whose it is."""

    targets: tuple[Target, ...]
    owner: int


class Unreadable(Exception):
    """Why the file cannot be had."""


class AliasFile:
    """One file; `current` may be asked by many at once. `on_faults` hears of faults when they change. `text`: in place
    of the file itself, whose `path` is then only a name; what it includes are files all the same."""

    def __init__(
        self,
        *,
        path: str,
        parse: Callable[[str], AliasText],
        clock: Clock,
        on_faults: Callable[[str, tuple[str, ...]], None],
        text: str | None = None,
    ) -> None:
        self._path = path
        self._text = text
        self._parse = parse
        self._clock = clock
        self._on_faults = on_faults
        self._table: AliasTable | None = None
        self._said: tuple[str, ...] = ()
        self._fresh_until = float("-inf")
        self._look: asyncio.Future[AliasTable | str] | None = None

    def known(self) -> AliasTable | None:
        """The table, if it need not be looked at now."""
        return self._table if self._clock.monotonic() < self._fresh_until else None

    async def current(self) -> AliasTable | None:
        """The table; None: it cannot be told now."""
        if self._clock.monotonic() < self._fresh_until:
            return self._table
        if self._look is None:
            self._look = asyncio.ensure_future(asyncio.to_thread(self._read, self._table))
            self._look.add_done_callback(self._looked)
        await asyncio.shield(self._look)
        return self._table

    def _looked(self, look: asyncio.Future[AliasTable | str]) -> None:
        self._look = None
        found = "the look was broken off" if look.cancelled() else look.exception() or look.result()
        self._table = found if isinstance(found, AliasTable) else None
        self._fresh_until = self._clock.monotonic() + FRESH
        faults = found.faults if isinstance(found, AliasTable) else (str(found),)
        if faults != self._said:
            self._said = faults
            self._on_faults(self._path, faults)

    def _read(self, before: AliasTable | None) -> AliasTable | str:
        """In a thread."""
        if before is not None and all(file_state(path) == seen for path, seen in before.signatures.items()):
            return before
        try:
            return read_table(self._path, self._parse, self._text)
        except Unreadable as error:
            return str(error)


def read_table(path: str, parse: Callable[[str], AliasText], text: str | None = None) -> AliasTable:
    """Read a file of aliases with its includes. Blocks; raises Unreadable."""
    signatures: dict[str, FileState] = {} if text is not None else {path: file_state(path)}
    text, owner = _text_of(path) if text is None else (text, ROOT)
    found = parse(text)
    faults = [f"{path}, {fault}" for fault in found.faults]
    entries: dict[str, tuple[Target, ...]] = {}
    included: dict[tuple[str, int], _Included] = {}
    for key, targets in found.entries.items():
        entries[key] = _with_includes((targets, owner), included, signatures, faults)
    return AliasTable(entries, tuple(faults), signatures)


def _with_includes(
    owned: tuple[tuple[Target, ...], int],
    included: dict[tuple[str, int], _Included],
    signatures: dict[str, FileState],
    faults: list[str],
) -> tuple[Target, ...]:
    """The targets of somebody's file, each include replaced by what is in it: once, however many ways lead there."""
    targets, owner = owned
    whole: list[Target] = []
    taken: set[str] = set()
    waiting: list[tuple[Target, tuple[str, ...], int]] = [(target, (), owner) for target in reversed(targets)]
    while waiting:
        target, within, owner = waiting.pop()
        if not isinstance(target, Include):
            whole.append(target)
            continue
        reason = ""
        if target.path in within:
            reason = "includes itself"
        elif len(within) == INCLUDE_LEVELS:
            reason = f"includes within includes, more than {INCLUDE_LEVELS} levels of them"
        if reason:
            fault = f"{target.path}: {reason}"
            whole.append(Broken(fault))
            if fault not in faults:
                faults.append(fault)
            continue
        if target.path in taken:  # whoever is in there is reached already
            continue
        taken.add(target.path)
        if (target.path, owner) not in included:
            included[target.path, owner] = _included(target.path, owner, signatures, faults)
        file = included[target.path, owner]
        waiting.extend((inner, (*within, target.path), file.owner) for inner in reversed(file.targets))
    return tuple(whole)


def _included(path: str, by: int, signatures: dict[str, FileState], faults: list[str]) -> _Included:
    """What somebody's file gets of another; nothing of it is looked at where it may not have it."""
    if len(signatures) > MOST_INCLUDES:
        reason = f"more than {MOST_INCLUDES} included files"
        faults.append(f"{path}: {reason}")
        return _Included((Broken(reason),), ROOT)
    signatures[path] = file_state(path)
    try:
        text, owner = _text_of(path)
        if owner != by and by not in (ROOT, os.geteuid()):
            raise Unreadable(f"{path}: belongs to somebody else than the file that includes it")
    except Unreadable as error:
        faults.append(str(error))
        return _Included((Broken(str(error)),), ROOT)
    targets, found = parse_include(text)
    faults.extend(f"{path}, {fault}" for fault in found)
    return _Included(targets, owner)


def _text_of(path: str) -> tuple[str, int]:
    """What stands in a file, and whose it is."""
    try:
        with open(path, "rb", opener=_open) as file:
            facts = os.fstat(file.fileno())
            mode = facts.st_mode
            if not stat.S_ISREG(mode):
                raise Unreadable(f"{path}: not a file")
            if mode & stat.S_IWOTH:
                raise Unreadable(f"{path}: everybody may write it")
            octets = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise Unreadable(f"{path}: not a file") from None
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if len(octets) > LARGEST:
        raise Unreadable(f"{path}: larger than {LARGEST >> 20} MiB")
    try:
        return octets.decode("utf-8-sig"), facts.st_uid
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: not UTF-8") from None


def _open(path: str, flags: int) -> int:
    """Without waiting: a pipe would keep the thread until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)

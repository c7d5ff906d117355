"""Forward files: in the directory of a mailbox, whom its owner wants his mail sent to.

Addresses as in an included file, nothing else: `\\name`, or the mailbox's own address, keeps a copy. Promises: only a
regular file counts that belongs to the owner of the directory (or to root), has one name, and can be written by nobody
else; a link is not followed; one that cannot be read, or in which something cannot be taken, is "cannot be told", so
that nothing is delivered elsewhere than its owner wants; an empty one is none. Read in a thread; what was found holds
for a few seconds. Bounded: 64 KiB. Never: writing; a program; a file that a forward file names.

seeds F-21, W-300.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from asyncmta.mailboxes.alias_text import Broken, Include, Target, parse_include
from asyncmta.mailboxes.expansion import Untold
from asyncmta.system.clock import Clock

LARGEST = 64 << 10
THREADS = 2
CACHED = 10_000
KEPT = 5.0  # seconds
KEPT_UNTOLD = 1.0

Found = tuple[Target, ...] | Untold
"""Whom mail is for; nobody: there is no such file, and it is for the mailbox."""


class ForwardFiles:
    """`name`: what the file is called."""

    def __init__(self, *, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        self._looking: dict[str, asyncio.Future[Found]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="asyncmta-forward")

    def known(self, mailbox: str) -> Found | None:
        """What holds for the mailbox at this path, where that can be told at once."""
        found = self._cache.get(mailbox)
        return found[1] if found is not None and found[0] > self._clock.monotonic() else None

    async def of(self, mailbox: str) -> Found:
        """The same, from the disk if need be."""
        found = self.known(mailbox)
        if found is not None:
            return found
        look = self._looking.get(mailbox)
        if look is None:
            loop = asyncio.get_running_loop()
            look = self._looking[mailbox] = loop.run_in_executor(self._threads, read_forward, mailbox, self._name)
            look.add_done_callback(lambda done: self._looked(mailbox, done))
        return await asyncio.shield(look)

    def _looked(self, mailbox: str, look: asyncio.Future[Found]) -> None:
        del self._looking[mailbox]
        if look.cancelled():
            return
        found = look.result()
        kept = KEPT_UNTOLD if isinstance(found, Untold) else KEPT
        self._cache[mailbox] = (self._clock.monotonic() + kept, found)
        self._cache.move_to_end(mailbox)
        if len(self._cache) > CACHED:
            self._cache.popitem(last=False)


def read_forward(mailbox: str, name: str) -> Found:
    """Whom the mailbox at this path forwards to. Blocks."""
    try:
        octets = _octets_of(mailbox, name)
        text = octets.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ()  # where there is no directory yet, nobody can have left anything in it
    except OSError as error:
        return Untold(f"{mailbox}/{name}: {error.strerror}")
    except UnicodeDecodeError:
        return Untold(f"{mailbox}/{name}: not UTF-8")
    targets, faults = parse_include(text)
    if faults:
        return Untold(f"{mailbox}/{name}, {faults[0]}")
    if any(isinstance(target, Include | Broken) for target in targets):
        return Untold(f"{mailbox}/{name}: it names a file, and only addresses are allowed")
    return targets


def _octets_of(mailbox: str, name: str) -> bytes:
    """Raises OSError, also for what may not be trusted."""
    directory = os.open(mailbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # Not to wait for a pipe that nobody writes into.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(name, flags, dir_fd=directory)
        try:
            _check(os.fstat(file), os.fstat(directory))
            return os.read(file, LARGEST + 1)
        finally:
            os.close(file)
    finally:
        os.close(directory)


def _check(found: os.stat_result, directory: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "not a file")
    if found.st_uid not in (directory.st_uid, 0):
        raise OSError(0, "of another owner than its directory")
    if found.st_nlink != 1:
        raise OSError(0, "it has another name too")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(0, "others may write it")
    if found.st_size > LARGEST:
        raise OSError(0, "too large")

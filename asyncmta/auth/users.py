"""The file of users as it is now: read at the start, and again when it has changed and somebody logs in.

Promises: a file that cannot be read or has a fault refuses the start; later it leaves the users as they were, with one
warning for each change of it; it is looked at once a second at most, in a thread. Whether others may read it is said.
Never: writing (`users_writing`), passwords.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from asyncmta.auth.reading import Found, UsersRefused, read, read_if_changed, said
from asyncmta.auth.users_file import Users
from asyncmta.maillog import MailLog

LOOK = 1.0  # seconds between two looks at the file


class UsersOnDisk:
    """The users of one file. `changed` is called when there are others."""

    def __init__(
        self, path: str, *, monotonic: Callable[[], float], maillog: MailLog, changed: Callable[[Users], None]
    ) -> None:
        """Raises UsersRefused."""
        self._path = path
        self._monotonic = monotonic
        self._maillog = maillog
        self._changed = changed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="auth-users")
        self._looking: asyncio.Future[None] | None = None
        self._looked = monotonic()
        found = read(path)
        if found.users.faults:
            raise UsersRefused(said(path, found.users.faults))
        self._signature = found.signature
        self.users = found.users
        self._say_who_may_read(found)

    async def current(self) -> Users:
        """The users, after a look at the file where the last one is too old."""
        now = self._monotonic()
        if now - self._looked >= LOOK and self._looking is None:
            self._looked = now
            self._looking = asyncio.ensure_future(self._look())
        if self._looking is not None:
            await asyncio.shield(self._looking)
        return self.users

    async def close(self) -> None:
        if self._looking is not None:
            await asyncio.wait([self._looking])
        self._thread.shutdown(wait=False)

    async def _look(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, read_if_changed, self._path, self._signature)
            if found is not None:
                self._take(found)
        except UsersRefused as error:
            if self._signature:  # said once, until it can be read again
                self._maillog.note("warning", "auth_users_kept", reason=str(error))
            self._signature = ()
        finally:
            self._looking = None

    def _take(self, found: Found) -> None:
        self._signature = found.signature
        if found.users.faults:
            self._maillog.note("warning", "auth_users_kept", reason=said(self._path, found.users.faults))
            return
        self.users = found.users
        self._maillog.note("info", "auth_users_read", file=self._path, users=len(found.users.by_key))
        self._say_who_may_read(found)
        self._changed(found.users)

    def _say_who_may_read(self, found: Found) -> None:
        if found.mode & (stat.S_IRGRP | stat.S_IROTH):
            mode = f"{stat.S_IMODE(found.mode):04o}"
            self._maillog.note("warning", "auth_users_readable_by_others", file=self._path, mode=mode, advice="0600")

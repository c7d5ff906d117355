"""Slow checks of passwords in threads of their own: few at once, few that wait, and a memory of what was right.

Promises: the loop never waits for a hash; beyond QUEUE waiting ones the answer is "not now"; whoever is unknown costs
the same as somebody who is known; what was right once is known for a while by a keyed digest of login, password and
hash, so that a change of the hash is the end of it. Nothing of a wrong password is kept. Never: users, limits.

reliability.md A04 and A07.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from asyncmta.auth import hashes
from asyncmta.auth.users_file import User

THREADS = max(1, min(4, (os.cpu_count() or 1) - 1))  # one processor is the loop's
QUEUE = 100
REMEMBERED = 1000
REMEMBERED_FOR = 3600.0  # seconds

Fits = Callable[[User, str], bool]


class Checking:
    """The threads of one Mta. `fits` is the slow function itself."""

    def __init__(self, now: Callable[[], float], *, fits: Fits = hashes.fits, threads: int = THREADS) -> None:
        self._now = now
        self._fits = fits
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="auth")
        self._room = threads + QUEUE
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}  # digest -> until when

    async def fits(self, user: User, password: str, *, is_real: bool = True) -> bool | None:
        """Is this the (prepared) password of this user? None: too many wait. Not `is_real`: the same work for a no."""
        digest = self._digest(user, password)
        if is_real and self._right.get(digest, 0.0) > self._now():
            return True
        if self._room <= 0:
            return None
        self._room -= 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._fits, user, password)

        def done(_: Future[bool]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._give_back)

        work.add_done_callback(done)  # also when the client has gone: the thread goes on until its end
        is_right = await asyncio.wrap_future(work) and is_real
        if is_right:
            self._remember(digest)
        return is_right

    def forget(self) -> None:
        """The users have changed."""
        self._right.clear()

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(
            None, lambda: self._threads.shutdown(wait=True, cancel_futures=True)
        )

    def _give_back(self) -> None:
        self._room += 1

    def _remember(self, digest: bytes) -> None:
        if len(self._right) >= REMEMBERED:
            del self._right[next(iter(self._right))]
        self._right[digest] = self._now() + REMEMBERED_FOR

    def _digest(self, user: User, password: str) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (user.login, user.hash, repr(user.verifier and user.verifier.stored_key), password):
            octets = part.encode()
            digest.update(b"%d:" % len(octets) + octets)
        return digest.digest()

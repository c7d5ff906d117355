"""Who lives here, asked of an SQLite database with a query of the operator's: whoever it finds a row for is there.

Parameters of the query: `:address` (`name@domain`), `:local_part` (`name`) and `:domain`, all in normal form. Promises:
the database is opened to be read only, anew for each question, so that one that was put in its place is seen at once;
what cannot be opened, read or answered in time is "cannot be told" and never "nobody"; a fault is said once, until
another comes or it is over. Questions run in threads of their own, not more than two at a time. Never: writing.

Seeds Q-05, Q-08, W-111. The only importer of sqlite3 that the MTA runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asyncmta.mail.address import Address
from asyncmta.mailboxes.path import mailbox_name
from asyncmta.system.clock import Clock
from asyncmta.system.deadline import Deadline

THREADS = 2
TIMEOUT = 5.0  # for the answer, and for a database that somebody else has locked
INSTRUCTIONS = 10_000  # between two looks whether it is time to stop

OnFaults = Callable[[str, tuple[str, ...]], None]


class SqliteUsers:
    """One database and one query; `has` may be asked by many at once."""

    def __init__(self, *, path: str, query: str, clock: Clock, on_faults: OnFaults) -> None:
        self._path = path
        self._query = query
        self._clock = clock
        self._on_faults = on_faults
        self._fault = ""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="asyncmta-sqlite")

    async def has(self, address: Address) -> bool | None:
        """Is there a row? None: it cannot be told now."""
        name, domain = mailbox_name(address.local_part), address.domain_key
        if name is None:
            return False
        asked = {"address": f"{name}@{domain}", "local_part": name, "domain": domain}
        question = _Question(self._path, self._query, asked)
        answer = asyncio.get_running_loop().run_in_executor(self._threads, question.ask)
        try:
            async with Deadline(self._clock, TIMEOUT):
                found = await answer
        except TimeoutError:
            self._say(f"no answer within {TIMEOUT:g} s")
            return None
        except (OSError, sqlite3.Error) as error:
            self._say(str(error))
            return None
        finally:
            question.stop()
        self._say("")
        return found

    def _say(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            self._on_faults(self._path, (fault,) if fault else ())


class _Question:
    """Asked in a thread; `stop` may come from another."""

    def __init__(self, path: str, query: str, asked: dict[str, str]) -> None:
        self._path = Path(path)
        self._query = query
        self._asked = asked
        self._is_over = False

    def ask(self) -> bool:
        if not stat.S_ISREG(self._path.stat().st_mode):  # before it is opened: a pipe would keep the thread
            raise OSError("not a file")
        with contextlib.closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=TIMEOUT)) as found:
            found.set_progress_handler(self._is_to_stop, INSTRUCTIONS)
            return found.execute(self._query, self._asked).fetchone() is not None

    def stop(self) -> None:
        self._is_over = True

    def _is_to_stop(self) -> bool:
        return self._is_over

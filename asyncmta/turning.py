"""What ETRN starts: what waits for a domain is due now, and its site is tried again though it was given up for a while.

Promises: what its sender wants to go later is left alone; for one domain nothing is read back; all domains below one
are looked for through the whole queue, a chunk at a time, by one task at most, for which a drain waits. Never: who may
ask, and how often (`inbound/etrn`).

RFC 1985; seeds D-58, P-90.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from asyncmta.inbound.etrn import Turns
from asyncmta.mail.address import Address
from asyncmta.operations import NotRunning, Operations

_WAITS_ELSEWHERE = ("mx:", "smarthost:")  # the destinations of which another host may wake up


def turns_of(operations: Operations) -> Turns:
    """For `Reception`."""
    return Turns(Turning(operations).start)


class Turning:
    """Of one Mta."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._search: asyncio.Task[None] | None = None

    def start(self, domain: str, below: bool) -> bool | None:
        """See `inbound.etrn.Start`."""
        if below:
            return self._start_search(domain)
        destination = self._operations.rooms.routing.destination(Address("etrn", domain, domain), None)
        if not destination.startswith(_WAITS_ELSEWHERE):
            return None
        self._try_now({destination})
        return True

    def _try_now(self, destinations: set[str]) -> None:
        rooms = self._operations.rooms
        rooms.remote.resume(destinations)
        for destination in destinations:
            rooms.scheduler.retry(destination=destination)

    def _start_search(self, domain: str) -> bool:
        if self._search is not None and not self._search.done():
            return False
        search = self._search = asyncio.get_running_loop().create_task(self._find(domain), name="etrn")
        self._operations.keep_until_drained(search)
        return True

    async def _find(self, domain: str) -> None:
        """The destinations of the domain and of all that is below it; each is tried as soon as it is found."""
        tried: set[str] = set()
        with suppress(NotRunning):
            async for found in self._operations.destinations_below(domain):
                new = {each for each in found if each.startswith(_WAITS_ELSEWHERE)} - tried
                self._try_now(new)
                tried |= new

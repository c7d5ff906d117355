"""One site, as an operator means it: what waits for it, tried now.

A part of the composition root, which `Mta` has this from. Promises: the loop goes on however long the queue is. What
waits for a site is not written anywhere: it is what was last tried at one of its hosts, what leads there just now, and
what waits for the end of its suspension. Never: an attempt; the schedule is changed, and the site no longer suspended.
"""

from __future__ import annotations

from msgspec import Struct

from asyncmta.delivery.equipment import SiteView
from asyncmta.delivery.leading import all_sites_in_turns, resume_site
from asyncmta.mail.envelope import QueueId
from asyncmta.operations import Operations
from asyncmta.spool.ledger import Entry

EXACTLY = 1.0  # seconds: the schedule keeps times a little rougher than the suspension of a site


class SiteFacts(Struct, frozen=True):
    """By what a recipient is known to wait for a site; `until`: the end of its suspension, None where it is not."""

    hosts: frozenset[str]
    destinations: frozenset[str]
    until: float | None


class Sited(Operations):
    """The part of `Mta` that is about sites."""

    async def look_at_sites(self) -> list[SiteView]:
        """As `sites`; the loop goes on however many there are."""
        return await all_sites_in_turns(self.rooms.remote)

    async def retry_site(self, key: str) -> int | None:
        """Make due now what waits for this site, also while it is suspended; how many messages, None: there is no such
        site."""
        rooms = self.rooms
        views = [each for each in await self.look_at_sites() if each.key == key]
        if not views:
            return None
        facts = SiteFacts(
            hosts=frozenset(host for each in views for host in each.hosts),
            destinations=frozenset(name for each in views for name in each.destinations),
            until=next((each.suspended_until for each in views if each.suspended_until is not None), None),
        )
        await rooms.scheduler.loaded()
        queue_ids = reversed(list(rooms.store.ids()))  # the oldest first, as they came
        found: list[QueueId] = []
        async for entry in self._entries(queue_ids):
            if not entry.is_closed and self._waits_there(entry, facts):
                found.append(entry.queue_id)
        resume_site(rooms.remote, key)
        return rooms.scheduler.retry(found) if found else 0

    def _waits_there(self, entry: Entry, facts: SiteFacts) -> bool:
        envelope, routing = entry.envelope, self.rooms.routing
        untried = False
        for ordinal in entry.pending():
            if ordinal in entry.last and entry.last[ordinal][1].place.host in facts.hosts:
                return True
            address = envelope.recipients[ordinal].address
            if facts.destinations and routing.destination(address, envelope.reverse_path) in facts.destinations:
                return True
            untried = untried or ordinal not in entry.last
        if not untried or facts.until is None:
            return False
        row, until = self.rooms.scheduler.view(entry.queue_id), facts.until
        dues = [] if row is None else [each.next_due for each in row.recipients if each.next_due is not None]
        return any(abs(due - until) < EXACTLY for due in dues)

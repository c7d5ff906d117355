"""From what a request says to the messages that it means: filters into a `Selection`, and operations on all it covers.

Promises: what is listed by a filter and what is done by the same filter are the same messages; a choice that is not
clear (nothing at all, or two ways at once) does nothing. Never: how an operation is done; that is the `Mta`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from asyncmta.admin.http import ApiError, queue_id
from asyncmta.admin.rows import MessageView, Selection, age
from asyncmta.admin.shapes import Bulk, Filters
from asyncmta.mail.address import domain_key

FILTERS = Filters.__struct_fields__


class Operating(Protocol):
    """What is needed of an `Mta`."""

    def newest(self, before: str | None = None) -> AsyncIterator[MessageView]: ...
    def message(self, queue_id: str) -> MessageView | None: ...
    async def retry(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def hold(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def release(self, ids: list[str] | None, domain: str | None = None, sender: str | None = None) -> int: ...
    async def remove(
        self, ids: list[str] | None, domain: str | None = None, sender: str | None = None, *, bounce: bool = False
    ) -> int: ...


def selection(filters: Mapping[str, Any], now: float) -> Selection:
    """The filters of a query or a body, ages counted from `now`. Raises InvalidAddress for a domain that is none."""
    given = {key: filters[key] for key in FILTERS if filters.get(key) is not None}
    return Selection(
        domain=domain_key(given["domain"]) if "domain" in given else None,
        sender=given.get("sender"),
        state=given.get("state"),
        recipient=given.get("recipient"),
        since=now - age(given["max_age"]) if "max_age" in given else None,
        until=now - age(given["min_age"]) if "min_age" in given else None,
        reply=given.get("reply"),
    )


async def carry_out(mta: Operating, verb: str, bulk: Bulk, now: float) -> int:
    """Do it to all that are meant; to how many it was done, or would be."""
    given = msgspec.to_builtins(bulk)
    filters = given.keys() & set(FILTERS)
    ids = [queue_id(text) for text in bulk.ids] if bulk.ids is not None else None
    if filters - {"domain", "sender"} or (bulk.dry_run and ids is None):
        wanted = selection(given, now)
        ids = [row.queue_id async for row in mta.newest() if wanted.covers(row)]
        ids.reverse()  # the oldest first, as they came
    if bulk.dry_run:
        return sum(1 for each in dict.fromkeys(ids or ()) if mta.message(each) is not None)
    domain, sender = (bulk.domain, bulk.sender) if ids is None else (None, None)
    if verb == "delete":
        return await mta.remove(ids, domain=domain, sender=sender, bounce=bulk.bounce)
    operations = {"retry": mta.retry, "hold": mta.hold, "release": mta.release}
    return await operations[verb](ids, domain=domain, sender=sender)


def must_be_clear(bulk: Bulk) -> None:
    """Ids, or filters, or all: one of the three."""
    filters = msgspec.to_builtins(bulk).keys() & set(FILTERS)
    if sum([bulk.ids is not None, bool(filters), bulk.all]) != 1:
        raise ApiError(400, "bad_selection", "say ids, or filters (domain, sender, ...), or all: one of the three")

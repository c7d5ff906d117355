"""From what a request says to the messages that it means: filters into a `Selection`, and operations on all it covers.

Promises: what is listed by a filter and what is done by the same filter are the same messages; a choice that is not
clear (nothing at all, or two ways at once) does nothing. Never: how an operation is done; that is the `Mta`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from asyncmta.admin.http import ApiError, queue_id
from asyncmta.admin.rows import MessageView, Selection, age
from asyncmta.admin.shapes import Bulk, Filters
from asyncmta.mail.address import domain_key

AT_ONCE = 1_000  # messages in one operation: a bounce, a log line and a look at each, and the loop goes on

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
    ids = await _spelled(bulk.ids) if bulk.ids is not None else None
    if filters - {"domain", "sender"} or (bulk.dry_run and ids is None):
        wanted = selection(given, now)
        ids = [row.queue_id async for row in mta.newest() if wanted.covers(row)]
        ids.reverse()  # the oldest first, as they came
    if bulk.dry_run:
        return await _there(mta, ids or [], is_listed=bulk.ids is None)
    if ids is None:
        return await _operate(mta, verb, bulk, None)
    count = 0
    for at in range(0, max(len(ids), 1), AT_ONCE):
        count += await _operate(mta, verb, bulk, ids[at : at + AT_ONCE])
    return count


async def _operate(mta: Operating, verb: str, bulk: Bulk, ids: list[str] | None) -> int:
    domain, sender = (bulk.domain, bulk.sender) if ids is None else (None, None)
    if verb == "delete":
        return await mta.remove(ids, domain=domain, sender=sender, bounce=bulk.bounce)
    operations = {"retry": mta.retry, "hold": mta.hold, "release": mta.release}
    return await operations[verb](ids, domain=domain, sender=sender)


async def _spelled(texts: list[str]) -> list[str]:
    """In their one spelling, each once; one that is none is an error, before anything is done."""
    spelled = []
    for at, text in enumerate(texts):
        spelled.append(queue_id(text))
        if at % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
    return list(dict.fromkeys(spelled))


async def _there(mta: Operating, ids: list[str], *, is_listed: bool) -> int:
    """How many of these are queued."""
    if is_listed:
        return len(ids)
    count = 0
    for each in ids:
        count += mta.message(each) is not None
        await asyncio.sleep(0)  # it may have to be read from the disk
    return count


def must_be_clear(bulk: Bulk) -> None:
    """Ids, or filters, or all: one of the three."""
    filters = msgspec.to_builtins(bulk).keys() & set(FILTERS)
    if sum([bulk.ids is not None, bool(filters), bulk.all]) != 1:
        raise ApiError(400, "bad_selection", "say ids, or filters (domain, sender, ...), or all: one of the three")

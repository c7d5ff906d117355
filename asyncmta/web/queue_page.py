"""The pages of the queue: the search with its table, what is done to many, and the question before what is final.

Promises: at most `ROWS` messages are made for a page, however many are queued; what is done by a search is done to what
that search shows, and asked first; nothing is done by GET. Never: how an operation is done; that is the `Mta`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from aiohttp import web

from asyncmta.admin.http import ApiError, queue_id
from asyncmta.admin.rows import STATES, Shown, behind, newest_page
from asyncmta.admin.selecting import Operating, carry_out, selection
from asyncmta.mail.address import InvalidAddress
from asyncmta.web import queue_facts as facts
from asyncmta.web.queue_facts import VERBS, Asked, BadSearch
from asyncmta.web.visit import Page, Visit

ROWS = 50
BESIDE = ("cursor", "note", "mark")

OnError = Callable[[str, Exception], None]


class Queued(Operating, Protocol):
    """What these pages need of an `Mta`."""

    def standing(self) -> dict[str, int]: ...


def queue_pages(mta: Queued) -> list[Page]:
    pages = _Pages(mta)
    return [
        Page("/queue", pages.table, "Queue"),
        Page("/queue", pages.act, method="POST"),
    ]


class _Pages:
    def __init__(self, mta: Queued) -> None:
        self._mta = mta

    async def table(self, visit: Visit) -> web.Response:
        """The newest first, a page at a time."""
        given, fault = dict(visit.query), ""
        rows: list[Shown] = []
        following: str | None = None
        try:
            filters = facts.search(given, also=BESIDE)
            before = queue_id(behind(given["cursor"])) if "cursor" in given else None
            wanted = selection(facts.fields(filters), visit.now)
            rows, following = await newest_page(self._mta.newest(before), wanted, limit=ROWS)
        except BadSearch as error:
            fault = str(error)
        except InvalidAddress as error:
            fault = f"The domain {given['domain']!r} cannot be searched for: {error}."
        except ValueError:
            fault = "This address of a page of the queue is not understood: search again."
        return visit.page(
            "queue.html",
            title="Queue",
            status=400 if fault else 200,
            fault=fault,
            search={key: given.get(key, "") for key in facts.FILTERS},
            searched={key: given[key] for key in facts.FILTERS if key in given},
            lines=[facts.line(row) for row in rows],
            following=following,
            is_first="cursor" not in given,
            counts=self._mta.standing(),
            states=STATES,
            verbs=VERBS,
        )

    async def act(self, visit: Visit) -> web.Response:
        """Do it, or ask whether it is meant."""
        back = {key: facts.last(visit.form, key) for key in facts.FILTERS if facts.last(visit.form, key)}
        try:
            asked = facts.asked(visit.form)
            if asked.needs_confirming and visit.said("confirmed") != "yes":
                return await self._question(visit, asked, back)
            count = await carry_out(self._mta, asked.verb, asked.bulk, visit.now)
        except (BadSearch, InvalidAddress) as error:
            return visit.go("/queue", back, note=str(error))
        note = facts.done(asked.verb, count, bounce=asked.bulk.bounce)
        ids = asked.bulk.ids
        if visit.said("from") == "message" and ids is not None and self._mta.message(ids[0]) is not None:
            return visit.go(f"/queue/{queue_id(ids[0])}", note=note)
        return visit.go("/queue", back, note=note)

    async def _question(self, visit: Visit, asked: Asked, back: dict[str, str]) -> web.Response:
        trial = msgspec.structs.replace(asked.bulk, dry_run=True)
        ids = asked.bulk.ids
        if ids is not None:
            count = sum(self._mta.message(queue_id(each)) is not None for each in ids)
        else:
            count = await carry_out(self._mta, asked.verb, trial, visit.now)
        if not count:
            raise ApiError(404, "not_found", "There is no such message in the queue (any more); nothing was done.")
        return visit.page(
            "confirm.html",
            title=f"{VERBS[asked.verb]}: are you sure?",
            verb=asked.verb,
            word=VERBS[asked.verb],
            count=count,
            ids=ids,
            searched=back,
            origin="message" if visit.said("from") == "message" else "queue",
            bounce=asked.bulk.bounce,
        )

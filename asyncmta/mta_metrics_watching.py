"""Metrics of who hears of mail, and of who may have none: webhooks, traces, the suppression list, the sandbox.

A part of `mta_metrics`. Promises: what is not configured has no values, and costs nothing. Never: counting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from asyncmta import metric_names as names
from asyncmta.metric_readings import Reading
from asyncmta.mta_watching import Watching
from asyncmta.noted import Noted
from asyncmta.webhooks.outbox import SIZE
from asyncmta.webhooks.webhooks import Webhooks

Counts = Counter[tuple[str, ...]]


def watching(found: Watching) -> Iterator[Reading]:
    yield Reading(names.SUPPRESSIONS, {(): len(found.keeper)})
    if found.webhooks is not None:
        yield from webhooks(found.webhooks)
    if found.telemetry is not None:
        told = found.telemetry.exporting.told()
        counts: Counts = Counter({("exported",): told.exported, ("failed",): told.failed, ("dropped",): told.dropped})
        yield Reading(names.SPANS, dict(counts))


def webhooks(found: Webhooks) -> Iterator[Reading]:
    """Endpoints at one host are told together: an address may be a secret."""
    posts, events = Counts(), Counts()
    backlog, failing = Counts(), Counts()
    for each in found.standing():
        posts[each.host, "taken"] += each.posts
        posts[each.host, "not_taken"] += each.refused
        events[each.host, "taken"] += each.taken
        events[each.host, "given_up"] += each.given_up
        backlog[(each.host,)] += each.backlog
        failing[(each.host,)] = max(failing[(each.host,)], each.failures)
    yield Reading(names.WEBHOOK_POSTS, dict(posts))
    yield Reading(names.WEBHOOK_EVENTS, dict(events))
    yield Reading(names.WEBHOOK_BACKLOG, dict(backlog))
    yield Reading(names.WEBHOOK_FAILING, dict(failing))
    yield Reading(names.WEBHOOK_LOST, {(): found.lost})
    yield Reading(names.WEBHOOK_OUTBOX, {(): found.outbox_octets})
    yield Reading(names.WEBHOOK_OUTBOX_LIMIT, {(): SIZE})


def noted(found: Noted) -> Iterator[Reading]:
    yield Reading(names.HANDSHAKES, dict(found.handshakes))
    yield Reading(names.LOGINS, dict(found.logins))
    yield Reading(names.STOPPED, dict(found.stopped))

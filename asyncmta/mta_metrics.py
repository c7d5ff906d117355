"""What a running MTA measures: the numbers of all rooms, read in one turn of the loop, as readings of the catalogue.

Promises: no walk over messages, however many are queued; a look at each site and each segment, and at most fifty sites
by name; the page is written in a thread. An MTA that is not running still tells of its process and its events. Never:
counting; that is done where things happen.
"""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from collections.abc import Iterator, Mapping

import asyncmta
from asyncmta import metric_names as names
from asyncmta.counted_log import CountedLog
from asyncmta.delivery.resolver import Resolver
from asyncmta.inbound.listener import Listener
from asyncmta.metric_names import Metric
from asyncmta.metric_readings import Reading, Value
from asyncmta.mta_metrics_watching import noted, watching
from asyncmta.operations import Operations, Rooms
from asyncmta.pausing import Paused
from asyncmta.spool.facts import StoreFacts
from asyncmta.spool.store import Store
from asyncmta.system.clock import Clock
from asyncmta.tally import Told


class Measured(Operations):
    """The part of `Mta` that is about how it stands: in words, and in numbers."""

    maillog: CountedLog
    _listeners: list[Listener]
    _clock: Clock
    _store: Store
    _paused: Paused
    _failure: str
    _is_draining: bool

    def alive(self) -> list[str]:
        """Why this process should be replaced; empty: it should not."""
        return [self._failure] if self._failure else []

    def not_ready(self) -> list[str]:
        """Why no mail should be sent here now; empty: it may."""
        reasons = self.alive()
        if self._is_draining or self._rooms is None:
            reasons.append("draining")
        elif not reasons and (refusal := self._store.refusal() or self._paused.refusal()) is not None:
            reasons.append(str(refusal))
        return reasons

    def standing(self) -> dict[str, int]:
        """How many messages are in each state, without a look at any of them."""
        return queue_states(self.rooms, self.rooms.store.facts())

    async def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """The page for Prometheus, and its Content-Type; `accept` as the field of a request (docs/metrics.md)."""
        readings = list(self._readings())
        return await asyncio.to_thread(_render, readings, accept)

    def _readings(self) -> Iterator[Reading]:
        yield one(names.READY, float(not self.not_ready()))
        yield one(names.ALIVE, float(not self.alive()))
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        yield Reading(names.BUILD, {(asyncmta.__version__, platform.python_version(), loop): 1.0})
        told = self.maillog.tally.read()
        yield from events(told)
        yield from noted(self.maillog.noted)
        yield from watching(self._watching)
        yield one(names.LOG_LOST, self.maillog.lost)
        yield Reading(names.PAUSED, {(what,): float(count) for what, count in self._paused.counts().items()})
        rooms = self._rooms
        if rooms is None:
            return
        yield from self._inbound()
        facts = rooms.store.facts()
        yield from spool(facts)
        yield from queue(rooms, facts, self._clock.now())
        yield from outbound(rooms, told)

    def _inbound(self) -> Iterator[Reading]:
        live: Counter[tuple[str, ...]] = Counter()
        begun: Counter[tuple[str, ...]] = Counter()
        for listener in self._listeners:
            key = (listener.settings.role,)
            live[key] += len(listener.sessions.live)
            begun[key] += listener.sessions.entered
        yield counted(names.SESSIONS_IN, live)
        yield counted(names.SESSIONS_BEGUN, begun)
        for listener in self._listeners[:1]:  # they share it
            yield one(names.LOOP_LAG, listener.sessions.watch.lateness.read())


def _render(readings: list[Reading], accept: str) -> tuple[bytes, str]:
    from asyncmta.metrics import render  # noqa: PLC0415 - whoever is not scraped does not pay for the library

    return render(readings, accept)


def one(metric: Metric, value: Value) -> Reading:
    """Of a metric without labels."""
    return Reading(metric, {(): value})


def counted(metric: Metric, counts: Mapping[tuple[str, ...], int] | Mapping[tuple[str, str], int]) -> Reading:
    return Reading(metric, {key: float(count) for key, count in counts.items()})


def events(told: Told) -> Iterator[Reading]:
    yield counted(names.ACCEPTED, told.accepted)
    yield one(names.ACCEPTED_RECIPIENTS, told.recipients)
    yield one(names.ACCEPTED_BYTES, told.octets)
    yield counted(names.REFUSED, told.refused)
    yield counted(names.ATTEMPTS, told.attempts)
    yield counted(names.OUTCOMES, told.outcomes)
    yield counted(names.BOUNCES, told.bounced)
    yield one(names.RETIRED, told.retired)


def spool(facts: StoreFacts) -> Iterator[Reading]:
    yield one(names.SYNC, facts.sync_seconds)
    yield one(names.BATCH, facts.batch_records)
    yield one(names.WRITTEN, facts.batch_octets)
    yield one(names.BATCHES_FAILED, facts.failed_batches)
    yield Reading(names.JOURNAL, {("live",): facts.live, ("dead",): facts.dead})
    yield one(names.SEGMENTS, facts.segments)
    yield one(names.COMPACTIONS, facts.compactions)
    yield one(names.DISK_FREE, facts.free_space)
    yield one(names.DISK_INODES, facts.free_inodes)
    yield one(names.RESERVE, facts.reserve)
    yield one(names.DAMAGED, facts.damages)
    yield one(names.PERSISTENT, float(not facts.is_doubtful))
    yield Reading(names.FILE_SYSTEM, {(facts.file_system, "yes" if facts.is_doubtful else "no"): 1.0})


def queue(rooms: Rooms, facts: StoreFacts, now: float) -> Iterator[Reading]:
    counts = rooms.scheduler.standing()
    yield Reading(names.QUEUE, {(state,): count for state, count in queue_states(rooms, facts).items()})
    yield Reading(names.QUEUE_RECIPIENTS, {("active",): counts.in_hand, ("ready",): counts.ready})
    yield one(names.OLDEST, max(0.0, now - facts.oldest) if facts.oldest is not None else 0.0)


def queue_states(rooms: Rooms, facts: StoreFacts) -> dict[str, int]:
    """Messages by the states of contract.md section 2, from what is counted as it goes along."""
    counts = rooms.scheduler.standing()
    held = min(counts.held, facts.messages)
    active = min(counts.active, facts.messages - held)
    left = facts.messages - held - active
    ready = min(counts.ready, left)
    return {"held": held, "active": active, "ready": ready, "deferred": left - ready, "damaged": facts.damages}


def outbound(rooms: Rooms, told: Told) -> Iterator[Reading]:
    connections, sites = rooms.remote.connections()
    yield Reading(
        names.DELAY,
        {
            ("queue",): rooms.scheduler.standing().waited,
            ("connect",): connections.seconds,
            ("transfer",): told.transfer,
            ("total",): told.total,
        },
    )
    yield counted(names.CONNECTIONS, connections.opened)
    yield Reading(names.CONNECTIONS_FAILED, {(cause,): count for cause, count in connections.failed.items()})
    yield one(names.DUPLICATES, rooms.remote.possible_duplicates)
    yield one(names.SESSIONS_OUT, sites.sessions)
    yield one(names.SITES, sites.count)
    yield one(names.SITES_SUSPENDED, sites.suspended)
    yield Reading(names.SITE_WAITING, {(site.name,): site.waiting for site in sites.listed})
    yield Reading(names.SITE_SESSIONS, {(site.name,): site.sessions for site in sites.listed})
    yield Reading(names.SITE_SUSPENDED, {(site.name,): site.suspended for site in sites.listed})
    if isinstance(rooms.resolver, Resolver):
        looked_up = rooms.resolver.looked_up()
        yield counted(names.DNS, looked_up.results)
        yield one(names.DNS_HITS, looked_up.hits)
        yield one(names.DNS_CACHED, looked_up.cached)
        yield one(names.DNS_SECONDS, looked_up.seconds)

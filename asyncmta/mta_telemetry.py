"""Traces for OpenTelemetry, from the settings: who makes them, who sends them, and where they come from.

A part of the composition root. Promises: without an endpoint there is nothing of it, and none of its libraries is
imported. Never: a decision.

docs/telemetry.md.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

import asyncmta
from asyncmta.config import Settings
from asyncmta.config_telemetry import headers_of
from asyncmta.counted_log import CountedLog
from asyncmta.mail.transport import Transport
from asyncmta.system.clock import Clock
from asyncmta.telemetry.tracer import Tracer
from asyncmta.telemetry.watched import TracedTransport

if TYPE_CHECKING:
    from asyncmta.telemetry.exporting import Exporting


class Telemetry:
    """Of one Mta."""

    def __init__(self, settings: Settings, *, clock: Clock, maillog: CountedLog) -> None:
        table = settings.telemetry
        module = import_module("asyncmta.telemetry.exporting")
        self._clock, self._maillog = clock, maillog
        self._loop: asyncio.AbstractEventLoop | None = None
        self.exporting: Exporting = module.Exporting(
            endpoint=table.endpoint,
            headers=headers_of(table.headers),
            service=module.Service(table.service_name, asyncmta.__version__, settings.hostname),
            on_change=self._changed,
        )
        self.tracer = Tracer(
            sample=table.sample,
            key=settings.hostname.encode(),
            plain=settings.log.addresses == "plain",
            put=self.exporting.put,
        )

    def open(self) -> None:
        """Before anything happens to mail."""
        self._loop = asyncio.get_running_loop()
        self._maillog.tracer = self.tracer

    def traced(self, transport: Transport) -> Transport:
        return TracedTransport(tracer=self.tracer, transport=transport, clock=self._clock, maillog=self._maillog)

    async def close(self) -> None:
        """When nothing more happens to mail."""
        self._loop = None
        await asyncio.to_thread(self.exporting.close)

    def _changed(self, is_taken: bool) -> None:
        """In the thread of the exporter."""
        level, event = ("info", "telemetry_recovered") if is_taken else ("warning", "telemetry_not_taken")
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._maillog.note, level, event)


def build_telemetry(settings: Settings, *, clock: Clock, maillog: CountedLog) -> Telemetry | None:
    """None: nobody wants to hear."""
    return Telemetry(settings, clock=clock, maillog=maillog) if settings.telemetry.endpoint else None

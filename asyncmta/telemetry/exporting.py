"""Spans to a collector, by OTLP over HTTP: a bounded queue, and a thread that sends what is in it. The one home of
OpenTelemetry's libraries, which are an extra: imported by whoever builds an Mta that has an endpoint.

Promises: to put a span never waits and never fails; what a collector does not take, or what there is no room for, is
dropped and counted; the end waits for a dead collector no longer than it was told. Never: the loop.

docs/telemetry.md; OTLP 1.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from asyncmta.telemetry.spans import Span

PATH = "/v1/traces"
ROOM = 10_000  # spans that may wait
BATCH = 500
INTERVAL = 1.0  # seconds that a span may wait for company
TIMEOUT = 10.0  # of an export with all its retries
LAST_WORDS = 1.0  # seconds of a stop that are for what still waits

_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
}


class Service(Struct, frozen=True):
    """Who tells."""

    name: str
    version: str
    host: str


class Told(Struct, frozen=True):
    """Counts of spans, and how many wait."""

    exported: int
    failed: int
    dropped: int
    waiting: int


class Exporting:
    """The spans of one Mta. `on_change` hears in the thread that the collector takes none any more, or does again."""

    def __init__(
        self,
        *,
        endpoint: str,
        headers: Mapping[str, str],
        service: Service,
        on_change: Callable[[bool], None],
        timeout: float = TIMEOUT,
    ) -> None:
        _quieten()
        url = endpoint.rstrip("/")
        self._sending = OTLPSpanExporter(
            endpoint=url if url.endswith(PATH) else url + PATH, headers=dict(headers) or _NO_HEADERS, timeout=timeout
        )
        self._making = _Making(service)
        self._on_change = on_change
        self._is_failing = False
        self._waiting: deque[Span] = deque()
        self._woken = threading.Event()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        # One writer each: who puts, then the thread.
        self._dropped = 0
        self._exported = self._failed = 0

    def put(self, span: Span) -> None:
        if len(self._waiting) >= ROOM:
            self._dropped += 1
            return
        self._waiting.append(span)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
            self._thread.start()
        elif len(self._waiting) >= BATCH:
            self._woken.set()

    def told(self) -> Told:
        return Told(self._exported, self._failed, self._dropped, len(self._waiting))

    def close(self, timeout: float = LAST_WORDS) -> None:
        """Send what waits, for as long as that; to a collector that takes nothing, not at all. Blocks."""
        thread, self._thread = self._thread, None
        self._is_closing = True
        self._woken.set()
        if thread is not None:
            thread.join(0.0 if self._is_failing else timeout)
        self._sending.shutdown()  # type: ignore[no-untyped-call]

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            if not self._is_closing:
                self._woken.wait(INTERVAL)
                self._woken.clear()
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])
            if self._is_closing:
                return

    def _send(self, spans: list[Span]) -> None:
        try:
            result = self._sending.export([self._making.made(each) for each in spans])
        except Exception:  # whatever it is: it may not end the thread
            result = SpanExportResult.FAILURE
        is_taken = result is SpanExportResult.SUCCESS
        if is_taken:
            self._exported += len(spans)
        else:
            self._failed += len(spans)
        if is_taken is self._is_failing:
            self._is_failing = not is_taken
            self._on_change(is_taken)


_NO_HEADERS = {"User-Agent": "asyncmta"}  # with none at all, the environment would be asked for some


class _Making(SpanProcessor, IdGenerator):
    """Spans of the library with the ids and times of ours. For one thread."""

    def __init__(self, service: Service) -> None:
        resource = Resource(
            {
                "service.name": service.name,
                "service.version": service.version,
                "service.instance.id": service.host,
                "host.name": service.host,
                "process.runtime.version": platform.python_version(),
            }
        )
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            id_generator=self,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attributes=SpanLimits.UNSET),
        )
        provider.add_span_processor(self)
        self._tracer = provider.get_tracer("asyncmta", service.version)
        self._trace_id = self._span_id = 0
        self._made: ReadableSpan | None = None

    def made(self, span: Span) -> ReadableSpan:
        self._trace_id, self._span_id = span.trace_id, span.span_id
        if span.parent:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            above = trace.SpanContext(span.trace_id, span.parent, is_remote=span.kind == "server", trace_flags=flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        else:
            context = trace.set_span_in_context(trace.INVALID_SPAN)
        end = nanoseconds(span.end)
        begun = self._tracer.start_span(
            span.name,
            context=context,
            kind=_KINDS[span.kind],
            attributes=dict(span.attributes),
            start_time=nanoseconds(span.start),
        )
        for event in span.events:
            begun.add_event(event.name, dict(event.attributes), timestamp=end)
        if span.error:
            begun.set_status(trace.Status(trace.StatusCode.ERROR, span.error))
        begun.end(end_time=end)
        assert self._made is not None
        return self._made

    def on_end(self, span: ReadableSpan) -> None:
        self._made = span

    def generate_span_id(self) -> int:
        return self._span_id

    def generate_trace_id(self) -> int:
        return self._trace_id


def nanoseconds(at: float) -> int:
    return int(at * 1e9)


def _quieten() -> None:
    """The library says on standard error what we count."""
    log = logging.getLogger("opentelemetry")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.propagate = False

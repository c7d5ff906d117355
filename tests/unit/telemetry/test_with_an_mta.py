"""A whole Mta and a collector that reads OTLP over HTTP: which spans it gets of a message."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from asyncmta import Mta, Settings
from asyncmta.admin.api import Api
from asyncmta.telemetry.exporting import Exporting
from asyncmta.testing.smtp_sink import SmtpSink

TRACE, CALL = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONTENT = b"Subject: hi\r\n\r\nhi\r\n"


def _never(what: str, error: Exception) -> None:
    raise AssertionError(what) from error


class Collector:
    """What came, and how it was asked."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.status = 200
        self.is_there = True
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.append((self.path, self.headers["authorization"]))
                if collector.status == 200:
                    collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Not on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def attributes(of: Any) -> dict[str, Any]:
    """Of a span or an event."""
    found = {}
    for each in of.attributes:
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
async def running(collector: Collector, smtp_sink: SmtpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Begins an Mta with these settings more; it is over, with all that it had to tell, when the block is. It waits for
    a collector that is there as long as it takes."""
    close = Exporting.close
    monkeypatch.setattr(Exporting, "close", lambda exporting: close(exporting, 30.0 if collector.is_there else 0.1))
    host, port = smtp_sink.address

    @contextlib.asynccontextmanager
    async def begin(**more: Any) -> AsyncIterator[Mta]:
        telemetry = {"endpoint": collector.url, "sample": 1.0} | more.pop("telemetry", {})
        tree = {
            "hostname": "mx.example.org",
            "spool": str(tmp_path / "spool"),
            "listener": [{"port": 0}],
            "route": [{"via": "smarthost", "hosts": [f"{host}:{port}"], "tls": "none"}],
            "local": {"domains": ["example.org"], "maildir": str(tmp_path / "mail/{local_part}"), "mailboxes": "any"},
            "admin": {"socket": str(tmp_path / "control.sock")},
            "log": {"level": "error"},
            "telemetry": telemetry,
        }
        async with Mta(Settings.from_dict(tree | more)) as mta:
            yield mta

    return begin


async def test_the_trace_of_a_message(running: Any, collector: Collector, smtp_sink: SmtpSink) -> None:
    async with running() as mta:
        queue_id = await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
    assert sorted(span.name for span in collector.spans) == ["accept", "attempt", "deliver", "queue"]
    (accept,), (queue,), (deliver,), (attempt,) = map(collector.named, ("accept", "queue", "deliver", "attempt"))
    assert len({span.trace_id for span in collector.spans}) == 1
    assert accept.parent_span_id == b""
    assert queue.parent_span_id == deliver.parent_span_id == accept.span_id
    assert attempt.parent_span_id == deliver.span_id
    assert [span.kind for span in (accept, queue, deliver, attempt)] == [
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_INTERNAL,
        Span.SPAN_KIND_INTERNAL,
        Span.SPAN_KIND_CLIENT,
    ]
    for span in collector.spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        assert attributes(span)["messaging.message.id"] == queue_id
        assert span.status.code == Status.STATUS_CODE_UNSET
    assert queue.start_time_unix_nano == accept.start_time_unix_nano
    assert queue.end_time_unix_nano == deliver.start_time_unix_nano
    assert deliver.start_time_unix_nano <= attempt.start_time_unix_nano + 1_000_000
    assert attempt.end_time_unix_nano <= deliver.end_time_unix_nano
    host = smtp_sink.address[0]
    said = attributes(attempt)
    assert (said["server.address"], said["network.peer.address"]) == (host, host)
    assert (said["asyncmta.reply.code"], said["asyncmta.reply.class"]) == (250, "2xx")
    assert attributes(deliver)["asyncmta.outcome"] == "delivered"
    assert attributes(accept)["asyncmta.sender"] == "me@example.org"
    (event,) = deliver.events
    assert (event.name, attributes(event)["asyncmta.recipient"]) == ("delivered", "you@example.net")
    resource = collector.resources[0]
    assert (resource["service.name"], resource["host.name"]) == ("asyncmta", "mx.example.org")


async def test_a_message_to_a_mailbox_has_a_delivery_and_no_attempt(running: Any, collector: Collector) -> None:
    async with running() as mta:
        await mta.submit("me@example.net", ["you@example.org"], CONTENT)
        await mta.idle(timeout=20)
    assert sorted(span.name for span in collector.spans) == ["accept", "deliver", "queue"]
    (deliver,) = collector.named("deliver")
    assert attributes(deliver)["asyncmta.destination"] == "local:example.org"
    assert attributes(deliver)["asyncmta.outcome"] == "delivered"


async def test_no_address_is_said_where_the_log_hides_them(running: Any, collector: Collector) -> None:
    async with running(log={"level": "error", "addresses": "hash"}) as mta:
        await mta.submit("secretive@example.org", ["hidden@example.net", "lurking@example.org"], CONTENT)
        await mta.idle(timeout=20)
    assert len(collector.named("deliver")) == 2
    octets = b"".join(span.SerializeToString() for span in collector.spans)
    for name in (b"secretive", b"hidden", b"lurking"):
        assert name not in octets


async def test_what_was_refused_is_an_error(running: Any, collector: Collector, smtp_sink: SmtpSink) -> None:
    smtp_sink.script("RCPT", "550 5.1.1 nobody")
    async with running() as mta:
        queue_id = await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
    own = [span for span in collector.spans if attributes(span)["messaging.message.id"] == queue_id]
    by_name = {span.name: span for span in own}
    assert by_name.keys() == {"accept", "queue", "deliver", "attempt", "report"}
    assert by_name["attempt"].status.code == by_name["deliver"].status.code == Status.STATUS_CODE_ERROR
    assert attributes(by_name["attempt"])["error.type"] == "550"
    assert attributes(by_name["deliver"])["error.type"] == "refused"
    assert attributes(by_name["deliver"].events[0])["asyncmta.reply.enhanced"] == "5.1.1"
    report = attributes(by_name["report"])["asyncmta.report"]
    theirs = {each.trace_id for each in collector.spans if attributes(each)["messaging.message.id"] == report}
    assert len(theirs) == 1
    assert by_name["accept"].trace_id not in theirs


async def test_nothing_is_told_of_a_message_that_is_not_sampled(running: Any, collector: Collector) -> None:
    async with running(telemetry={"sample": 0.0}) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
    assert collector.asked == []


@pytest.mark.parametrize(("flags", "share", "names"), [("01", 0.0, 4), ("00", 1.0, 0)])
async def test_a_trace_is_taken_up_from_who_hands_in_by_http(
    running: Any, collector: Collector, flags: str, share: float, names: int
) -> None:
    async with running(telemetry={"sample": share}) as mta:
        api = Api(mta, message_size=1 << 20, on_error=_never)
        async with TestClient(TestServer(api.application(None))) as client:
            query = {"from": "me@example.org", "to": "you@example.net"}
            fields = {"traceparent": f"00-{TRACE}-{CALL}-{flags}", "content-type": "message/rfc822"}
            async with client.post("/v1/messages", params=query, headers=fields, data=CONTENT) as response:
                assert response.status == 202
        await mta.idle(timeout=20)
    assert len(collector.spans) == names
    assert {span.trace_id.hex() for span in collector.spans} <= {TRACE}
    if names:
        (accept,) = collector.named("accept")
        assert accept.parent_span_id.hex() == CALL


async def test_headers_go_with_it(running: Any, collector: Collector) -> None:
    async with running(telemetry={"headers": "authorization=Bearer%20word"}) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
    assert set(collector.asked) == {("/v1/traces", "Bearer word")}


@pytest.mark.parametrize("status", [0, 400])
async def test_a_collector_that_takes_nothing_changes_nothing(
    running: Any, collector: Collector, smtp_sink: SmtpSink, status: int
) -> None:
    collector.status, collector.is_there = status or 200, bool(status)
    endpoint = collector.url if status else "http://127.0.0.1:1"
    async with running(telemetry={"endpoint": endpoint}) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
        assert len(smtp_sink.messages) == 1
    assert collector.spans == []


async def test_the_same_message_has_the_same_trace_after_a_restart(
    running: Any, collector: Collector, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script("RCPT", "451 4.3.0 later")
    async with running() as mta:
        queue_id = await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=20)
    before = {span.trace_id for span in collector.spans}
    first = len(collector.named("attempt"))
    async with running() as mta:
        await mta.retry([queue_id])
        await mta.idle(timeout=20)
        assert mta.queue() == []
    assert len(before) == 1
    assert {span.trace_id for span in collector.spans} == before
    assert len(collector.named("attempt")) > first

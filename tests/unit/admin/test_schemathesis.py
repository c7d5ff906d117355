"""Requests that schemathesis makes of the OpenAPI document, against a running Mta with some hundred messages: no 5xx,
and no answer that is not as the document says."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from asyncmta import Mta, Settings
from asyncmta.admin.door import Door
from asyncmta.admin.openapi import document
from asyncmta.admin.paths import PATHS
from asyncmta.suppression.entries import entry

MESSAGES = 300
EXAMPLES = int(os.environ.get("ADMIN_EXAMPLES", "40"))
LISTED = [f"gone{at}@listed.test" for at in range(5)]
RELAYS = ["127.0.0.1:1", "[::1]:1"]  # where nobody listens
CONFIG = """
hostname = "mta.test"
spool = "spool"
[[listener]]
port = 0
[[route]]
recipient = "*@site.test"
via = "smarthost"
hosts = ["127.0.0.1:1"]
[[route]]
recipient = "*"
via = "hold"
[log]
level = "critical"
"""
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


class House(threading.Thread):
    """A whole Mta with its door, in a thread with a loop of its own; mail to `held.test` stays."""

    def __init__(self, folder):
        super().__init__()
        file = folder / "config.toml"
        file.write_text(CONFIG)
        self.settings = Settings.load(file)
        self.errors = []
        self.ready = threading.Event()
        self.address = self.loop = self.over = self.mta = None

    def run(self):
        asyncio.run(self._live())

    async def _live(self):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        async with Mta(self.settings) as mta:
            self.mta = mta
            await self.fill(MESSAGES)
            door = Door(
                mta,
                socket_path=self.settings.admin.socket,
                listen="127.0.0.1:0",
                token="",
                message_size=100_000,
                on_error=lambda where, error: self.errors.append((where, error)),
            )
            await door.open()
            self.address = door.address
            self.ready.set()
            await self.over.wait()
            await door.close()

    async def fill(self, count):
        """New messages, since others may have been deleted; their ids."""
        content = b"Subject: x\r\n\r\nx\r\n"
        await self.mta.submit("me@example.org", ["you@site.test"], content)  # which makes the site known
        return [
            await self.mta.submit(f"me{at % 7}@example.org", [f"you{at}@held.test"], content) for at in range(count)
        ]

    def filled(self, count):
        return self.have_done(self.fill(count))

    def have_done(self, something):
        return asyncio.run_coroutine_threadsafe(something, self.loop).result(30)

    async def steer_no_more(self):
        """Whatever was paused or handed over is so no more."""
        await self.mta.end_hand_over()
        for what, name in [
            ("input", ""),
            ("output", ""),
            *(("site", each) for each in self.mta.paused.sites),
            *(("domain", each) for each in self.mta.paused.domains),
        ]:
            await self.mta.resume(what, name)

    async def list_some(self):
        await self.mta.suppressions.add([entry(each, "asked") for each in LISTED])


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    house.start()
    assert house.ready.wait(30)
    yield house
    house.loop.call_soon_threadsafe(house.over.set)
    house.join(30)


ENDING = [path for path in PATHS if path.operation != "trace"]  # that one goes on until its reader leaves


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the Mta does, in its own thread
@pytest.mark.parametrize("path", ENDING, ids=lambda path: f"{path.method} {path.path}")
def test_nothing_that_the_document_allows_breaks_it(house, path):
    """Also for ids of messages that are there, or were until a moment ago, which no generator would guess; and nothing
    is sent to a host that a generator made up."""
    host, port = house.address
    operation = schemathesis.openapi.from_dict(document("1"))[path.path][path.method]
    ids, said = house.filled(30), []
    house.have_done(house.list_some())

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=operation.as_strategy(),
        queue_id=st.sampled_from([None, *ids]),
        address=st.sampled_from([None, *LISTED]),
        relay=st.sampled_from(RELAYS),
    )
    def ask(case, queue_id, address, relay):
        if path.has_id and queue_id is not None:
            case.path_parameters["id"] = queue_id
        if "{address}" in path.path and address is not None:
            case.path_parameters["address"] = address
        if path.operation == "suppress" and isinstance(case.body, dict) and address is not None:
            case.body["addresses"] = [address]
        if path.path == "/v1/drain" and isinstance(case.body, dict) and "to" in case.body:
            case.body["to"] = relay
        if path.path == "/v1/why" and queue_id is not None:
            case.query = {"id": queue_id}
        if path.path == "/v1/sites/retry" and queue_id is not None and (sites := house.mta.sites()):
            case.body = {"key": sites[0].key}
        response = case.call(base_url=f"http://{host}:{port}", timeout=20)
        case.validate_response(response, checks=CHECKS)
        said.append(response.status_code)

    if path.path == "/v1/drain":
        house.have_done(house.mta.hand_over(RELAYS[0]))
    try:
        ask()
    finally:
        house.have_done(house.steer_no_more())
    assert any(status < 300 for status in said), said
    assert house.errors == []

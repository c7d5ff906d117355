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

MESSAGES = 300
EXAMPLES = int(os.environ.get("ADMIN_EXAMPLES", "40"))
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
        self.settings = Settings.from_dict(
            {
                "hostname": "mta.test",
                "spool": str(folder / "spool"),
                "listener": [{"address": "127.0.0.1", "port": 0}],
                "route": [{"recipient": "*", "via": "hold"}],
                "log": {"level": "critical"},
            }
        )
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
        return [
            await self.mta.submit(f"me{at % 7}@example.org", [f"you{at}@held.test"], content) for at in range(count)
        ]

    def filled(self, count):
        return asyncio.run_coroutine_threadsafe(self.fill(count), self.loop).result(30)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    house.start()
    assert house.ready.wait(30)
    yield house
    house.loop.call_soon_threadsafe(house.over.set)
    house.join(30)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.method} {path.path}")
def test_nothing_that_the_document_allows_breaks_it(house, path):
    """Also for ids of messages that are there, or were until a moment ago, which no generator would guess."""
    host, port = house.address
    operation = schemathesis.openapi.from_dict(document("1"))[path.path][path.method]
    ids, said = house.filled(30), []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), queue_id=st.sampled_from([None, *ids]))
    def ask(case, queue_id):
        if path.has_id and queue_id is not None:
            case.path_parameters["id"] = queue_id
        if path.path == "/v1/why" and queue_id is not None:
            case.query = {"id": queue_id}
        response = case.call(base_url=f"http://{host}:{port}", timeout=20)
        case.validate_response(response, checks=CHECKS)
        said.append(response.status_code)

    ask()
    # No site is known: attempts in the other thread would draw random numbers, and hypothesis minds that.
    assert any(status < 300 for status in said) or path.path == "/v1/sites/retry", said
    assert house.errors == []

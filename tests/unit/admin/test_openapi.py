"""The declarations, the router and the document are one: valid, complete, and what is really answered."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import runpy
from pathlib import Path

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from asyncmta.admin import client as small_client
from asyncmta.admin.api import Api
from asyncmta.admin.declaring import DROP_FILE, OCTETS
from asyncmta.admin.openapi import document
from asyncmta.admin.paths import PATHS
from asyncmta.admin.shapes import Error
from asyncmta.delivery.equipment import SiteView
from asyncmta.suppression.entries import Suppression

ROOT = Path(__file__).parents[3]
ONE = "0000000000000001"
LISTED = "gone@example.net"

ASKED = [
    ("GET", "/livez", None),
    ("GET", "/readyz", None),
    ("GET", "/v1/openapi.json", None),
    ("GET", "/v1/queue", None),
    ("GET", "/v1/queue/stats", None),
    ("GET", f"/v1/queue/{ONE}", None),
    ("GET", f"/v1/queue/{ONE}/history", None),
    ("GET", f"/v1/why?id={ONE}", None),
    ("GET", "/v1/rates?step=10&limit=5", None),
    ("GET", "/v1/log?after=1", None),
    ("GET", "/v1/settings", None),
    ("GET", "/v1/sites", None),
    ("POST", "/v1/sites/retry", {"key": "mx:mx.test"}),
    ("GET", "/v1/trace?for=0s", None),
    ("GET", "/v1/route?recipient=you@example.net", None),
    ("POST", "/v1/queue/flush", None),
    ("POST", "/v1/queue/retry", {"ids": [ONE]}),
    ("POST", "/v1/queue/hold", {"domain": "example.net"}),
    ("POST", "/v1/queue/release", {"all": True}),
    ("POST", "/v1/queue/delete", {"state": "held"}),
    ("POST", f"/v1/queue/{ONE}/retry", None),
    ("POST", f"/v1/queue/{ONE}/hold", None),
    ("POST", f"/v1/queue/{ONE}/release", None),
    ("DELETE", f"/v1/queue/{ONE}", None),
    ("POST", "/v1/messages", {"to": ["you@example.net"], "content": "x"}),
    ("POST", "/v1/reload", None),
    ("GET", "/v1/pauses", None),
    ("POST", "/v1/pause", {"what": "domain", "name": "example.net", "for": "1h"}),
    ("POST", "/v1/resume", {"what": "output"}),
    ("POST", "/v1/drain", {"to": "relay.example:25"}),
    ("GET", "/v1/drain", None),
    ("DELETE", "/v1/drain", None),
    ("POST", "/v1/suppressions", {"addresses": ["you@example.net"]}),
    ("POST", "/v1/suppressions/reload", None),
    ("GET", "/v1/suppressions", None),
    ("GET", f"/v1/suppressions/{LISTED}", None),
    ("DELETE", f"/v1/suppressions/{LISTED}", None),
]


def declared(target):
    """Its path as it is declared."""
    return target.partition("?")[0].replace(ONE, "{id}").replace(LISTED, "{address}")


def kind_of(method, target, status):
    """The declared type of this answer."""
    path = declared(target)
    (found,) = [each for each in PATHS if (each.method, each.path) == (method, path)]
    return found.answers.get(status, Error)


@pytest.fixture
def ask(door):
    def blocking(method, target, body):
        with contextlib.closing(http.client.HTTPConnection(*door.address, timeout=10)) as connection:
            text = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, target, text, {"Authorization": "Bearer s3cret"} | kind)
            response = connection.getresponse()
            return response.status, response.read()

    async def ask(*args):
        return await asyncio.to_thread(blocking, *args)

    return ask


def test_the_document_is_valid():
    OpenAPIV31SpecValidator(document("1.2.3")).validate()


def test_every_route_is_declared_and_every_declaration_served(fake):
    app = Api(fake, message_size=1, on_error=lambda *_: None).application(None)
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD"}
    assert served == {(path.method, path.path) for path in PATHS}


def test_the_names_of_operations_are_their_own():
    said = document("1.2.3")
    names = [each["operationId"] for methods in said["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names)) == len(PATHS)


@pytest.mark.parametrize(("method", "target", "body"), ASKED)
async def test_an_answer_is_of_the_type_that_is_declared(ask, fake, method, target, body):
    fake.known_sites = [SiteView("mx:mx.test", ("mx.test",), 1, 2, 0, 1, 5, 12.5, "421 4.3.2 later", 20, 2.5)]
    await fake.listed.add([Suppression(LISTED, "asked")])
    if target == "/v1/drain":
        await fake.hand_over("relay.example:25")
    status, said = await ask(method, target, body)
    assert status in (200, 201, 202)
    msgspec.json.decode(said, type=kind_of(method, target, status))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/v1/queue?limit=0", None),
        ("GET", "/v1/queue/nonsense", None),
        ("GET", "/v1/queue/9999999999999999", None),
        ("PATCH", "/v1/queue", None),
        ("GET", "/nowhere", None),
        ("POST", "/v1/messages", {"to": "x"}),
        ("POST", "/v1/queue/hold", {}),
        ("POST", "/v1/pause", {"what": "domain"}),
        ("POST", "/v1/pause", {"what": "input", "for": "soon"}),
        ("POST", "/v1/resume", {"what": "input", "for": "1h"}),
        ("POST", "/v1/drain", {"to": "nonsense"}),
        ("GET", "/v1/drain", None),
        ("GET", f"/v1/suppressions/{LISTED}", None),
        ("DELETE", "/v1/suppressions/nonsense", None),
        ("POST", "/v1/sites/retry", {"key": "mx:nowhere.test"}),
        ("POST", "/v1/sites/retry", {}),
        ("GET", "/v1/rates?step=2", None),
        ("GET", "/v1/rates?limit=1441", None),
        ("GET", "/v1/log?queue_id=nonsense", None),
        ("GET", "/v1/settings?x=1", None),
    ],
)
async def test_every_refusal_is_of_the_one_type(ask, method, target, body):
    status, said = await ask(method, target, body)
    assert 400 <= status < 500
    msgspec.json.decode(said, type=Error)


def test_all_that_is_asked_here_is_all_there_is():
    asked = {
        (method, target.partition("?")[0].replace(ONE, "{id}").replace(LISTED, "{address}"))
        for method, target, _ in ASKED
    }
    assert asked == {(path.method, path.path) for path in PATHS if OCTETS not in path.answers.values()}


def test_the_page_has_the_table_of_what_is_declared():
    script = runpy.run_path(str(ROOT / ".ci" / "api_page.py"))
    page = (ROOT / "docs" / "api.md").read_text()
    assert page == script["renewed"](page), "run .venv/bin/python .ci/api_page.py"
    assert all(f"| `{path.method} {path.path}` |" in page for path in PATHS)


def test_the_page_says_what_each_decision_means():
    decided = set(re.findall(r'Decision\("(\w+)"', (ROOT / "asyncmta" / "reasons.py").read_text()))
    table = (ROOT / "docs" / "api.md").read_text().partition("| `decided_by` |")[2].partition("\n\n")[0]
    assert decided == {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_the_small_client_names_the_same_content_type():
    assert small_client.DROP_FILE == DROP_FILE

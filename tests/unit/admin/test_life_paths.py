"""The paths about the MTA itself, over the real sockets, with a stand-in for the Mta."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.admin.life import is_host_and_port


@pytest.fixture
def client(door, tmp_path):
    return ControlClient(str(tmp_path / "control.sock"), timeout=10)


async def asked(call, *arguments):
    return await asyncio.to_thread(call, *arguments)


async def refusal(call, *arguments):
    with pytest.raises(Refused) as caught:
        await asked(call, *arguments)
    return caught.value.status, caught.value.code


async def test_what_is_paused_is_said_everywhere(client):
    assert (await asked(client.post, "/v1/pause", {"what": "output"}))["output"] is True
    found = await asked(client.post, "/v1/pause", {"what": "domain", "name": "B.example"})
    assert found["domains"] == ["b.example"]
    assert found["reasons"] == ["output is paused", "domain b.example is paused"]
    assert await asked(client.get, "/v1/pauses") == found
    assert (await asked(client.get, "/v1/queue/stats"))["paused"] == found["reasons"]
    assert (await asked(client.get, "/readyz"))["paused"] == found["reasons"]
    assert (await asked(client.post, "/v1/resume", {"what": "output"}))["output"] is False


async def test_what_cannot_be_paused(client):
    assert await refusal(client.post, "/v1/pause", {"what": "everything"}) == (400, "bad_json")
    assert await refusal(client.post, "/v1/pause", {"what": "domain", "name": "a b"}) == (400, "bad_name")
    assert await refusal(client.post, "/v1/pause", {"what": "input", "name": "x"}) == (400, "bad_name")
    assert await refusal(client.post, "/v1/pause", {"what": "input", "for": "0s"}) == (400, "bad_duration")
    assert await refusal(client.post, "/v1/pause", {"what": "input", "for": "999999999w"}) == (400, "bad_duration")
    assert await refusal(client.post, "/v1/pause", {"what": "input", "for": "an hour"}) == (400, "bad_json")


async def test_a_pause_that_ends_by_itself(client, fake):
    found = await asked(client.post, "/v1/pause", {"what": "domain", "name": "B.example", "for": "1h"})
    assert found["ends"] == [{"what": "domain", "name": "b.example", "at": 5000.0 + 3600}]
    assert found["reasons"] == ["domain b.example is paused until 1970-01-01 02:23:20Z"]
    found = await asked(client.post, "/v1/pause", {"what": "domain", "name": "b.example"})
    assert (found["domains"], found["ends"]) == (["b.example"], [])


async def test_one_message_says_what_is_paused(client, fake):
    fake.rows[0].state = "held"
    target = f"/v1/queue/{fake.rows[0].queue_id}"
    assert (await asked(client.get, target))["reason"] is None
    fake.paused = fake.paused.with_("domain", "example.net", True)
    assert (await asked(client.get, target))["reason"] == "it is the pause"


async def test_a_hand_over(client):
    assert await refusal(client.get, "/v1/drain") == (404, "not_draining")
    assert await refusal(client.post, "/v1/drain", {"to": "nonsense"}) == (400, "bad_host")
    assert (await asked(client.post, "/v1/drain", {"to": "relay.example:25"}))["left"] == 5
    assert (await asked(client.get, "/v1/drain"))["to"] == "relay.example:25"
    assert (await asked(client.delete, "/v1/drain"))["input"] is False
    assert await refusal(client.get, "/v1/drain") == (404, "not_draining")


async def test_a_reload(client, fake):
    assert await asked(client.post, "/v1/reload", {}) == {"changed": ["route"], "needs_restart": ["listener"]}
    fake.faults = ["config.toml: queue.lifetime: no"]
    assert await refusal(client.post, "/v1/reload", {}) == (400, "invalid_config")


@pytest.mark.parametrize("text", ["relay.example:25", "192.0.2.1:2525", "[2001:db8::1]:25"])
def test_hosts_with_a_port(text):
    assert is_host_and_port(text)


@pytest.mark.parametrize(
    "text", ["", "relay.example", "relay.example:", ":25", "a b:25", "relay:0", "relay:99999", "2001:db8::1:25"]
)
def test_what_is_no_host_with_a_port(text):
    assert not is_host_and_port(text)

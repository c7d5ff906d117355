"""The paths about the MTA itself, over the real sockets, with a stand-in for the Mta."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.admin.life import is_host_and_port
from asyncmta.config import InvalidConfig
from asyncmta.handing_off import Progress
from asyncmta.reloading import Change


@pytest.fixture
def client(door, tmp_path):
    return ControlClient(str(tmp_path / "control.sock"), timeout=10)


@pytest.fixture(autouse=True)
def steered(fake):
    """The stand-in with pauses of its own, and a hand-over that takes a step at each look."""

    async def pause(what, name=""):
        fake.paused = fake.paused.with_(what, name, True)
        return fake.paused

    async def resume(what, name=""):
        fake.paused = fake.paused.with_(what, name, False)
        return fake.paused

    async def hand_over(to, tls="opportunistic"):
        fake.progress = Progress(to, 5, 5, 0, 0, {})
        return fake.progress

    async def end_hand_over():
        fake.progress = None
        return fake.paused

    async def reload():
        if fake.faults:
            raise InvalidConfig(fake.faults)
        return Change(None, ("route",), ("listener",))

    fake.progress, fake.faults = None, []
    fake.pause, fake.resume, fake.hand_over, fake.end_hand_over, fake.reload = (
        pause,
        resume,
        hand_over,
        end_hand_over,
        reload,
    )
    fake.handing_over = lambda: fake.progress


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

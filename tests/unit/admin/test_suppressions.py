"""The suppression list over HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest

from asyncmta.admin.client import ControlClient, Refused
from asyncmta.suppression.entries import InvalidSuppression


@pytest.fixture
def client(door, tmp_path):
    return ControlClient(str(tmp_path / "control.sock"), timeout=10)


async def refusal(call, *args):
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(call, *args)
    return caught.value.status, caught.value.code


async def test_added_shown_and_taken_away(client, fake):
    added = {"addresses": ["Bob@A.example", "@b.example", "bob@a.example"], "reason": "asked", "expires": 9.0}
    assert await asyncio.to_thread(client.post, "/v1/suppressions", added) == {"count": 2}
    one = {"address": "bob@a.example", "reason": "asked", "added": 0.0, "expires": 9.0}
    assert await asyncio.to_thread(client.get, "/v1/suppressions/BOB@a.example") == one
    found = await asyncio.to_thread(client.get, "/v1/suppressions")
    assert [each["address"] for each in found["suppressions"]] == ["@b.example", "bob@a.example"]
    assert found["next"] is None
    assert await asyncio.to_thread(client.delete, "/v1/suppressions/%40b.example") == {"count": 1}
    assert await refusal(client.delete, "/v1/suppressions/%40b.example") == (404, "not_found")
    await asyncio.to_thread(client.post, "/v1/suppressions", {"addresses": ["c@a.example"]})
    assert (await asyncio.to_thread(client.get, "/v1/suppressions/c@a.example"))["expires"] is None


async def test_a_page_at_a_time(client, fake):
    names = [f"u{number}@a.example" for number in range(5)]
    await asyncio.to_thread(client.post, "/v1/suppressions", {"addresses": names})
    seen, cursor = [], ""
    while cursor is not None:
        page = await asyncio.to_thread(client.get, "/v1/suppressions", [("limit", "2"), ("cursor", cursor)])
        seen += [each["address"] for each in page["suppressions"]]
        cursor = page["next"]
    assert seen == names


async def test_what_is_refused(client, fake, monkeypatch):
    assert await refusal(client.get, "/v1/suppressions", [("limit", "0")]) == (400, "bad_parameter")
    assert await refusal(client.get, "/v1/suppressions/nobody") == (400, "invalid_suppression")
    for body in ({"addresses": []}, {"addresses": ["x"]}, {"addresses": ["a@b.example"], "reason": "x\n"}, {"a": 1}):
        status, _ = await refusal(client.post, "/v1/suppressions", body)
        assert status == 400, json.dumps(body)

    async def remove(keys):
        raise InvalidSuppression("line 3 of the list cannot be read")

    await asyncio.to_thread(client.post, "/v1/suppressions", {"addresses": ["a@b.example"]})
    monkeypatch.setattr(fake.listed, "remove", remove)
    assert await refusal(client.delete, "/v1/suppressions/a@b.example") == (409, "list_unreadable")


async def test_the_file_is_read_again(client, fake):
    assert await asyncio.to_thread(client.post, "/v1/suppressions/reload", {}) == {"count": 0}
    assert fake.listed.loads == 1

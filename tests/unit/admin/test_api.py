"""The HTTP interface, over the real sockets, with a stand-in for the Mta."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json

import pytest

from asyncmta.admin.client import ControlClient, NotRunning, Refused
from asyncmta.admin.door import Door
from asyncmta.admin.guard import OpenDoor
from asyncmta.inbound.drop_file import Directions, Dropped, write
from asyncmta.inbound.injection import Reports
from asyncmta.mail.envelope import ContentUnavailable

ONE, TWO, THREE = (f"{number:016d}" for number in (1, 2, 3))


@pytest.fixture
def client(door, tmp_path):
    return ControlClient(str(tmp_path / "control.sock"), timeout=10)


@pytest.fixture
def ask(door):
    """A request over TCP: status, headers, JSON."""

    def blocking(method, target, body=None, headers=None):
        with contextlib.closing(http.client.HTTPConnection(*door.address, timeout=10)) as connection:
            connection.request(method, target, body, {"Authorization": "Bearer s3cret"} | (headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read())

    async def ask(*args):
        return await asyncio.to_thread(blocking, *args)

    return ask


async def refusal(call, *args):
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(call, *args)
    return caught.value.status, caught.value.code


# -- health ---------------------------------------------------------------------------------------------------------


async def test_health_tells_the_reasons(client, fake):
    assert (await asyncio.to_thread(client.get, "/livez"))["status"] == "ok"
    fake.said = ["sandbox: on"]
    assert (await asyncio.to_thread(client.get, "/livez"))["warnings"] == ["sandbox: on"]
    fake.reasons = ["recovering"]
    assert await refusal(client.get, "/readyz") == (503, "failing")


async def test_health_over_tcp_has_status_and_reasons_and_needs_no_token(ask, fake):
    fake.reasons = ["draining"]
    status, _, said = await ask("GET", "/readyz", None, {"Authorization": ""})
    assert status == 503
    assert (said["status"], said["reasons"]) == ("failing", ["draining"])


# -- looking --------------------------------------------------------------------------------------------------------


async def test_the_queue_in_pages(client):
    first = await asyncio.to_thread(client.get, "/v1/queue", [("limit", "2")])
    assert [row["queue_id"] for row in first["messages"]] == [THREE, TWO]
    second = await asyncio.to_thread(client.get, "/v1/queue", [("limit", "2"), ("cursor", first["next"])])
    assert [row["queue_id"] for row in second["messages"]] == [ONE]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        [("state", "asleep")],
        [("limit", "0")],
        [("limit", "10001")],
        [("limit", "-1")],
        [("limit", "9" * 5000)],
        [("limit", "²")],
        [("sendr", "a@b")],
        [("domain", "a"), ("domain", "b")],
    ],
)
async def test_a_bad_parameter_is_named(client, query):
    assert await refusal(client.get, "/v1/queue", query) == (400, "bad_parameter")


async def test_a_domain_in_any_spelling_and_one_that_is_none(client):
    found = await asyncio.to_thread(client.get, "/v1/queue", [("domain", "EXAMPLE.net")])
    assert len(found["messages"]) == 3
    assert await refusal(client.get, "/v1/queue", [("domain", "-no-")]) == (400, "invalid_address")


@pytest.mark.parametrize("text", ["x", "0" * 15, "0" * 17, "u" * 16, "%2e%2e%2f" * 3, "..."])
async def test_a_bad_queue_id(client, text):
    assert await refusal(client.get, f"/v1/queue/{text}") in [(400, "bad_queue_id"), (404, "not_found")]


async def test_one_message_and_an_unknown_one(client):
    assert (await asyncio.to_thread(client.get, f"/v1/queue/{TWO}"))["queue_id"] == TWO
    assert await refusal(client.get, f"/v1/queue/{'9' * 16}") == (404, "not_found")


async def test_stats(client):
    assert (await asyncio.to_thread(client.get, "/v1/queue/stats"))["messages"] == 3


async def test_content_is_never_a_page(ask, fake, door):
    fake.contents[ONE] = b"Subject: <script>\r\n\r\nhello\r\n"

    def blocking():
        with contextlib.closing(http.client.HTTPConnection(*door.address, timeout=10)) as connection:
            connection.request("GET", f"/v1/queue/{ONE}/content", headers={"Authorization": "Bearer s3cret"})
            response = connection.getresponse()
            return response.headers, response.read()

    headers, body = await asyncio.to_thread(blocking)
    assert body == fake.contents[ONE]
    assert headers["Content-Type"].startswith("message/rfc822")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in headers["Content-Disposition"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def chunks(*parts, error=None):
    for part in parts:
        yield part
    if error is not None:
        raise error


async def collected(client, path):
    return await asyncio.to_thread(lambda: b"".join(client.stream(path)))


async def test_content_comes_in_chunks(client, fake):
    fake.contents[ONE] = chunks(b"a" * 100_000, b"b" * 100_000)
    assert await collected(client, f"/v1/queue/{ONE}/content") == b"a" * 100_000 + b"b" * 100_000


async def test_content_that_cannot_be_read_is_an_error(client, fake):
    fake.contents[ONE] = chunks(error=ContentUnavailable("gone"))
    assert await refusal(lambda: list(client.stream(f"/v1/queue/{ONE}/content"))) == (410, "content_unavailable")


async def test_damage_found_on_the_way_breaks_the_answer_off(client, fake, errors):
    fake.contents[ONE] = chunks(b"a" * 100_000, error=ContentUnavailable("digest"))
    with pytest.raises(NotRunning, match="broke off"):
        await collected(client, f"/v1/queue/{ONE}/content")
    assert [where for where, _ in errors] == [f"content of {ONE}"]


@pytest.mark.parametrize("sender", ["<>", ""])
async def test_a_route_may_be_asked_for_the_null_reverse_path(client, fake, sender):
    asked = []
    route = fake.route

    async def remembered(recipient, reverse_path, *client):
        asked.append(reverse_path)
        return await route(recipient, reverse_path, *client)

    fake.route = remembered
    said = await asyncio.to_thread(client.get, "/v1/route", [("recipient", "you@example.net"), ("sender", sender)])
    assert (said["sender"], asked) == ("<>", [None])


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /livez HTTP/1.1",
        b"GET /v1/queue HTTP/1.1",  # without a token
        b"GET /nowhere HTTP/1.1",
        b"BREW /livez HTTP/1.1",
        b"complete nonsense",
        b"\x16\x03\x01\x02\x00",  # TLS
        b"GET /livez HTTP/9.9",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1",
    ],
)
async def test_no_answer_says_what_serves_it(door, request_line):
    reader, writer = await asyncio.open_connection(*door.address)
    writer.write(request_line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.")
    assert b"server:" not in answer.lower()
    assert b"aiohttp" not in answer.lower()


async def test_a_route_is_explained(client):
    said = await asyncio.to_thread(client.get, "/v1/route", [("recipient", "you@example.net")])
    assert said["destination"] == "mx:example.net"
    assert await refusal(client.get, "/v1/route", [("recipient", "nonsense")]) == (400, "invalid_address")
    assert await refusal(client.get, "/v1/route") == (400, "bad_parameter")
    asked = [("recipient", "you@example.net"), ("client", "192.0.2.1"), ("login", "carol")]
    said = await asyncio.to_thread(client.get, "/v1/route", asked)
    assert said["policy"] == ["client 192.0.2.1 as carol"]
    nonsense = [("recipient", "you@example.net"), ("client", "nonsense")]
    assert await refusal(client.get, "/v1/route", nonsense) == (400, "bad_parameter")


async def test_why_by_id_and_by_address(client, fake):
    said = await asyncio.to_thread(client.get, "/v1/why", [("id", TWO)])
    assert ([each["queue_id"] for each in said["messages"]], said["route"]) == ([TWO], None)
    assert said["messages"][0]["recipients"][0]["decided_by"] == "schedule"
    assert await asyncio.to_thread(client.get, f"/v1/queue/{TWO}/history") == said["messages"][0]
    for address in ("YOU@example.net", "me@example.org"):
        said = await asyncio.to_thread(client.get, "/v1/why", [("address", address), ("limit", "2")])
        assert [each["queue_id"] for each in said["messages"]] == [THREE, TWO]
        assert said["route"]["destination"] == "mx:example.net"
        said = await asyncio.to_thread(client.get, "/v1/why", [("address", address), ("cursor", said["next"])])
        assert ([each["queue_id"] for each in said["messages"]], said["next"]) == ([ONE], None)
    said = await asyncio.to_thread(client.get, "/v1/why", [("address", "nobody@example.net")])
    assert (said["messages"], said["next"]) == ([], None)


async def test_why_of_what_is_gone_and_of_nothing(client):
    assert await refusal(client.get, "/v1/why", [("id", "9" * 16)]) == (404, "not_found")
    assert await refusal(client.get, f"/v1/queue/{'9' * 16}/history") == (404, "not_found")
    assert await refusal(client.get, "/v1/why", [("address", "nonsense")]) == (400, "invalid_address")
    for query in ([], [("id", ONE), ("address", "a@b")], [("id", "x")], [("address", "a@b"), ("limit", "101")]):
        assert await refusal(client.get, "/v1/why", query) == (400, "bad_parameter")


async def test_of_an_address_only_what_is_still_there(client, fake):
    """A message may end between the page that found it and its story."""
    told = fake.why
    fake.why = lambda queue_id: told(queue_id if queue_id != TWO else "9" * 16)
    said = await asyncio.to_thread(client.get, "/v1/why", [("address", "you@example.net")])
    assert [each["queue_id"] for each in said["messages"]] == [THREE, ONE]


# -- changing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["retry", "hold", "release"])
async def test_one_message_is_operated_on(client, fake, verb):
    assert await asyncio.to_thread(client.post, f"/v1/queue/{ONE.upper()}/{verb}", None) == {"count": 1}
    assert fake.asked == [(verb, [ONE], None, None, False)]
    assert await refusal(client.post, f"/v1/queue/{'9' * 16}/{verb}", None) == (404, "not_found")


async def test_delete_with_and_without_a_report(client, fake):
    await asyncio.to_thread(client.delete, f"/v1/queue/{ONE}")
    await asyncio.to_thread(client.delete, f"/v1/queue/{ONE}", [("bounce", "true")])
    assert [asked[-1] for asked in fake.asked] == [False, True]
    assert await refusal(client.delete, f"/v1/queue/{ONE}", [("bounce", "1")]) == (400, "bad_parameter")


async def test_many_by_ids_by_filter_and_all(client, fake):
    await asyncio.to_thread(client.post, "/v1/queue/hold", {"ids": [ONE, TWO]})
    await asyncio.to_thread(client.post, "/v1/queue/release", {"domain": "example.net", "sender": "a@b"})
    await asyncio.to_thread(client.post, "/v1/queue/delete", {"all": True, "bounce": True})
    await asyncio.to_thread(client.post, "/v1/queue/flush", {"domain": "example.net"})
    assert fake.asked == [
        ("hold", [ONE, TWO], None, None, False),
        ("release", None, "example.net", "a@b", False),
        ("remove", None, None, None, True),
        ("retry", None, "example.net", None, False),
    ]


async def test_flush_without_a_body_is_everything(ask, fake):
    status, _, said = await ask("POST", "/v1/queue/flush")
    assert (status, said) == (200, {"count": 3})
    assert fake.asked == [("retry", None, None, None, False)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_selection"),
        ({"ids": [ONE], "all": True}, "bad_selection"),
        ({"domain": "x", "all": True}, "bad_selection"),
        ({"al": True}, "bad_json"),
        ({"ids": ONE}, "bad_json"),
        ({"ids": ["nonsense"]}, "bad_queue_id"),
        ([], "bad_json"),
    ],
)
async def test_an_unclear_selection_does_nothing(client, fake, body, code):
    assert await refusal(client.post, "/v1/queue/delete", body) == (400, code)
    assert fake.asked == []


@pytest.mark.parametrize("path", [f"/v1/queue/{ONE}/retry", "/v1/queue/flush", "/v1/messages", "/v1/queue/delete"])
async def test_nothing_changes_by_get(ask, fake, path):
    status, _, said = await ask("GET", path)
    assert status in (400, 404, 405)
    assert said["error"]["code"]
    assert fake.asked == []


# -- a message ------------------------------------------------------------------------------------------------------


async def test_a_message_as_it_is(client, fake):
    content = b"Subject: \xff\r\n\r\n.\r\nx\r\n"
    assert await asyncio.to_thread(client.submit, "me@example.org", ["a@b.example", "c+d@e.example"], content) == ONE
    assert await asyncio.to_thread(client.submit, None, ["a@b.example"], content) == TWO
    assert fake.submitted == [
        ("me@example.org", ["a@b.example", "c+d@e.example"], content),
        (None, ["a@b.example"], content),
    ]


async def test_a_message_as_json(ask, fake):
    body = json.dumps({"from": "me@example.org", "to": ["a@b.example"], "content": "Subject: é\n\nx\n"})
    status, _, said = await ask("POST", "/v1/messages", body, {"Content-Type": "application/json"})
    assert (status, said) == (202, {"queue_id": ONE})
    assert fake.submitted == [("me@example.org", ["a@b.example"], "Subject: é\n\nx\n".encode())]


async def test_a_message_with_what_its_author_wants_to_hear_of_it(ask, fake):
    reports = {"notify": "NEVER", "ret": "HDRS", "envid": "x+2By"}
    body = json.dumps({"to": ["a@b.example"], "content": "x"} | reports)
    assert (await ask("POST", "/v1/messages", body, {"Content-Type": "application/json"}))[0] == 202
    query = "?to=a@b.example&notify=NEVER&ret=HDRS&envid=x%2B2By"
    assert (await ask("POST", "/v1/messages" + query, b"x", {"Content-Type": "message/rfc822"}))[0] == 202
    assert fake.reports == [Reports(**reports)] * 2


async def test_a_message_as_it_stands_in_the_drop_directory(client, fake):
    recipients = tuple(f"{'x' * 50}{number}@b.example" for number in range(500))
    message = Dropped(Directions(None, recipients, Reports("SUCCESS")), b"Subject: \xff\n\n")
    assert await asyncio.to_thread(client.hand_over, write(message)) == ONE
    assert fake.submitted == [(None, list(recipients), b"Subject: \xff\n\n")]
    assert fake.reports == [Reports("SUCCESS")]
    assert await refusal(client.hand_over, write(message)[:-1]) == (400, "bad_message")


async def test_what_a_message_must_have(client, ask, fake):
    assert await refusal(client.submit, "me@example.org", [], b"x") == (400, "no_recipients")
    assert await refusal(client.submit, "me@example.org", ["nonsense"], b"x") == (400, "invalid_address")
    assert await refusal(client.submit, "me@example.org", ["a@b.example"], b"x" * 10_001) == (413, "too_large")
    status, _, said = await ask("POST", "/v1/messages?to=a@b", b"x", {"Content-Type": "text/html"})
    assert (status, said["error"]["code"]) == (415, "unsupported_media_type")
    assert fake.submitted == []


async def test_a_body_without_length_is_bounded_too(ask, fake):
    status, _, said = await ask(
        "POST", "/v1/messages?to=a@b.example", iter([b"x" * 6000] * 2), {"Content-Type": "message/rfc822"}
    )
    assert (status, said["error"]["code"]) == (413, "too_large")
    assert fake.submitted == []


async def test_a_refusal_says_what_the_mta_said(client, fake):
    fake.refuse(452, "4.3.1", "no room")
    assert await refusal(client.submit, "me@example.org", ["a@b.example"], b"x") == (503, "refused")
    fake.refuse(550, "5.1.1", "no such mailbox")
    assert await refusal(client.submit, "me@example.org", ["a@b.example"], b"x") == (422, "refused")


# -- bad guests -----------------------------------------------------------------------------------------------------


async def test_over_tcp_the_token_is_needed(ask):
    status, _, said = await ask("GET", "/v1/queue", None, {"Authorization": "Bearer wrong"})
    assert (status, said["error"]["code"]) == (401, "unauthorized")


async def test_a_page_in_a_browser_cannot_ask(ask, fake):
    status, _, said = await ask("POST", "/v1/queue/flush", None, {"Origin": "http://evil.example"})
    assert (status, said["error"]["code"]) == (403, "bad_origin")
    assert fake.asked == []


async def test_paths_and_methods_that_are_not_there(ask):
    status, _, said = await ask("GET", "/v2/nothing")
    assert (status, said["error"]["code"]) == (404, "not_found")
    status, headers, said = await ask("PUT", "/v1/queue")
    assert (status, said["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in headers["Allow"]


async def test_a_probe_may_use_head(door):
    def blocking():
        with contextlib.closing(http.client.HTTPConnection(*door.address, timeout=10)) as connection:
            connection.request("HEAD", "/livez")
            return connection.getresponse().status

    assert await asyncio.to_thread(blocking) == 200


async def test_the_head_of_content_is_not_followed_by_any(door, fake, client):
    fake.contents[ONE] = chunks(b"HTTP/1.1 200 OK\r\n\r\n", b"b" * 100)
    reader, writer = await asyncio.open_connection(*door.address)
    asked = "HEAD /v1/queue/%s/content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n\r\n"
    writer.write((asked % ONE).encode())
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    assert said.count(b"HTTP/1.1 ") == 2
    assert b"bbb" not in said


async def test_a_bug_tells_nothing_of_the_inside_and_is_reported(ask, fake, errors):
    fake.bug = RuntimeError("secret path /etc")
    status, _, said = await ask("GET", "/v1/queue")
    assert (status, said["error"]["code"]) == (500, "internal")
    assert "secret" not in json.dumps(said)
    assert [error for _, error in errors] == [fake.bug]
    fake.bug = None
    assert (await ask("GET", "/v1/queue"))[0] == 200


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET /" + b"a" * 20_000, b"HELO x\r\n\r\n", b"GET / HTTP/1.1\r\nA" * 99]
)
async def test_garbage_does_not_end_it(door, client, garbage, caplog, capsys):
    reader, writer = await asyncio.open_connection(*door.address)
    writer.write(garbage)
    writer.write_eof()
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()
    assert (await asyncio.to_thread(client.get, "/livez"))["status"] == "ok"
    assert (caplog.records, capsys.readouterr().err) == ([], "")


# -- the door -------------------------------------------------------------------------------------------------------


def a_door(fake, path, **kw):
    return Door(fake, socket_path=str(path), message_size=100, on_error=lambda *_: None, **kw)


async def test_no_public_address_without_a_token(fake, tmp_path):
    with pytest.raises(OpenDoor, match=r"admin\.token"):
        await a_door(fake, tmp_path / "s", listen="0.0.0.0:0", token="").open()
    assert not (tmp_path / "s").exists()


async def test_a_taken_port_leaves_no_socket_behind(fake, door, tmp_path):
    with pytest.raises(OSError, match="in use"):
        await a_door(fake, tmp_path / "s", listen=f"127.0.0.1:{door.address[1]}", token="").open()
    assert not (tmp_path / "s").exists()


async def test_closing_takes_the_socket_away_and_may_be_repeated(fake, tmp_path):
    door = a_door(fake, tmp_path / "s", listen="", token="")
    await door.open()
    await door.close()
    await door.close()
    assert not (tmp_path / "s").exists()
    with pytest.raises(NotRunning):
        await asyncio.to_thread(ControlClient(str(tmp_path / "s"), timeout=5).get, "/livez")

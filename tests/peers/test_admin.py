"""The HTTP interface of a served MTA, asked by curl: token, Host, Origin, errors, bounds, and a queue in pages."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from peerkit.receiver import wait
from peerkit.serving import free_port

from asyncmta.admin.guard import OPEN_PATHS
from asyncmta.admin.paths import PATHS

pytestmark = pytest.mark.peers

TOKEN = "a-token-for-tests"
HOLD = '[[route]]\nrecipient = "*"\nvia = "hold"\n'


class Curl:
    """`curl` against one port: status, headers, body."""

    def __init__(self, port):
        self.port = port

    def __call__(self, target, *arguments, token=TOKEN, body=None):
        bearer = ["-H", f"Authorization: Bearer {token}"] if token else []
        said = subprocess.run(
            ["curl", "-sS", "-i", "--max-time", "20", *bearer, *arguments, f"http://127.0.0.1:{self.port}{target}"],
            capture_output=True,
            input=body,
            check=True,
            timeout=60,
        ).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            head, _, content = content.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return int(lines[0].split()[1]), headers, content

    def json(self, target, *arguments, token=TOKEN, body=None):
        status, headers, content = self(target, *arguments, token=token, body=body)
        assert headers["content-type"].startswith("application/json")
        return status, json.loads(content)


@pytest.fixture
def curl(serving):
    port = free_port()
    admin = f'[admin]\nlisten = "127.0.0.1:{port}"\ntoken = "{TOKEN}"\n'
    mta = serving(HOLD + admin).start()
    assert wait(lambda: b'"ready"' in mta.log.read_bytes(), 30)
    return Curl(port)


@pytest.fixture
def open_curl(serving, tmp_path):
    """Without a token, as loopback allows it."""
    port = free_port()
    folder = tmp_path / "open"
    folder.mkdir()
    mta = serving(f'{HOLD}[admin]\nlisten = "127.0.0.1:{port}"\n', folder=folder).start()
    assert wait(lambda: b'"ready"' in mta.log.read_bytes(), 30)
    return Curl(port)


def code(answer):
    status, said = answer
    assert set(said) == {"error"}
    assert set(said["error"]) == {"code", "message"}
    return status, said["error"]["code"]


def handed_in(curl, count):
    for number in range(count):
        body = json.dumps({"from": f"me{number % 3}@example.org", "to": [f"you{number}@held.test"], "content": "x"})
        status, _ = curl.json("/v1/messages", "--json", body)
        assert status == 202


def test_the_token(curl):
    assert curl.json("/v1/queue")[0] == 200
    for wrong in ("", "wrong", TOKEN + "x", TOKEN[:-1], "\u00e9"):
        assert code(curl.json("/v1/queue", token=wrong)) == (401, "unauthorized")
    assert code(curl.json("/v1/queue", "-u", f"user:{TOKEN}", token="")) == (401, "unauthorized")
    assert curl.json("/livez", token="")[0] == 200
    assert curl.json("/readyz", token="")[0] == 200
    for path in ("/v1/openapi.json", "/nowhere", "/v1/queue/flush"):
        assert code(curl.json(path, token="")) == (401, "unauthorized")


def test_a_name_that_leads_here_is_not_taken_without_a_token(open_curl):
    """DNS rebinding: a page of evil.example asks its own origin, which has become our address."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1].evil.example"):
        assert code(open_curl.json("/v1/queue", "-H", f"Host: {host}", token="")) == (403, "bad_host")
    assert open_curl("/v1/queue", "-H", "Host;", token="")[0] in (400, 403)
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert open_curl.json("/v1/queue", "-H", f"Host: {name}:{open_curl.port}", token="")[0] == 200


def test_pages_of_others_cannot_ask(curl, open_curl):
    for each, token in ((curl, TOKEN), (open_curl, "")):
        for origin in ("http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://"):
            answer = each.json("/v1/queue/flush", "-X", "POST", "-H", f"Origin: {origin}", token=token)
            assert code(answer) == (403, "bad_origin")
        own = f"http://127.0.0.1:{each.port}"
        assert each.json("/v1/queue/flush", "-X", "POST", "-H", f"Origin: {own}", token=token)[0] == 200


def target_of(path):
    """One that is really served; of nothing that is there."""
    return path.path.replace("{id}", "0" * 16).replace("{address}", "nobody@held.test")


def test_no_path_is_forgotten_by_token_host_and_origin(curl, open_curl):
    """Each method of each path, with a body that would do something, refused before anything is done."""
    for path in PATHS:
        asked = (
            "-X",
            path.method,
            *(("--json", '{"what": "input", "to": "127.0.0.1:1", "all": true}') if path.bodies else ()),
        )
        target = target_of(path)
        if path.path not in OPEN_PATHS:
            assert code(curl.json(target, *asked, token="")) == (401, "unauthorized"), path
        foreign = ("-H", "Origin: http://evil.example")
        assert code(curl.json(target, *asked, *foreign)) == (403, "bad_origin"), path
        assert code(open_curl.json(target, *asked, *foreign, token="")) == (403, "bad_origin"), path
        rebound = ("-H", f"Host: evil.example:{open_curl.port}")
        assert code(open_curl.json(target, *asked, *rebound, token="")) == (403, "bad_host"), path
    for each, token in ((curl, TOKEN), (open_curl, "")):
        assert each.json("/v1/pauses", token=token)[1]["reasons"] == []
        assert each.json("/v1/drain", token=token)[0] == 404


def test_there_is_no_cors(curl):
    preflight = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST")
    status, headers, _ = curl("/v1/queue/flush", *preflight, "-H", "Origin: http://evil.example", token="")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control-")]
    status, headers, _ = curl("/v1/queue", "-H", f"Origin: http://127.0.0.1:{curl.port}")
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control-")]


def test_every_answer_has_the_headers_that_browsers_heed(curl):
    for target in ("/livez", "/v1/queue", "/nowhere", "/v1/queue?x=1"):
        _, headers, _ = curl(target)
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_errors_are_json_whatever_is_wrong(curl):
    assert code(curl.json("/nowhere")) == (404, "not_found")
    assert code(curl.json("/v1/queue/0000000000000000")) == (404, "not_found")
    assert code(curl.json("/v1/queue", "-X", "PUT")) == (405, "method_not_allowed")
    assert code(curl.json("/v1/queue?limt=1")) == (400, "bad_parameter")
    assert code(curl.json("/v1/queue?limit=0")) == (400, "bad_parameter")
    assert code(curl.json("/v1/queue/delete", "--json", "{}")) == (400, "bad_selection")
    assert code(curl.json("/v1/queue/delete", "--json", "{")) == (400, "bad_json")
    assert code(curl.json("/v1/messages?to=a@b.test", "-H", "Content-Type: text/html", "-d", "x"))[0] == 415
    large = b"x" * (2 << 20)
    assert code(curl.json("/v1/queue/delete", "--json", "@-", body=large)) == (413, "too_large")
    status, _, _ = curl("/v1/queue", "-H", "X-Large: " + "x" * 20_000)
    assert status == 400


def test_a_queue_in_pages_while_mail_comes(curl):
    handed_in(curl, 25)
    found, cursor = [], ""
    while True:
        status, page = curl.json(f"/v1/queue?limit=10{cursor}")
        assert status == 200
        found += [row["queue_id"] for row in page["messages"]]
        if page["next"] is None:
            break
        assert re.fullmatch(r"[A-Za-z0-9_-]+", page["next"])
        cursor = f"&cursor={page['next']}"
        handed_in(curl, 1)  # newer than the page: it is not in those that follow
    assert len(found) == len(set(found)) == 25
    assert found == sorted(found, reverse=True)


def test_bulk_operations_by_filters_with_counts(curl):
    handed_in(curl, 9)
    chosen = {"sender": "me1@example.org", "state": "held", "max_age": "1h"}
    status, page = curl.json("/v1/queue?sender=me1@example.org&state=held&max_age=1h")
    assert (status, len(page["messages"])) == (200, 3)
    assert curl.json("/v1/queue/delete", "--json", json.dumps(chosen | {"dry_run": True})) == (200, {"count": 3})
    assert curl.json("/v1/queue/stats")[1]["messages"] == 9
    assert curl.json("/v1/queue/delete", "--json", json.dumps(chosen)) == (200, {"count": 3})
    assert curl.json("/v1/queue/stats")[1]["messages"] == 6
    assert curl.json("/v1/queue/delete", "--json", '{"min_age": "1h"}') == (200, {"count": 0})
    queue_id = curl.json("/v1/queue?limit=1")[1]["messages"][0]["queue_id"]
    assert curl.json(f"/v1/queue/{queue_id}", "-X", "DELETE") == (200, {"count": 1})
    assert curl.json("/v1/queue/flush", "--json", '{"domain": "held.test"}')[0] == 200


def test_content_and_document(curl):
    status, said = curl.json(
        "/v1/messages?from=me@example.org&to=you@held.test",
        "-H",
        "Content-Type: message/rfc822",
        "--data-binary",
        "@-",
        body=b"Subject: hello\r\n\r\n.dot\r\n",
    )
    assert status == 202
    status, headers, content = curl(f"/v1/queue/{said['queue_id']}/content")
    assert (status, headers["content-type"]) == (200, "message/rfc822")
    assert content.endswith(b"Subject: hello\r\n\r\n.dot\r\n")
    status, document = curl.json("/v1/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert curl.json("/v1/sites") == (200, {"sites": []})


def test_a_public_address_without_a_token_is_78(serving):
    mta = serving(f'{HOLD}[admin]\nlisten = "0.0.0.0:{free_port()}"\n').start(wait=False)
    assert mta.end() == 78
    assert "admin.token" in mta.tail()


def test_why_as_the_command_has_it(serving, smarthost, tmp_path):
    folder = tmp_path / "waiting"
    folder.mkdir()
    held = HOLD.replace('"*"', '"*@held.test"')
    mta = serving(held + smarthost.format(port=free_port()), folder=folder).start()  # nobody listens there
    ids = {}
    for name in ("you@held.test", "you@next.test"):
        said = mta.asyncmta("send", "-f", "me@example.org", name, stdin=b"Subject: x\n\nx\n")
        ids[name] = said.stdout.decode().strip()

    def why(asked):
        said = mta.asyncmta("why", asked)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    (story,) = why(ids["you@held.test"])["messages"]
    (person,) = story["recipients"]
    assert (person["decided_by"], person["state"]) == ("route", "held")
    assert "*@held.test" in person["why"]
    assert wait(lambda: why("you@next.test")["messages"][0]["recipients"][0]["state"] == "deferred", 30)
    found = why("you@next.test")
    assert found["messages"][0]["recipients"][0]["last"]["cause"] == "connect"
    assert found["route"]["recipient"] == "you@next.test"
    assert [each["queue_id"] for each in why("me@example.org")["messages"]] == [*ids.values()][::-1]
    assert mta.asyncmta("why", "0" * 16).returncode == 65
    assert mta.asyncmta("why", "nonsense").returncode == 65
    assert mta.stop() == 0
    assert mta.asyncmta("why", ids["you@held.test"]).returncode == 69

"""The queue commands on a running MTA and on a stopped one."""

from __future__ import annotations

import json

import pytest
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

HOLD = """
[[route]]
recipient = "*@held.test"
via = "hold"
"""
LETTER = b"Subject: hello\nTo: someone\n\n.dot\n"


def listed(mta, *more):
    said = mta.asyncmta("queue", "list", "--json", *more)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)["messages"]


def sent(mta, *arguments):
    said = mta.asyncmta("send", *arguments, stdin=LETTER)
    assert said.returncode == 0, said.stderr
    return said.stdout.decode().strip()


def test_a_held_message_is_seen_running_and_stopped_alike(serving):
    mta = serving(HOLD).start()
    queue_id = sent(mta, "-f", "me@example.org", "you@held.test")
    (running,) = listed(mta)
    assert (running["queue_id"], running["state"], running["sender"]) == (queue_id, "held", "me@example.org")
    content = mta.asyncmta("queue", "cat", queue_id).stdout
    assert content.endswith(b"Subject: hello\r\nTo: someone\r\n\r\n.dot\r\n")
    assert mta.stop() == 0
    (stopped,) = listed(mta)
    assert {key: stopped[key] for key in ("queue_id", "sender", "size", "attempts")} == {
        key: running[key] for key in ("queue_id", "sender", "size", "attempts")
    }
    assert mta.asyncmta("queue", "cat", queue_id).stdout == content
    assert mta.asyncmta("queue", "show", queue_id).returncode == 0
    assert json.loads(mta.asyncmta("queue", "stats", "--json").stdout)["messages"] == 1
    assert mta.asyncmta("queue", "retry", queue_id).returncode == 69


def test_filters_and_delete(serving):
    mta = serving(HOLD).start()
    ids = [sent(mta, "-f", sender, "you@held.test") for sender in ("a@example.org", "b@example.org", "<>")]
    assert [row["queue_id"] for row in listed(mta)] == ids[::-1]
    assert [row["queue_id"] for row in listed(mta, "--sender", "b@example.org")] == [ids[1]]
    assert [row["queue_id"] for row in listed(mta, "--sender", "<>")] == [ids[2]]
    assert [row["queue_id"] for row in listed(mta, "--limit", "1")] == [ids[2]]
    assert listed(mta, "--domain", "other.test") == []
    assert mta.asyncmta("queue", "delete", ids[0]).returncode == 0
    assert [row["queue_id"] for row in listed(mta)] == [ids[2], ids[1]]
    assert mta.asyncmta("queue", "delete", "--all", "--yes").returncode == 0
    assert listed(mta) == []
    mta.kill()
    assert listed(mta) == []  # it was durable before the operator was told


def test_hold_survives_a_kill_and_release_delivers(serving, smarthost, receiver):
    mta = serving(smarthost.format(port=1)).start()  # nobody listens there
    queue_id = sent(mta, "-f", "me@example.org", "you@next.test")
    assert mta.asyncmta("queue", "hold", queue_id).returncode == 0
    mta.kill()
    mta.config.write_text(mta.config.read_text().replace('127.0.0.1:1"', f'127.0.0.1:{receiver.port}"'))
    mta.start()
    assert [row["state"] for row in listed(mta)] == ["held"]
    assert mta.asyncmta("queue", "release", queue_id).returncode == 0
    assert mta.asyncmta("queue", "retry", "--all").returncode == 0
    assert wait(lambda: receiver.taken, 30)
    assert mta.stop() == 0
    assert listed(mta) == []


def test_a_route_is_explained(serving, smarthost):
    mta = serving(HOLD + smarthost.format(port=2525)).start()
    said = json.loads(mta.asyncmta("route", "--json", "you@held.test").stdout)
    assert said["destination"] == "hold"
    said = mta.asyncmta("route", "you@elsewhere.example")
    assert b"127.0.0.1:2525" in said.stdout
    assert mta.asyncmta("route", "nonsense").returncode == 65

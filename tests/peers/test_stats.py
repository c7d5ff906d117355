"""`asyncmta stats` on the log of a real `asyncmta serve`, while it runs and after its end."""

from __future__ import annotations

import json

import pytest
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

ROUTES = """
[[route]]
recipient = "*@held.test"
via = "discard"

[[route]]
recipient = "*@never.test"
via = "reject"
"""
LETTER = b"Subject: hello\n\nHello.\n"


def counted(mta, *arguments):
    said = mta.asyncmta("stats", str(mta.log), "--json", *arguments)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_the_log_of_a_real_one(serving, receiver, smarthost):
    mta = serving(ROUTES + smarthost.format(port=receiver.port)).start()
    for number in range(5):
        assert mta.asyncmta("send", "-f", "me@Example.ORG", f"you{number}@example.net", stdin=LETTER).returncode == 0
    assert mta.asyncmta("send", "-f", "me@example.org", "you@held.test", stdin=LETTER).returncode == 0
    assert wait(lambda: counted(mta)["totals"]["delivered"]["lines"] == 5, 30)
    kept = str(mta.folder / "stats.sqlite")
    running = counted(mta, "--database", kept)
    assert mta.stop() == 0
    stopped = counted(mta, "--database", kept)
    assert stopped["read"]["resumed"] > 0
    assert stopped["read"]["known"] == 0
    assert stopped["totals"] == counted(mta)["totals"]
    assert running["totals"]["accepted"] == stopped["totals"]["accepted"] == {"lines": 6, "recipients": 6}
    assert [each["sender"] for each in stopped["senders"]] == ["me@example.org"]
    assert stopped["domains"][0]["domain"] == "example.net"
    assert stopped["totals"]["discarded"]["lines"] == 1
    assert stopped["delay"]["deliveries"] == 5
    plain = [json.loads(line) for line in mta.log.read_bytes().splitlines() if line.startswith(b"{")]
    for event in ("accepted", "attempt", "delivered", "refused", "failed"):
        lines = [each for each in plain if each["event"] == event and not each.get("discarded")]
        assert stopped["totals"][event]["lines"] == len(lines)
    broken = [line for line in mta.log.read_bytes().splitlines() if b"{" not in line]
    assert counted(mta)["read"]["broken"] == len(broken)

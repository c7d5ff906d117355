"""What goes wrong behind us is reported, and nothing of how we are built goes out with the report (W-293)."""

from __future__ import annotations

import errno
import re

from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
INSIDE = re.compile(
    rb"/[a-z]+/|Traceback|Errno|[A-Za-z]+Error\b|[Ee]xception|\.py\b|uid|\b127\.|\b10\.|config|route|rule|sh -c"
    rb"|E[A-Z]{4,}\b"
)


async def report_of(world, mta, recipient):
    await mta.mta.submit("alice@a.example", [recipient], CONTENT)
    await world.run()
    [report] = (each for each in mta.mailbox("alice") if b"report-type" in each)
    assert failed_recipients(report) == [recipient]
    assert mta.mta.queue() == []
    _, _, told = report.partition(b"This is the mail system at")
    told, _, returned = told.partition(b"\nContent-Type: text/rfc822-headers")
    assert not INSIDE.search(told), INSIDE.search(told)
    assert returned
    return told


def piped(*command):
    return {
        "pipe": {"enabled": True},
        "route": [{"recipient": "robot@a.example", "via": "pipe", "command": list(command)}],
    }


async def test_command_that_talks_too_much(world):
    said = "echo /etc/robot/secrets.py: ask 10.0.0.7, no such robot >&2; exit 67"
    mta = await world.mta("a.example", **piped("/bin/sh", "-c", said))
    told = await report_of(world, mta, "robot@a.example")
    assert b"the command refused: (...): ask (...), no such robot" in told


async def test_command_that_is_not_there(world):
    mta = await world.mta("a.example", **piped("/opt/robot/bin/take", "--uid=3"))
    told = await report_of(world, mta, "robot@a.example")
    assert b"within 5 days" in told
    assert b"Local error" in told


async def test_mailbox_that_cannot_be_written(world):
    mta = await world.mta("a.example")
    await mta.mta.submit("x@a.example", ["alice@a.example"], CONTENT)
    await world.idle()  # her mailbox is there
    mta.disk.fail_at(1, errno.EACCES, for_good=True, only={"mkdir"})
    told = await report_of(world, mta, "bob@a.example")
    assert b"Local error" in told


async def test_store_on_an_inner_address(world):
    sink = await world.sink()
    sink.script("RCPT", "550 5.1.1 no such mailbox", times=100)
    host = "{}:{}".format(*sink.address)
    route = {"recipient": "robot@a.example", "via": "smarthost", "hosts": [host], "tls": "none"}
    mta = await world.mta("a.example", route=[route])
    told = await report_of(world, mta, "robot@a.example")
    assert b"mx.a.example said:\n      550 5.1.1 no such mailbox\n" in told
    assert b"Remote-MTA" not in told


async def test_store_that_is_not_there(world):
    route = {"recipient": "robot@a.example", "via": "smarthost", "hosts": [f"{world.address()}:{world.port}"]}
    mta = await world.mta("a.example", route=[route])
    told = await report_of(world, mta, "robot@a.example")
    assert b"within 5 days" in told
    assert b"no connection" in told

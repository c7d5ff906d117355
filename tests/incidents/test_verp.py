"""A message of which each recipient has a reverse-path of his own, because its sender wanted it so."""

from __future__ import annotations

import errno

import pytest

from asyncmta.inbound.injection import Reports
from tests.incidents.incidentkit import without_received

CONTENT = b"Subject: news\r\n\r\n..to you\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5_000
VERP = Reports(verp=True)


def paths(sink):
    return sorted((message.reverse_path, *message.recipients) for message in sink.messages)


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
async def test_each_by_itself(world, content):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", "c.example")
    await mta.mta.submit("news@a.example", ["u@b.example", "v@b.example", "w@c.example", "al@a.example"], content, VERP)
    await world.run()
    assert paths(sink) == [
        ("news+u=b.example@a.example", "u@b.example"),
        ("news+v=b.example@a.example", "v@b.example"),
        ("news+w=c.example@a.example", "w@c.example"),
    ]
    assert len({without_received(message.content) for message in sink.messages}) == 1
    [local] = mta.mailbox("al")
    assert local.startswith(b"Return-Path: <news+al=a.example@a.example>\n")
    assert b"Delivered-To: u@" not in sink.messages[0].content  # he would take it for a loop
    assert mta.mta.queue() == []
    await world.soon(lambda: not [path for path in mta.disk.tree() if path.startswith("spool/content/")])


async def test_the_null_reverse_path_stays_null(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    await mta.mta.submit("", ["u@b.example", "v@b.example"], CONTENT, VERP)
    await world.run()
    assert paths(sink) == [("", "u@b.example", "v@b.example")]


async def test_a_failure_is_told_at_the_recipients_own_path(world):
    mta = await world.mta("a.example", local={"mailboxes": ["news+u=b.example"]})
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 gone")
    await mta.mta.submit("news@a.example", ["u@b.example"], CONTENT, VERP)
    await world.run()
    [report] = mta.mailbox("news+u=b.example")
    assert b"u@b.example" in report


@pytest.mark.parametrize("step", range(0, 24, 3))
async def test_a_crash_in_the_middle_loses_nobody(world, step):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    await mta.mta.submit("news@a.example", [f"u{at}@b.example" for at in range(5)], CONTENT, VERP)
    for _ in range(step):
        await world.clock.settle(1)
    await mta.kill()
    await mta.open()
    await world.run()
    assert {path for path, *_ in paths(sink)} == {f"news+u{at}=b.example@a.example" for at in range(5)}
    assert mta.mta.queue() == []


async def test_a_disk_that_is_full_for_a_while(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    sink.script("GREETING", "421 4.3.2 later", times=1)
    await mta.mta.submit("news@a.example", ["u@b.example"], LARGE, VERP)
    mta.disk.fail_at(1, errno.ENOSPC)
    await world.run()
    assert [path for path, *_ in paths(sink)] == ["news+u=b.example@a.example"]

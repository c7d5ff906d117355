"""A segment of the journal is unlinked, and the power goes before the directory is synced: some of what was dropped
is there again. It was dropped because nothing lived in it, and that still holds."""

from __future__ import annotations

import itertools

import pytest


def segments(mta):
    return {path: octets for path, octets in mta.disk.tree().items() if path.endswith(".seg")}


async def three_lives(world):
    """A message that is accepted in the first life, delivered to one in the second, to the other in the third; and
    all segments that there were."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=3)
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    there = segments(mta)
    for _ in range(2):
        await mta.reopen()
        await mta.mta.retry()
        await world.idle()
        there |= segments(mta)
    assert sorted(sum((message.recipients for message in sink.messages), ())) == ["bob@b.example", "carol@b.example"]
    assert mta.mta.queue() == []
    await world.advance(5)  # what is retired is noted, and the segments are dropped
    await world.idle()
    await mta.mta.drain(0.0)
    mta.is_open = False
    return mta, sink, there


@pytest.mark.parametrize("missing", [(), *itertools.chain(*(itertools.combinations((1, 2), n) for n in (1, 2)))])
async def test_any_of_them(world, missing):
    mta, sink, there = await three_lives(world)
    left = segments(mta)
    dropped = sorted(path for path in there if path not in left)
    assert len(dropped) == 2, "two segments in which nothing lives any more"
    for number, path in enumerate(dropped, 1):
        if number not in missing:
            mta.disk.put(path, there[path])
    await mta.open()
    assert mta.mta.queue() == []
    assert mta.mta.recovery.damaged == 0
    await world.run()
    assert len(sink.messages) == 2

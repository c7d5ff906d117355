"""A message waits so long that its segment is given up: it is carried, packed on the way, and what is delivered after
that is what came, octet for octet. One that went bad meanwhile is never sent."""

from __future__ import annotations

import pytest

from tests.incidents.incidentkit import without_received
from tests.incidents.test_large_content import odd_lines

PACKED = b"\x28\xb5\x2f\xfd"
CONTENT = odd_lines(20_000) + b"A line that is like the others.\r\n" * 200


def segments(mta):
    return {path: octets for path, octets in mta.disk.tree().items() if path.endswith(".seg")}


async def carried(world, mta):
    """Starts enough for so many segments that they are joined; the one with packed content."""
    for _ in range(20):
        await mta.reopen()
    assert len(segments(mta)) > 20
    await world.soon(lambda: world.clock.advance(0.5) or len(segments(mta)) < 5)
    [path] = [path for path, octets in segments(mta).items() if PACKED in octets]
    return path


async def test_what_was_carried_is_delivered_as_it_came(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", "451 4.3.0 Later", times=1)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    path = await carried(world, mta)
    octets = segments(mta)[path]
    assert b"A line that is like the others.\r\n" * 2 not in octets
    assert len(octets) < len(CONTENT) // 2
    await mta.cut_power()
    await mta.open()
    await world.run()
    [message] = sink.messages
    assert without_received(message.content).endswith(CONTENT)
    assert mta.mailbox("alice") == []
    assert not sink.violations


@pytest.mark.parametrize("at", [30, 60])
async def test_damage_to_it_is_never_sent_on(world, at):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", "451 4.3.0 Later", times=1)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    path = await carried(world, mta)
    octets = segments(mta)[path]
    where = octets.index(PACKED) + at
    mta.disk._node(path).write(bytes([octets[where] ^ 1]), where)  # in place: it is the segment that is written to
    await world.run()
    assert sink.messages == []
    [report] = mta.mailbox("alice")
    assert b"bob@b.example" in report
    assert not sink.violations

"""Content over 256 KiB: it goes through a file, byte for byte, and memory does not grow with it."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest

from asyncmta.system.disk import PosixDisk
from tests.incidents.incidentkit import without_received

KIB, MIB = 1 << 10, 1 << 20


def odd_lines(size, seed=1):
    """Content of about this size: dots, empty lines, 8-bit, lines of 998 octets; CR LF all over."""
    chance = random.Random(seed)
    kinds = [b".", b"..", b"", b".x", b"x" * 998, b"." * 998, bytes(range(128, 256)), b"From x", b"hello " * 12]
    lines = [b"Subject: large", b""]
    left = size
    while left > 0:
        lines.append(chance.choice(kinds))
        left -= len(lines[-1]) + 2
    return b"\r\n".join(lines) + b"\r\n"


def content_files(mta):
    return [path for path in mta.disk.tree() if path.startswith("spool/content/")]


@pytest.mark.parametrize("size", [250 * KIB, 256 * KIB - 4096, 256 * KIB, 257 * KIB, 3 * MIB])
async def test_it_arrives_as_it_was_sent(world, size):
    """By SMTP and from the API; at a next hop and in a mailbox."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    content = odd_lines(size)
    recipients = ["bob@b.example", "alice@a.example"]
    async with mta.client() as client:
        await client.hello()
        replies = await client.send_message("x@y.example", recipients, content, parameters="BODY=8BITMIME")
    assert replies[-1].code == 250
    await world.idle()
    await mta.mta.submit("x@y.example", recipients, content)
    await world.idle()
    by_smtp, by_api = sink.messages
    assert without_received(by_smtp.content) == content
    assert without_received(by_api.content).endswith(content)
    assert [octets.endswith(content.replace(b"\r\n", b"\n")) for octets in mta.mailbox("alice")] == [True, True]
    assert not sink.violations
    await world.soon(lambda: not content_files(mta))


async def test_it_is_sent_again_after_a_restart(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", "451 4.3.0 Later", times=2)
    content = odd_lines(MIB)
    await mta.mta.submit("x@y.example", ["bob@b.example"], content)
    await world.idle()
    await mta.cut_power()
    await mta.open()
    assert len(content_files(mta)) == 1
    await world.run()
    [message] = sink.messages
    assert without_received(message.content).endswith(content)
    await world.soon(lambda: not content_files(mta))


async def test_it_is_returned_by_its_header_section_alone(world):
    mta = await world.mta("a.example")
    await mta.mta.submit("alice@a.example", ["x@no-such-domain.example"], odd_lines(MIB))
    await world.idle()
    [report] = mta.mailbox("alice")
    assert b"Subject: large" in report
    assert len(report) < 8 * KIB


async def test_damage_on_the_disk_is_never_sent_on(world):
    """A bit flips while it waits: the message is deferred, not sent, and set aside once the scrub has seen it."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "451 4.3.0 Later")
    queue_id = await mta.mta.submit("alice@a.example", ["bob@b.example"], odd_lines(MIB))
    await world.idle()
    [path] = content_files(mta)
    damaged = bytearray(mta.disk.get(path))
    damaged[len(damaged) // 2] ^= 1
    mta.disk.put(path, bytes(damaged))
    await world.run(until=lambda: len(mta.events("deferred")) > 1)
    assert [row.state for row in mta.mta.queue()] == ["deferred"]
    await world.until(lambda: mta.mta.rooms.store.facts().scrub_rounds)
    await world.run()
    assert sink.messages == []
    [row] = mta.mta.queue()
    assert (row.queue_id, row.state) == (queue_id, "damaged")
    assert "content/" in row.reason
    assert len(mta.events("spool_scrub_found")) == 1
    assert content_files(mta) == [path]
    assert not sink.violations


async def test_memory_does_not_grow_with_it(world, tmp_path):
    """One of 24 MiB on its way through two MTAs, with real files; what Python has allocated stays far below that."""
    a, b = world.house("a.example"), world.house("b.example", limits={"message_size": "64MiB"})
    for mta in (a, b):
        mta.disk = PosixDisk()
        mta.tables |= {
            "spool": str(tmp_path / mta.domain / "spool"),
            "limits": {"message_size": "64MiB"},
            "local": {"maildir": str(tmp_path / mta.domain / "mail" / "{domain}" / "{local_part}")},
        }
        await mta.open()
    block = odd_lines(64 * KIB)
    client = await a.greet()
    for line in ("MAIL FROM:<x@y.example> BODY=8BITMIME", "RCPT TO:<bob@b.example>", "DATA"):
        await client.command(line)
    from asyncmta.mail import wire

    wire_block = wire.stuff(block)
    gc.collect()
    tracemalloc.start(1)
    try:
        for _ in range(24 * 16):
            await client.send(wire_block)
        await client.send(b".\r\n")
        assert (await client.reply()).code == 250
        await world.idle()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    new = tmp_path / "b.example" / "mail" / "b.example" / "bob" / "new"
    await world.soon(lambda: new.is_dir() and list(new.iterdir()))
    [file] = new.iterdir()
    content = file.read_bytes()
    assert content.endswith(block.replace(b"\r\n", b"\n") * (24 * 16))
    print(f"\npeak of what Python allocated for {len(content) >> 20} MiB: {peak / MIB:.1f} MiB")
    assert peak < 12 * MIB

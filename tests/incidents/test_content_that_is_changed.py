"""Nothing of a message is changed on its way but for the field that we put in front; whatever its octets are."""

from __future__ import annotations

import email
import random

import pytest

from asyncmta.mail import wire
from asyncmta.testing.smtp_sink import EXTENSIONS, SinkSettings
from tests.incidents.incidentkit import RECEIVED, without_received

ODD = {
    "empty": b"",
    "an empty line": b"\r\n",
    "a body alone": b"\r\nbody\r\n",
    "a header section alone": b"Subject: x\r\n",
    "no empty line behind it": b"Subject: x\r\nTo: y\r\n",
    "one dot": b"Subject: x\r\n\r\n.\r\n",
    "dots": b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.x\r\n..x\r\n. \r\n",
    "dots in the header section": b".odd: x\r\n.\r\n\r\nx\r\n",
    "a dot first": b".\r\nSubject: x\r\n\r\nx\r\n",
    "8-bit": b"Subject: \xc3\xa9\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    "controls": b"Subject: x\r\n\r\n" + bytes([*range(1, 10), 11, 12, *range(14, 32), 127]) + b"\r\n",
    "long lines": b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 5 + b"." * 998 + b"\r\n",
    "From at the start of a line": b"Subject: x\r\n\r\nFrom here\r\n>From there\r\n",
    "white space": b"Subject: x  \r\n\ty\r\n\r\n  x \t\r\n\r\n\r\n",
    "what looks like a command": b"Subject: x\r\n\r\nQUIT\r\nRSET\r\nDATA\r\n250 ok\r\n",
    "no field names": b"this is no header section\r\nat all\r\n",
    "a name without value": b"Subject:\r\nX:\r\n\r\n\r\n",
}

PLAIN = SinkSettings(extensions=("8BITMIME",))  # no PIPELINING: commands in lock-step
NO_EXTENSIONS = SinkSettings(extensions=())


async def relayed(world, content, *, parameters="", settings=None):
    """What arrives at a next hop, of what a client sends in wire form."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example", settings=settings)
    client = await mta.greet()
    for line in (f"MAIL FROM:<x@y.example>{parameters}", "RCPT TO:<bob@b.example>", "DATA"):
        assert (await client.command(line)).code in (250, 354)
    await client.send(wire.stuff(content) + b".\r\n")
    assert (await client.reply()).code == 250
    await world.idle()
    [message] = sink.messages
    assert not sink.violations
    return without_received(message.content)


@pytest.mark.parametrize("name", ODD)
async def test_by_smtp(world, name):
    assert await relayed(world, ODD[name], parameters=" BODY=8BITMIME") == ODD[name]


@pytest.mark.parametrize("name", ["dots", "8-bit", "empty"])
@pytest.mark.parametrize("settings", [PLAIN, SinkSettings(extensions=(*EXTENSIONS, "X-UNKNOWN"))])
async def test_to_a_next_hop_with_other_extensions(world, name, settings):
    assert await relayed(world, ODD[name], parameters=" BODY=8BITMIME", settings=settings) == ODD[name]


@pytest.mark.parametrize("name", ["dots", "one dot", "empty"])
async def test_to_a_next_hop_without_any(world, name):
    assert await relayed(world, ODD[name], settings=NO_EXTENSIONS) == ODD[name]


@pytest.mark.parametrize("name", ODD)
async def test_from_the_api(world, name):
    """Date and Message-ID are put in front where they are missing; and CR LF behind, and before a body alone."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    content = ODD[name]
    await mta.mta.submit("x@y.example", ["bob@b.example"], content)
    await world.idle()
    [message] = sink.messages
    assert not sink.violations
    taken = without_received(message.content)
    assert taken.startswith(b"Date: ")
    assert b"\r\nMessage-ID: <" in taken
    assert taken.endswith(content)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (b"Subject: x\n\nno final newline", b"Subject: x\r\n\r\nno final newline\r\n"),
        (b"Subject: x\r\n\r\nno final newline", b"Subject: x\r\n\r\nno final newline\r\n"),
        (b"Subject: x\r\rold Macs\r.\r", b"Subject: x\r\n\r\nold Macs\r\n.\r\n"),
        (b"Subject: x\n\n.\n", b"Subject: x\r\n\r\n.\r\n"),
        (b"body", b"\r\nbody\r\n"),
        (b"no field\n", b"\r\nno field\r\n"),
    ],
)
async def test_line_ends_from_the_api(world, given, taken):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await mta.mta.submit("x@y.example", ["bob@b.example"], given)
    await world.idle()
    assert sink.messages[0].content.endswith(taken)
    assert not sink.violations


async def test_at_every_split_and_by_chance(world):
    """Random content in random segments, many messages in one session; through two MTAs and into a mailbox."""
    chance = random.Random(20240)
    a, b = await world.mta("a.example"), await world.mta("b.example")
    client = await a.greet()
    sent = []
    for number in range(60):
        lines = [b"Subject: %d" % number, b"Date: x", b"Message-ID: x"]
        for _ in range(chance.randrange(12)):
            kind = chance.choice([b".", b"..", b"", b".\x80", b"\xff", b"x" * chance.randrange(998)])
            lines.append(kind)
        sent.append(b"".join(line + b"\r\n" for line in lines))
        for line in ("MAIL FROM:<x@y.example> BODY=8BITMIME", "RCPT TO:<bob@b.example>", "DATA"):
            assert (await client.command(line)).code in (250, 354)
        octets = wire.stuff(sent[-1]) + b".\r\n"
        await client.send(octets, split=sorted(chance.sample(range(len(octets)), min(5, len(octets) - 1))))
        assert (await client.reply()).code == 250
    await world.run()
    got = []
    for octets in b.mailbox("bob"):
        received = RECEIVED.search(octets)
        got.append(without_received(without_received(octets[received.start() :])))
    assert sorted(got) == sorted(content.replace(b"\r\n", b"\n") for content in sent)


async def test_the_same_content_for_all_its_recipients(world):
    """In different passes, before and after a restart, at different next hops: always the same octets."""
    mta = await world.mta("a.example")
    sinks = [await world.sink(f"d{number}.example") for number in range(3)]
    sinks[1].script("RCPT", "450 4.2.1 Later", times=3)
    sinks[2].script("DOT", "450 4.2.1 Later", times=5)
    await mta.mta.submit("x@y.example", [f"bob@d{number}.example" for number in range(3)], ODD["dots"])
    await world.run(limit=1000)
    await mta.cut_power()
    await mta.open()
    await world.run()
    contents = [message.content for sink in sinks for message in sink.messages]
    assert len(contents) == 3
    assert len(set(contents)) == 1


# -- in chunks (RFC 3030) ----------------------------------------------------------------------------------------------


def in_chunks(content: bytes, size: int) -> bytes:
    """BDAT for chunks of this size, the last of them empty or short."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)] + [b""]
    last = len(pieces) - 1
    return b"".join(
        b"BDAT %d%b\r\n%b" % (len(piece), b" LAST" if at == last else b"", piece) for at, piece in enumerate(pieces)
    )


async def sent_in_chunks(mta, recipients, content, size, *, split=0):
    """One write with all of a transaction in it."""
    client = await mta.greet()
    commands = b"MAIL FROM:<x@y.example> BODY=8BITMIME\r\n"
    commands += b"".join(b"RCPT TO:<%b>\r\n" % recipient.encode() for recipient in recipients)
    await client.send(commands + in_chunks(content, size), split=split)
    count = 1 + len(recipients) + len(content) // size + 1 + bool(len(content) % size)
    answers = [await client.reply() for _ in range(count)]
    assert [answer.code for answer in answers] == [250] * count
    assert answers[-1].text.startswith("Queued as ")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("size", [3, 1 << 20])
async def test_in_chunks_to_a_next_hop_and_a_mailbox(world, name, size):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await sent_in_chunks(mta, ["alice@a.example", "bob@b.example"], ODD[name], size)
    await world.idle()
    [message] = sink.messages
    assert not sink.violations
    assert without_received(message.content) == ODD[name]
    [kept] = mta.mailbox("alice")
    front = b"Return-Path: <x@y.example>\nDelivered-To: alice@a.example\n"
    assert RECEIVED.sub(b"", kept) == front + ODD[name].replace(b"\r\n", b"\n")


async def test_in_chunks_larger_than_memory(world):
    """Dots at the start of lines, and chunks that end anywhere between CR, LF and dot; the content goes to a file."""
    chance = random.Random(30)
    content = b"".join(
        chance.choice([b".\r\n", b"..\r\n", b"x" * chance.randrange(90) + b"\r\n"]) for _ in range(30_000)
    )
    assert len(content) > 500_000
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await sent_in_chunks(mta, ["alice@a.example", "bob@b.example"], content, 99_991, split=70_001)
    await world.idle()
    [message] = sink.messages
    assert without_received(message.content) == content
    [kept] = mta.mailbox("alice")
    assert kept.endswith(b"\n" + content.replace(b"\r\n", b"\n"))


# -- binary (RFC 3030 3) -----------------------------------------------------------------------------------------------

BINARY = b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 4 + b"\r\n.\r\n.\n\r"
WITH_BINARY = SinkSettings(extensions=(*EXTENSIONS, "BINARYMIME"))


async def send_binary(mta, recipients, content):
    client = await mta.greet()
    await client.send(
        b"MAIL FROM:<x@a.example> BODY=BINARYMIME\r\n"
        + b"".join(b"RCPT TO:<%b>\r\n" % recipient.encode() for recipient in recipients)
        + in_chunks(content, 65_537)
    )
    answers = [await client.reply() for _ in range(2 + len(recipients) + len(content) // 65_537 + 1)]
    assert {answer.code for answer in answers} == {250}


@pytest.mark.parametrize("content", [BINARY, BINARY + bytes(range(256)) * 3000], ids=["small", "large"])
@pytest.mark.parametrize("extensions", [WITH_BINARY, SinkSettings(extensions=("CHUNKING", "BINARYMIME"))])
async def test_binary_to_a_next_hop_and_a_mailbox(world, content, extensions):
    mta, sink = await world.mta("a.example"), await world.sink("b.example", settings=extensions)
    await send_binary(mta, ["alice@a.example", "bob@b.example"], content)
    await world.idle()
    [message] = sink.messages
    assert not sink.violations
    assert "BODY=BINARYMIME" in message.mail_parameters
    assert without_received(message.content) == content
    section, _, body = content.partition(b"\r\n\r\n")
    [kept] = mta.mailbox("alice")
    front = b"Return-Path: <x@a.example>\nDelivered-To: alice@a.example\n"
    assert RECEIVED.sub(b"", kept, count=1) == front + section.replace(b"\r\n", b"\n") + b"\n\n" + body


async def test_binary_to_a_next_hop_that_takes_no_such_thing(world):
    """It is recoded, and decodes to what it was."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await send_binary(mta, ["bob@b.example"], BINARY)
    await world.run()
    [message] = sink.messages
    _, _, body = BINARY.partition(b"\r\n\r\n")
    assert email.message_from_bytes(message.content).get_payload(decode=True) == body
    assert message.content.isascii()
    assert wire.clean_line_ends(message.content)


async def test_binary_to_a_next_hop_that_takes_no_such_thing_where_nothing_is_recoded(world):
    """It comes back, and the report holds what can stand in one."""
    mta = await world.mta("a.example", remote={"eight_bit": "bounce"})
    sink = await world.sink("b.example")
    await send_binary(mta, ["bob@b.example"], BINARY)
    await world.run()
    assert sink.messages == []
    [report] = mta.mailbox("x")
    assert b"Status: 5.6.1\n" in report
    assert b"Content-Transfer-Encoding: binary\n" in report
    assert b"\0" not in report


@pytest.mark.parametrize("content", [BINARY, BINARY + bytes(range(256)) * 3000], ids=["small", "large"])
async def test_binary_is_the_same_after_a_crash(world, content):
    mta, sink = await world.mta("a.example"), await world.sink("b.example", settings=WITH_BINARY)
    sink.script("MAIL", "451 4.3.2 Not now", times=1)
    await send_binary(mta, ["bob@b.example"], content)
    await world.idle()
    assert sink.messages == []
    await mta.kill()
    await mta.open()
    [row] = mta.mta.queue()
    shown = await mta.mta.content(row.queue_id)
    shown = shown if isinstance(shown, bytes) else b"".join([chunk async for chunk in shown])
    assert without_received(shown) == content
    await world.run()
    [message] = sink.messages
    assert without_received(message.content) == content

"""What a listener is for, from config.toml to the mailbox: LMTP, a plain relay, clients whose line ends are mended."""

from __future__ import annotations

import pytest

from asyncmta.mail.wire import stuff
from tests.incidents.incidentkit import RECEIVED, without_received


async def mta_with(world, **listener):
    mta = world.house("a.example", relay={"networks": ["127.0.0.0/8"]})
    mta.tables["listener"] = [{"address": mta.address, "port": world.port, **listener}]
    await mta.open()
    return mta


async def test_lmtp_answers_for_each_recipient(world):
    mta = await mta_with(world, role="lmtp")
    async with mta.client() as client:
        assert str(await client.reply()) == "220 mx.a.example LMTP"
        assert (await client.command("EHLO c.example")).code == 500
        assert (await client.command("LHLO c.example")).code == 250
        await client.send(
            b"MAIL FROM:<x@y.example>\r\n"
            b"RCPT TO:<alice@a.example>\r\nRCPT TO:<bob@a.example>\r\nRCPT TO:<alice@A.example>\r\nDATA\r\n"
        )
        assert [(await client.reply()).code for _ in range(5)] == [250, 250, 250, 250, 354]
        await client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        said = [await client.reply() for _ in range(3)]
        await client.send(b"QUIT\r\n")
        assert (await client.reply()).code == 221
    assert [reply.text.partition(" ")[0] for reply in said] == [
        "<alice@a.example>", "<bob@a.example>", "<alice@A.example>"
    ]  # fmt: skip
    assert len({reply.text.rpartition(" ")[2] for reply in said}) == 1  # one message, one id
    await world.idle()
    [to_alice], [_to_bob] = mta.mailbox("alice"), mta.mailbox("bob")
    assert b"with LMTP id " in to_alice
    assert to_alice.endswith(b"Subject: x\n\nx\n")


@pytest.mark.parametrize("line_endings", ["strict", "normalise"])
async def test_line_ends_of_clients_of_ours(world, line_endings):
    mta = await mta_with(world, line_endings=line_endings)
    sink = await world.sink("b.example")
    client = await mta.greet()
    await client.send(b"MAIL FROM:<x@y.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n")
    assert [(await client.reply()).code for _ in range(3)] == [250, 250, 354]
    await client.send(b"Subject: x\n\n.\nMAIL FROM:<evil@b.example>\n.\r\n..\r\n.\r\n")
    reply = await client.reply()
    await world.idle()
    assert not sink.violations
    if line_endings == "strict":
        assert str(reply).startswith("550 5.6.11 ")
        assert sink.messages == []
    else:
        [message] = sink.messages
        assert message.reverse_path == "x@y.example"
        expected = b"Subject: x\r\n\r\n.\r\nMAIL FROM:<evil@b.example>\r\n.\r\n.\r\n"
        assert without_received(message.content) == expected


@pytest.mark.parametrize("size", [10, 400_000])
async def test_a_relay_adds_nothing_but_received(world, size):
    mta, sink = await mta_with(world), await world.sink("b.example")
    content = b"Subject: no date, no id, no author\r\n\r\n" + b"." * 10 + b"\r\n" + b"12345678\r\n" * (size // 10)
    assert (await mta.send("x@y.example", ["bob@b.example"], content))[-1] == 250
    await world.idle()
    [message] = sink.messages
    assert without_received(message.content) == content
    assert stuff(content) != content
    assert len(RECEIVED.findall(message.content)) == 1

"""A next hop that lacks what a message needs, or says one thing and does another: the sender hears why, or it goes in
another way; nothing goes through mutilated."""

from __future__ import annotations

import email
import ssl

import pytest
import trustme

from asyncmta.testing.smtp_sink import CLOSE, SinkSettings
from tests.incidents.incidentkit import failed_recipients, without_received

EIGHT_BIT = b"Subject: x\r\n\r\n" + bytes(range(128, 256)) + b"\r\n"


async def report_of(world, mta):
    await world.run()
    [report] = mta.mailbox("alice")
    assert mta.mta.queue() == []
    return report


async def test_without_smtputf8(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", settings=SinkSettings(extensions=("PIPELINING", "8BITMIME")))
    await mta.mta.submit("alice@a.example", ["ü@b.example", "bob@b.example"], b"Subject: x\r\n\r\nx\r\n")
    report = await report_of(world, mta)
    assert b"5.6.7" in report
    assert sink.messages == [] or sink.messages[0].recipients == ("bob@b.example",)
    assert not sink.violations


async def test_smaller_than_the_message(world):
    """It said so at EHLO: the content does not even leave."""
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", settings=SinkSettings(max_size=10_000))
    content = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1_000
    await mta.mta.submit("alice@a.example", ["bob@b.example"], content)
    report = await report_of(world, mta)
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"5.3.4" in report
    assert not any(line == "DATA" for _, line in sink.commands)


@pytest.mark.parametrize("size", [5, 100_000, 1_000_000])
async def test_too_big_all_the_same(world, size):
    """It offered more at EHLO, and says so only when all of it is there."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", "552 5.3.4 Too big for me", times=100)
    await mta.mta.submit(
        "alice@a.example", ["bob@b.example"], b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72)
    )
    report = await report_of(world, mta)
    assert b"Too big for me" in report


WITHOUT_8BITMIME = SinkSettings(extensions=("PIPELINING",))


async def test_without_8bitmime(world):
    """It is recoded, and decodes to what it was."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example", settings=WITHOUT_8BITMIME)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], EIGHT_BIT)
    await world.run()
    [message] = sink.messages
    assert message.content.isascii()
    assert email.message_from_bytes(message.content).get_payload(decode=True) == bytes(range(128, 256)) + b"\r\n"
    assert not sink.violations


async def test_without_8bitmime_a_signed_part_comes_back(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example", settings=WITHOUT_8BITMIME)
    signed = b"Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n\xfc\r\n--x--\r\n"
    await mta.mta.submit("alice@a.example", ["bob@b.example"], signed)
    report = await report_of(world, mta)
    assert failed_recipients(report) == ["bob@b.example"]
    assert b"Status: 5.6.3" in report
    assert sink.messages == []


async def test_without_8bitmime_it_is_sent_as_it_is_where_the_settings_say_so(world):
    mta = await world.mta("a.example", remote={"eight_bit": "send"})
    sink = await world.sink("b.example", settings=WITHOUT_8BITMIME)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], EIGHT_BIT)
    await world.run()
    [message] = sink.messages
    assert without_received(message.content).endswith(EIGHT_BIT)


@pytest.mark.parametrize("answer", ["454 4.7.0 TLS not available", "220 2.0.0 Go ahead", CLOSE])
async def test_starttls_that_is_broken(world, answer):
    """Opportunistic means: rather in clear than not at all."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("x.example").configure_cert(context)
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", settings=SinkSettings(tls=context))
    octets = answer.encode() + b"\r\n" if isinstance(answer, str) else answer
    sink.script("STARTTLS", octets if answer != "220 2.0.0 Go ahead" else b"220 2.0.0 Go ahead\r\nnonsense\r\n")
    await mta.mta.submit("alice@a.example", ["bob@b.example"], EIGHT_BIT)
    await world.run()
    assert len(sink.messages) == 1
    assert mta.mailbox("alice") == []


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n",
        b"999 what\r\n",
        b"\xff\xfe\r\n",
        b"250",
        b"250-\r\n" * 5_000,
        b"x" * 100_000,
        b"200 ok\r\n250 ok\r\n",
    ],
    ids=["words", "999", "octets", "no end", "endless lines", "an endless line", "two replies"],
)
@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_it_talks_nonsense(world, step, nonsense):
    """Nothing bounces because a peer talks nonsense: it is tried again, and then it goes."""
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script(step, nonsense)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: x\r\n\r\nx\r\n")
    await world.until(lambda: sink.messages and not mta.mta.queue())
    assert mta.mailbox("alice") == []
    assert 1 <= len(sink.messages) <= 2  # to the dot nonsense may have meant yes
    assert mta.events("internal_error") == []


async def test_parameters_of_dsn_are_handed_on_where_they_are_understood(world):
    mta = await world.mta("a.example")
    knows, knows_not = (
        await world.sink("b.example"),
        await world.sink("c.example", settings=SinkSettings(extensions=())),
    )
    client = await mta.greet()
    assert (await client.command("MAIL FROM:<alice@a.example> RET=HDRS ENVID=x+2By")).code == 250
    for domain in ("b.example", "c.example"):
        line = f"RCPT TO:<bob@{domain}> NOTIFY=FAILURE ORCPT=rfc822;robert@{domain}"
        assert (await client.command(line)).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.idle()
    [message] = knows.messages
    assert {"RET=HDRS", "ENVID=x+2By"} <= set(message.mail_parameters)
    assert set(message.recipient_parameters[0]) == {"NOTIFY=FAILURE", "ORCPT=rfc822;robert@b.example"}
    [message] = knows_not.messages
    assert not any(each.startswith(("RET", "ENVID")) for each in message.mail_parameters)
    assert message.recipient_parameters == ((),)
    assert not knows.violations
    assert not knows_not.violations


@pytest.mark.parametrize(("notify", "told"), [("NEVER", 0), ("FAILURE", 1), ("SUCCESS,FAILURE", 1), ("DELAY", 0)])
async def test_whoever_wants_silence_is_told_nothing(world, notify, told):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user")
    client = await mta.greet()
    await client.command("MAIL FROM:<alice@a.example>")
    assert (await client.command(f"RCPT TO:<bob@b.example> NOTIFY={notify}")).code == 250
    await client.command("DATA")
    await client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.run()
    assert len(mta.mailbox("alice")) == told
    assert mta.mta.queue() == []


@pytest.mark.parametrize(("ret", "body"), [("FULL", True), ("HDRS", False)])
async def test_the_message_is_returned_as_it_was_wished(world, ret, body):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user")
    async with mta.client() as client:
        await client.hello()
        content = b"Subject: x\r\n\r\nthe very body\r\n.\r\n"
        replies = await client.send_message("alice@a.example", ["bob@b.example"], content, parameters=f"RET={ret}")
        assert replies[-1].code == 250
    await world.run()
    [report] = mta.mailbox("alice")
    assert (b"the very body\n.\n" in report) is body

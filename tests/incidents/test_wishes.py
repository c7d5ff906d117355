"""What clients may wish beyond their recipients, end to end: a later release, haste, a queue run, another's name."""

from __future__ import annotations

import pytest

from asyncmta.mail.envelope import parse_queue_id
from asyncmta.mail.headers import rfc5322_date
from asyncmta.testing.smtp_sink import SinkSettings
from tests.incidents.incidentkit import DAY, HOUR, MINUTE

EVERYBODY = {"relay": {"networks": ["127.0.0.0/8"]}}
MESSAGE = b"Subject: hello\r\n\r\nx\r\n"


@pytest.fixture
async def sink(world):
    return await world.sink("b.example", settings=SinkSettings(extensions=("PIPELINING", "MT-PRIORITY MIXER", "DSN")))


async def submitted(mta, parameters, recipients=("bob@b.example",)):
    client = await mta.greet()
    assert (await client.command("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).code == 235
    reply = await client.command(f"MAIL FROM:<alice@a.example> {parameters}")
    assert reply.code == 250
    for recipient in recipients:
        assert (await client.command(f"RCPT TO:<{recipient}>")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(MESSAGE + b".\r\n")
    reply = await client.reply()
    assert reply.code == 250
    return reply.text.rpartition(" ")[2]


async def right(_mechanism, _login, _password):
    return True


@pytest.fixture
async def submission(world, sink):
    """A submission listener; the authenticator is given as an embedding program gives it."""
    house = world.house("a.example")
    table = {"address": house.address, "port": world.port, "role": "submission", "allow_plaintext_auth": True}
    house.tables["listener"] = [table]
    house.authenticator = right
    await house.open()
    return house


@pytest.mark.parametrize("recipients", [("bob@b.example",), ("bob@b.example", "carol@a.example")])
async def test_a_message_for_later_waits_through_a_power_cut_and_is_then_sent(world, submission, sink, recipients):
    mta = submission
    queue_id = await submitted(mta, "HOLDFOR=86400", recipients)
    release = world.clock.now() + DAY
    await world.idle()
    (row,) = mta.mta.queue()
    assert (row.queue_id, row.state, row.attempts) == (queue_id, "deferred", 0)
    assert row.reason == f"to be released at {rfc5322_date(release)}"
    assert row.recipients[0].next_due == pytest.approx(release, abs=0.01)
    await world.advance(HOUR)
    await mta.cut_power()
    await mta.open()
    await world.idle()
    assert mta.mta.rooms.store.parked(parse_queue_id(queue_id)) is not None or len(recipients) > 1
    assert mta.mta.queue()[0].reason == row.reason
    await world.advance(22 * HOUR)
    await world.idle()
    assert sink.messages == []
    await world.run(limit=2 * HOUR)
    assert len(sink.messages) == 1
    assert len(mta.mailbox("carol")) == len(recipients) - 1
    assert mta.mta.queue() == []


async def test_an_operators_retry_releases_it(world, submission, sink):
    queue_id = await submitted(submission, "HOLDFOR=86400")
    await world.idle()
    assert await submission.mta.retry([queue_id]) == 1
    await world.idle()
    assert len(sink.messages) == 1


async def test_a_message_for_later_is_deleted_by_an_operator(world, submission, sink):
    queue_id = await submitted(submission, "HOLDFOR=86400")
    await world.idle()
    assert await submission.mta.remove([queue_id]) == 1
    await world.run(limit=2 * DAY)
    assert sink.messages == []


async def test_priority_is_passed_on(world, sink):
    mta = await world.mta("a.example", **EVERYBODY)
    client = await mta.greet()
    reply = await client.command("MAIL FROM:<alice@a.example> MT-PRIORITY=5 RET=HDRS ENVID=a+2Bb")
    assert str(reply) == "250 2.1.0 Sender OK"
    told = "NOTIFY=FAILURE,DELAY ORCPT=rfc822;x+2By@b.example"
    assert (await client.command(f"RCPT TO:<bob@b.example> {told}")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).code == 250
    await world.idle()
    (message,) = sink.messages
    assert message.mail_parameters[1:] == ("RET=HDRS", "ENVID=a+2Bb", "MT-PRIORITY=5")
    assert message.recipient_parameters == (tuple(told.split()),)


# -- DELIVERBY --------------------------------------------------------------------------------------------------------


async def accepted(mta, parameters, recipient="bob@b.example"):
    client = await mta.greet()
    assert (await client.command(f"MAIL FROM:<alice@a.example> {parameters}")).code == 250
    assert (await client.command(f"RCPT TO:<{recipient}>")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).code == 250


async def test_what_is_left_of_a_deadline_is_passed_on(world):
    sink = await world.sink("b.example", settings=SinkSettings(extensions=("PIPELINING", "DELIVERBY 30")))
    sink.script("GREETING", "421 4.3.2 Down for maintenance", times=1)
    mta = await world.mta("a.example", **EVERYBODY)
    await accepted(mta, "BY=3600;R")
    await world.run(limit=HOUR)
    (message,) = sink.messages
    (said,) = [each for each in message.mail_parameters if each.startswith("BY=")]
    left, _, mode = said.removeprefix("BY=").partition(";")
    assert mode == "R"
    assert 0 < int(left) < 3600 - 5


async def test_what_is_to_be_returned_does_not_go_to_a_host_without_deliverby(world, sink):
    mta = await world.mta("a.example", **EVERYBODY)
    await accepted(mta, "BY=3600;R")
    await world.run(limit=MINUTE)
    assert sink.messages == []
    (report,) = mta.mailbox("alice")
    assert b"Status: 5.3.3" in report
    await accepted(mta, "BY=3600;R", recipient="carol@a.example")
    await world.run(limit=MINUTE)
    assert len(mta.mailbox("carol")) == 1


async def test_the_sender_is_told_that_it_is_late_and_later_gets_it_through(world, sink):
    sink.script("RCPT", "450 4.2.1 Later", times=10_000)
    mta = await world.mta("a.example", **EVERYBODY)
    await accepted(mta, "BY=3600;N")
    await world.run(until=lambda: mta.mailbox("alice"), limit=2 * HOUR)
    (report,) = mta.mailbox("alice")
    assert b"Action: delayed" in report
    assert b"Deliver-By-Date: " in report
    await mta.cut_power()
    await mta.open()
    sink._script.clear()
    await world.run(limit=6 * HOUR)
    assert len(sink.messages) == 1
    assert len(mta.mailbox("alice")) == 1
    assert mta.mta.queue() == []


# -- ETRN -------------------------------------------------------------------------------------------------------------


async def test_etrn_tries_at_once_what_waits_for_a_host_that_was_down(world):
    sink = await world.sink("b.example")
    sink.script("GREETING", "421 4.3.2 Down for maintenance", times=3)
    mta = await world.mta("a.example", **EVERYBODY)
    for _ in range(3):
        assert (await mta.send("alice@a.example", ["bob@b.example"], MESSAGE))[-1] == 250
    await world.idle()
    assert sink.messages == []
    sink._script.clear()
    client = await mta.greet()
    assert (await client.command("ETRN other.example")).code == 250
    await world.idle()
    assert sink.messages == []
    assert (await client.command("ETRN b.example")).code == 250
    await world.idle()
    assert len(sink.messages) == 3
    assert (await client.command("ETRN a.example")).code == 459


async def test_etrn_for_all_below_a_domain_after_a_restart(world):
    sinks = [await world.sink(domain) for domain in ("b.example", "x.b.example", "notb.example")]
    for sink in sinks:
        sink.script("RCPT", "450 4.2.1 Later", times=10)
    mta = await world.mta("a.example", **EVERYBODY)
    for domain in ("b.example", "x.b.example", "notb.example"):
        await mta.send("alice@a.example", [f"bob@{domain}"], MESSAGE)
    await world.idle()
    await mta.kill()
    await mta.open()
    await world.idle()
    for sink in sinks:
        sink._script.clear()
    client = await mta.greet()
    assert (await client.command("ETRN @b.example")).code == 250
    await world.soon(lambda: len(sinks[0].messages) == len(sinks[1].messages) == 1)
    await world.idle()
    assert sinks[2].messages == []


async def test_a_stop_in_the_middle_of_a_search_is_a_clean_one(world):
    mta = await world.mta("a.example", **EVERYBODY)
    await world.sink("b.example")
    client = await mta.greet()
    await client.send(b"ETRN @b.example\r\n")
    assert (await client.reply()).code == 250
    await mta.close()
    assert mta.events("session_failed") == []


async def test_etrn_does_not_release_what_its_sender_wants_to_go_later(world, submission, sink):
    await submitted(submission, "HOLDFOR=86400")
    await world.idle()
    client = await submission.greet()
    assert (await client.command("ETRN b.example")).code == 250
    assert (await client.command("ETRN @b.example")).code == 250
    await world.advance(MINUTE)
    await world.idle()
    assert sink.messages == []


# -- XCLIENT ----------------------------------------------------------------------------------------------------------


async def test_what_a_proxy_says_of_its_client_is_what_we_log(world):
    house = world.house("a.example")
    house.tables["listener"] = [
        {"address": house.address, "port": world.port, "xclient_from": ["127.0.0.0/8"]},
    ]
    await house.open()
    client = await house.greet()
    await client.send(b"XCLIENT ADDR=192.0.2.7 NAME=spike.example\r\n")
    assert (await client.reply()).code == 220
    assert (await client.command("EHLO spike.example")).code == 250
    assert (await client.command("MAIL FROM:<a@c.example>")).code == 250
    assert (await client.command("RCPT TO:<x@elsewhere.example>")).code == 550
    assert (await client.command("RCPT TO:<bob@a.example>")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).code == 250
    await world.idle()
    (accepted,) = house.events("accepted")
    assert accepted["client"] == "192.0.2.7"
    assert b"Received: from spike.example (spike.example [192.0.2.7])" in house.mailbox("bob")[0]

"""Two MTAs in one process relay to each other; what the second cannot deliver comes home as a report."""

from __future__ import annotations

from asyncmta.testing.smtp_sink import SinkSettings
from tests.incidents.incidentkit import failed_recipients, queue_ids


async def test_mail_goes_both_ways(world):
    a, b = await world.mta("a.example"), await world.mta("b.example")
    there = await a.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: there\r\n\r\nHow are you?\r\n")
    back = await b.mta.submit("bob@b.example", ["alice@a.example"], b"Subject: back\r\n\r\nFine.\r\n")
    await world.run()
    [at_b], [at_a] = b.mailbox("bob"), a.mailbox("alice")
    assert at_b.startswith(b"Return-Path: <alice@a.example>\nDelivered-To: bob@b.example\nReceived: from mx.a.example ")
    assert at_a.startswith(b"Return-Path: <bob@b.example>\nDelivered-To: alice@a.example\nReceived: from mx.b.example ")
    assert queue_ids(at_b)[1:] == [there]
    assert queue_ids(at_a)[1:] == [back]
    assert a.mta.queue() == b.mta.queue() == []


async def test_mail_from_a_client_to_both(world):
    a, b = await world.mta("a.example"), await world.mta("b.example")
    replies = await a.send("bob@b.example", ["alice@a.example", "bob@b.example"], b"Subject: x\r\n\r\nx\r\n")
    assert replies == [250, 250, 250, 354, 250]
    await world.run()
    assert len(a.mailbox("alice")) == len(b.mailbox("bob")) == 1


async def test_what_the_second_refuses_at_rcpt_is_reported_by_the_first(world):
    a = await world.mta("a.example")
    await world.mta("b.example", local={"mailboxes": ["bob"]})
    await a.mta.submit("alice@a.example", ["nobody@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    [report] = a.mailbox("alice")
    assert failed_recipients(report) == ["nobody@b.example"]
    assert b"550 5.1.1 No such mailbox here" in report
    assert report.startswith(b"Return-Path: <>\n")


async def test_what_bounces_at_the_second_comes_back_to_the_mailbox_at_the_first(world):
    """The second takes it for a domain that it relays, and is refused where it hands it on."""
    inside = await world.sink(settings=SinkSettings(hostname="inside.example"))
    inside.script("RCPT", "550 5.1.1 Nobody of that name", times=9)
    a = await world.mta("a.example")
    b = await world.mta(
        "b.example",
        relay={"networks": [], "domains": ["c.example"]},
        route=[
            {
                "recipient": "c.example",
                "via": "smarthost",
                "hosts": [f"{inside.address[0]}:{world.port}"],
                "tls": "none",
            }
        ],
    )
    world.resolver.set("c.example", {"MX": [(10, b.host)]})
    await a.mta.submit("alice@a.example", ["carol@c.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    [report] = a.mailbox("alice")
    assert failed_recipients(report) == ["carol@c.example"]
    assert b"Nobody of that name" in report
    assert b"Reporting-MTA: dns; mx.b.example" in report
    assert b"Subject: hello" in report  # the header section of what was returned
    assert [line["reverse_path"] for line in b.events("bounced")] == ["alice@a.example"]
    assert a.mta.queue() == b.mta.queue() == []
    assert inside.messages == []


async def test_a_bounce_that_bounces_stops_there(world):
    """The report of the second is refused by the first: it goes nowhere, and nobody is told of it by mail."""
    a = await world.mta("a.example", local={"mailboxes": ["alice"]})
    b = await world.mta("b.example")
    await b.mta.submit("gone@a.example", ["bob@no-such-domain.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    assert [line["discarded"] for line in b.events("bounced")] == [False, True]
    assert a.mta.queue() == b.mta.queue() == []
    assert a.mailbox("postmaster") == b.mailbox("postmaster") == []

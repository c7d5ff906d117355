"""Mail that goes round: by hops, by MX records that name ourselves, by two that think the other one is responsible."""

from __future__ import annotations

from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: round\r\n\r\nx\r\n"


async def test_two_that_send_it_to_each_other(world):
    """Each takes the other for the one who has this domain: after a hundred hops it is refused, and reported once."""
    a, b = await world.mta("a.example"), await world.mta("b.example")
    for mta, other in ((a, b), (b, a)):
        mta.tables["route"] = [
            {"recipient": "c.example", "via": "smarthost", "hosts": [f"{other.address}:{world.port}"], "tls": "none"}
        ]
        mta.tables["limits"] = {"hops": 20}
        await mta.reopen()
    await a.mta.submit("alice@a.example", ["x@c.example"], CONTENT)
    await world.run()
    [report] = a.mailbox("alice")
    assert failed_recipients(report) == ["x@c.example"]
    assert b"5.4.6" in report
    assert len(a.events("accepted")) + len(b.events("accepted")) < 30
    assert a.mta.queue() == b.mta.queue() == []


async def test_an_mx_that_is_ourselves(world):
    mta = await world.mta("a.example")
    world.resolver.set("b.example", {"MX": [(10, "mx.a.example"), (20, "backup.example")]})
    world.name("backup.example", mta.address)
    await mta.mta.submit("alice@a.example", ["x@b.example"], CONTENT)
    await world.run()
    [report] = mta.mailbox("alice")
    assert b"5.4.6" in report
    assert len(mta.events("accepted")) == 1


async def test_a_backup_hands_on_to_the_better_one_alone(world):
    """We are the second of three: never to ourselves, nor to the third."""
    mta = await world.mta("a.example")
    first, third = await world.sink(host="first.example"), await world.sink(host="third.example")
    world.resolver.set("b.example", {"MX": [(10, "first.example"), (20, "mx.a.example"), (30, "third.example")]})
    first.script("GREETING", "421 4.3.2 Not now", times=3)
    await mta.mta.submit("alice@a.example", ["x@b.example"], CONTENT)
    await world.run()
    assert len(first.messages) == 1
    assert third.sessions_seen == 0


async def test_hops_that_came_with_the_client(world):
    mta = await world.mta("a.example", limits={"hops": 20})
    trace = b"Received: by somebody\r\n"
    assert (await mta.send("x@y.example", ["alice@a.example"], trace * 20 + CONTENT))[-1] == 250
    assert (await mta.send("x@y.example", ["alice@a.example"], trace * 21 + CONTENT))[-1] == 554
    large = trace * 21 + CONTENT + (b"x" * 70 + b"\r\n") * 10_000
    assert (await mta.send("x@y.example", ["alice@a.example"], large))[-1] == 554
    await world.idle()
    assert len(mta.mailbox("alice")) == 1


async def test_loopback_that_a_stranger_put_into_his_zone(world):
    """A domain whose MX is our own loopback address or network is not obeyed; it may be right tomorrow, so it waits."""
    mta = await world.mta("a.example", remote={"allow_private_exchangers": False})
    sink = await world.sink("b.example")
    await mta.mta.submit("alice@a.example", ["x@b.example", "x@[127.0.0.1]"], CONTENT)
    await world.idle()
    assert sink.sessions_seen == 0
    replies = {recipient.last_reply.split(" ")[1] for row in mta.mta.queue() for recipient in row.recipients}
    assert replies == {"4.4.4"}

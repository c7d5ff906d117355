"""DNS that never answers, or answers with a bug of ours: that is the trouble of those destinations alone. Row Q-19."""

from __future__ import annotations

import asyncio

from asyncmta.testing.dns import FakeResolver


class HangingResolver(FakeResolver):
    """Never answers for names under hangs.example; raises for those under raises.example."""

    def __init__(self, world):
        super().__init__()
        self._zone = world.resolver._zone
        self.hanging = 0
        self.heal = asyncio.Event()

    async def exchangers(self, domain):
        await self._suffer(domain)
        return await super().exchangers(domain)

    async def addresses(self, host):
        await self._suffer(host)
        return await super().addresses(host)

    async def _suffer(self, name):
        if self.heal.is_set():
            return
        if name.endswith("raises.example"):
            raise RuntimeError("a bug in the resolver")
        if name.endswith("hangs.example"):
            self.hanging += 1
            await self.heal.wait()


async def running(world, **tables):
    mta = world.house("a.example", **tables)
    mta.resolver = HangingResolver(world)
    await mta.open()
    return mta, mta.resolver


async def test_new_mail_is_accepted_and_local_mail_delivered(world):
    mta, resolver = await running(world)
    sink = await world.sink("b.example")
    for number in range(100):
        recipients = [f"x@d{number}.hangs.example", "x@hangs.example"]
        await mta.mta.submit("alice@a.example", recipients, b"Subject: hangs\r\n\r\nx\r\n")
    await world.soon(lambda: resolver.hanging == 101)  # once for each name
    replies = await mta.send("bob@b.example", ["alice@a.example", "bob@b.example", "x@hangs.example"], b"\r\nx\r\n")
    assert replies == [250] * 4 + [354, 250]
    await world.soon(lambda: mta.mailbox("alice"))
    assert sink.messages == []  # one message: its parts wait for each other, for a second
    await world.advance(1)
    await sink.wait_for(1)
    await mta.mta.submit("bob@b.example", ["bob@b.example"], b"Subject: alone\r\n\r\nx\r\n")
    await sink.wait_for(2)
    await world.soon(lambda: len(mta.events("delivered")) == 3)
    await world.advance(1)
    await world.soon(lambda: len(mta.pending()) == 201)
    await mta.close(grace=1.0)
    await mta.open()
    assert len(mta.mta.queue()) == 101
    mta.resolver.heal.set()
    await world.run()
    assert mta.mta.queue() == []  # no such domain, all of them
    assert len(mta.mailbox("alice")) == 101


async def test_addresses_that_hang_hold_up_their_site_alone(world):
    mta, resolver = await running(world)
    sink = await world.sink("b.example")
    world.resolver.set("c.example", {"MX": [(10, "mx.hangs.example")]})
    await mta.mta.submit("alice@a.example", ["x@c.example"], b"Subject: hangs\r\n\r\nx\r\n")
    await mta.mta.submit("alice@a.example", ["x@b.example"], b"Subject: goes\r\n\r\nx\r\n")
    await sink.wait_for(1)
    assert resolver.hanging == 1


async def test_a_bug_defers_that_attempt_only(world):
    """An exception out of the transport's depths: the message is slowed down, nothing else is."""
    mta, resolver = await running(world)
    sink = await world.sink("b.example")
    world.resolver.set("raises.example", {"MX": [(10, "mx.b.example")]})
    world.resolver.set("c.example", {"MX": [(10, "mx.raises.example")]})
    recipients = ["x@raises.example", "x@c.example", "x@b.example", "alice@a.example"]
    await mta.mta.submit("bob@b.example", recipients, b"Subject: hello\r\n\r\nx\r\n")
    await world.idle()
    assert [message.recipients for message in sink.messages] == [("x@b.example",)]
    assert len(mta.mailbox("alice")) == 1
    [row] = mta.mta.queue()
    assert [recipient.address for recipient in row.recipients] == ["x@raises.example", "x@c.example"]
    for recipient in row.recipients:
        assert recipient.state == "deferred"
        assert recipient.last_reply.startswith("451 4.3.0")
        assert "bug in the resolver" not in recipient.last_reply
    assert any("bug in the resolver" in line["error"] for line in mta.events("internal_error"))
    assert any(line["traceback"] for line in mta.events("internal_error"))
    resolver.heal.set()
    world.name("mx.raises.example", sink.address[0])
    await world.run()
    assert sorted(message.recipients for message in sink.messages) == [
        ("x@b.example",),
        ("x@c.example",),
        ("x@raises.example",),
    ]


async def test_a_bug_for_five_days_ends_in_a_report(world):
    mta, _ = await running(world)
    await mta.mta.submit("alice@a.example", ["x@raises.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run()
    [report] = mta.mailbox("alice")
    assert b"bug in the resolver" not in report
    assert b"Local error; try again later" in report
    assert mta.mta.queue() == []


async def test_a_drain_does_not_wait_for_it(world):
    mta, _ = await running(world)
    queue_id = await mta.mta.submit("alice@a.example", ["x@hangs.example"], b"Subject: hello\r\n\r\nx\r\n")
    before = world.clock.monotonic()
    await mta.close(grace=30.0)
    assert world.clock.monotonic() - before < 60
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == [queue_id]

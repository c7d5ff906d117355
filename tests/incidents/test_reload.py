"""New settings while mail is under way: who is here keeps the old, who comes gets the new, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from asyncmta.config import InvalidConfig
from asyncmta.operations import NotRunning
from asyncmta.testing.smtp_sink import SILENCE

LETTER = b"Subject: hello\r\n\r\nx\r\n"


async def reload(house, **tables):
    """Put the settings of the house with these tables in force."""
    house.tables |= tables
    return await house.mta.reload(house.settings)


def smarthost(world, sink):
    return {"recipient": "*", "via": "smarthost", "hosts": [f"{sink.address[0]}:{world.port}"], "tls": "none"}


async def test_what_waits_goes_by_the_new_routes(world):
    mta, old, new = await world.mta("a.example"), await world.sink("b.example"), await world.sink("c.example")
    old.script("RCPT", "450 4.2.0 Later", times=3)
    for _ in range(3):
        await mta.mta.submit("", ["bob@b.example"], LETTER)
    await world.idle()
    assert len(mta.pending()) == 3
    change = await reload(mta, route=[smarthost(world, new)])
    assert (change.changed, change.needs_restart) == (("route",), ())
    await world.run()
    assert (len(old.messages), len(new.messages)) == (0, 3)
    assert mta.pending() == []


async def test_the_same_key_for_another_host_misleads_nobody(world):
    """The first route is `smarthost:0` before and after."""
    one, two = await world.sink("one.example"), await world.sink("two.example")
    mta = await world.mta("a.example", route=[smarthost(world, one)])
    await mta.mta.submit("", ["x@first.example"], LETTER)
    await world.idle()
    one.script("RCPT", "450 4.2.0 Later", times=1)
    await mta.mta.submit("", ["x@second.example"], LETTER)
    await world.idle()
    await reload(mta, route=[smarthost(world, two)])
    await mta.mta.submit("", ["x@third.example"], LETTER)
    await world.run()
    assert [message.recipients for message in one.messages] == [("x@first.example",)]
    assert sorted(message.recipients[0] for message in two.messages) == ["x@second.example", "x@third.example"]


async def test_an_attempt_in_hand_comes_to_its_end_where_it_is(world):
    one, two = await world.sink("one.example"), await world.sink("two.example")
    mta = await world.mta("a.example", route=[smarthost(world, one)])
    one.script("DOT", lambda _: b"", times=1)
    await mta.mta.submit("", ["x@first.example"], LETTER)
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in one.commands))
    await world.clock.settle()
    await reload(mta, route=[smarthost(world, two)])
    for session in tuple(one._open):
        session.say("250 2.0.0 Taken")
    await world.run()
    assert mta.pending() == []
    assert len(mta.events("delivered")) == 1
    assert two.messages == []


async def test_who_was_held_by_a_route_goes_when_it_is_gone(world):
    sink = await world.sink("b.example")
    mta = await world.mta("a.example", route=[{"recipient": "*@b.example", "via": "hold"}])
    await mta.mta.submit("", ["bob@b.example"], LETTER)
    await world.idle()
    assert [row.state for row in mta.mta.queue()] == ["held"]
    await reload(mta, route=[])
    await world.idle()
    assert len(sink.messages) == 1


async def test_sessions_keep_what_they_began_with(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    before = await mta.greet()
    await reload(mta, relay={"networks": []}, limits={"message_size": "2KiB"})
    after = await mta.greet()
    assert (await after.command("MAIL FROM:<x@y.example>")).code == 250
    assert (await after.command("RCPT TO:<bob@b.example>")).code == 550
    assert (await after.command("RSET")).code == 250
    assert (await after.command("MAIL FROM:<x@y.example> SIZE=3000")).code == 552
    assert (await before.command("MAIL FROM:<x@y.example> SIZE=3000")).code == 250
    assert (await before.command("RCPT TO:<bob@b.example>")).code == 250
    assert (await before.command("RSET")).code == 250
    codes = [reply.code for reply in await before.send_message("x@y.example", ["bob@b.example"], LETTER)]
    assert codes[-1] == 250
    await world.idle()
    assert len(sink.messages) == 1


async def test_new_local_domains_and_rules(world):
    mta = await world.mta("a.example")
    await reload(
        mta,
        local={"domains": ["a.example", "new.example"]},
        rule=[{"sender": ["bad@y.example"], "action": "reject"}],
    )
    assert max(await mta.send("x@y.example", ["bob@new.example"], LETTER)) < 400
    assert 550 in await mta.send("bad@y.example", ["bob@new.example"], LETTER)
    await world.run()
    assert len(mta.mailbox("bob", "new.example")) == 1


async def test_what_needs_a_restart_is_named_and_stays(world):
    mta = await world.mta("a.example")
    change = await reload(mta, queue={"min_free_space": "0B", "lifetime": "2d"}, log={"level": "warning"})
    assert change.changed == ("log.level", "queue.lifetime")
    assert change.needs_restart == ("queue.min_free_space",)
    assert mta.mta.settings.queue.lifetime == 2 * 86400
    (line,) = mta.events("reloaded")
    assert line["needs_restart"] == ["queue.min_free_space"]


async def test_settings_with_a_fault_change_nothing(world):
    mta = await world.mta("a.example")

    def read():
        raise InvalidConfig(["config.toml: queue.lifetime: no", "config.toml: relay.networks: no"])

    mta.mta.read_settings = read
    before = mta.mta.settings
    with pytest.raises(InvalidConfig) as caught:
        await mta.mta.reload()
    assert len(caught.value.faults) == 2
    assert mta.mta.settings is before
    await mta.send("x@y.example", ["alice@a.example"], LETTER)
    await world.idle()
    assert len(mta.mailbox("alice")) == 1


async def test_pauses_outlive_a_reload(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    await mta.mta.pause("domain", "b.example")
    await mta.mta.submit("", ["bob@b.example"], LETTER)
    await reload(mta, limits={"hops": 30})
    await world.idle()
    assert sink.messages == []
    await mta.mta.resume("domain", "b.example")
    await world.idle()
    assert len(sink.messages) == 1


async def test_reloads_in_a_burst_lose_nothing_and_double_nothing(world):
    mta, one, two = await world.mta("a.example"), await world.sink("b.example"), await world.sink("c.example")
    taken = []

    async def client(number):
        async with mta.client() as client:
            await client.hello()
            for count in range(20):
                subject = b"Subject: %d-%d" % (number, count)
                replies = await client.send_message("x@y.example", ["bob@b.example"], subject + b"\r\n\r\nx\r\n")
                assert replies[-1].code == 250
                taken.append(subject)

    clients = [asyncio.ensure_future(client(number)) for number in range(5)]
    for number in range(10):
        await reload(mta, route=[smarthost(world, two)] if number % 2 else [])
    await asyncio.gather(*clients)
    await world.run()
    got = [line for sink in (one, two) for message in sink.messages for line in message.content.splitlines()]
    assert sorted(line for line in got if line.startswith(b"Subject")) == sorted(taken)


async def test_a_stop_closes_what_was_replaced(world):
    mta, sink = await world.mta("a.example"), await world.sink("b.example")
    sink.script("DOT", SILENCE, times=1)
    queue_id = await mta.mta.submit("", ["bob@b.example"], LETTER)
    await world.soon(lambda: any(line.startswith(("DATA", "BDAT")) for _, line in sink.commands))
    await reload(mta, limits={"hops": 30})
    await mta.close(grace=1.0)
    await mta.open()
    assert [row.queue_id for row in mta.mta.queue()] == [queue_id]


async def test_what_would_not_go_with_what_stays_is_a_fault(world):
    """Commands are not run because a key says so that is not in force."""
    mta = await world.mta("a.example")
    with pytest.raises(InvalidConfig) as caught:
        await reload(mta, pipe={"enabled": True}, route=[{"recipient": "*", "via": "pipe", "command": ["/bin/true"]}])
    assert "pipe.enabled" in str(caught.value)
    assert mta.mta.settings.routes == ()


async def test_a_stop_while_new_settings_are_built_is_a_stop(world, monkeypatch):
    mta = await world.mta("a.example")
    reached, go_on = asyncio.Event(), asyncio.Event()
    replan = mta.mta._scheduler.replan

    async def late(goes, swap):
        reached.set()
        await go_on.wait()
        return await replan(goes, swap)

    monkeypatch.setattr(mta.mta._scheduler, "replan", late)
    reloading = asyncio.ensure_future(reload(mta, limits={"recipients": 700}))
    await reached.wait()
    await mta.close(0.0)
    go_on.set()
    with pytest.raises(NotRunning):
        await reloading
    with pytest.raises(NotRunning):
        await mta.mta.submit("", ["bob@b.example"], LETTER)

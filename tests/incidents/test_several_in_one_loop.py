"""Several MTAs live in one process and one loop: none sees another's mail, settings, limits, log, end or disk."""

from __future__ import annotations

import asyncio
import errno
import gc
import threading
import weakref

import pytest

from asyncmta import Mta
from asyncmta.cli.exits import Exit
from asyncmta.cli.serve import exit_code
from asyncmta.system.disk import Locked


async def test_nothing_is_shared(world):
    world.resolver.set("waits.example", "server failure")
    many = [await world.mta(f"d{number}.example") for number in range(8)]
    for mta in many:
        await mta.mta.submit("alice@" + mta.domain, ["bob@" + mta.domain], b"Subject: here\r\n\r\nx\r\n")
        await mta.mta.submit("", [f"{mta.domain}@waits.example"], b"Subject: waits\r\n\r\nx\r\n")
    await world.idle()
    for mta in many:
        assert mta.pending() == [f"{mta.domain}@waits.example"]
        assert len(mta.mailbox("bob")) == 1
        assert [path for path in mta.disk.tree() if path.startswith("mail/") and mta.domain not in path] == []
        assert {line["recipient"] for line in mta.events("delivered")} == {f"bob@{mta.domain}"}
    assert len({mta.mta.rooms.store.journal_tag for mta in many}) == 8
    addresses = {address for mta in many for address in mta.mta.addresses}
    assert len(addresses) == 8


async def test_one_that_has_ended_leaves_no_thread(world):
    before = set(threading.enumerate())
    mta = await world.mta("a.example")
    assert (await mta.send("", ["x@a.example"], b"\r\nx\r\n"))[-1] == 250
    await mta.mta.submit("", ["x@a.example"], b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5_000)
    await world.idle()
    await mta.close()
    del mta.mta
    gc.collect()
    ours = ("asyncmta", "maillog", "journal", "spool")
    await world.soon(lambda: not [each for each in set(threading.enumerate()) - before if each.name.startswith(ours)])


async def test_one_that_has_ended_can_be_forgotten_though_it_relayed(world):
    """A process that starts and stops many keeps none of them, nor their threads, in memory."""
    sink = await world.sink("b.example")
    mta = await world.mta("a.example")
    assert (await mta.send("", ["x@b.example"], b"\r\nx\r\n"))[-1] == 250
    await sink.wait_for(1)
    await world.idle()
    await mta.close()
    ended = weakref.ref(mta.mta)
    del mta.mta

    def is_gone():
        gc.collect()
        return ended() is None

    await world.soon(is_gone)


async def test_the_end_of_one_is_not_that_of_others(world):
    """One is drained, one is killed, one's disk fails: the fourth notices nothing."""
    drained, killed, failed, lives = [await world.mta(f"d{number}.example") for number in range(4)]
    client = await lives.greet()
    await drained.close()
    await killed.kill()
    failed.disk.fail_at(1, errno.EIO, for_good=True, only=("writev", "fsync", "fdatasync"))
    assert (await failed.send("", ["x@d2.example"], b"\r\nx\r\n"))[-1] == 451
    await asyncio.wait_for(failed.mta.wait_failed(), 10)
    assert (await client.command("NOOP")).code == 250
    assert (await lives.send("", ["x@d3.example"], b"\r\nx\r\n"))[-1] == 250
    await lives.mta.idle(timeout=10)
    assert len(lives.mailbox("x")) == 1
    assert lives.mta.alive() == lives.mta.not_ready() == []


async def test_limits_and_logins_are_each_its_own(world):
    """What one allows is not what another does: AUTH, sizes, sessions of a client."""

    async def authenticate(mechanism, login, password):
        return password == f"of {login}"

    small = await world.mta("small.example", limits={"message_size": "1KiB", "sessions_per_client": 1})
    large = world.house("large.example", listener=[])
    large.tables["listener"] = [
        {
            "address": large.address,
            "port": world.port,
            "role": "submission",
            "allow_plaintext_auth": True,
        }
    ]
    settings = large.settings
    async with Mta(
        settings, clock=world.clock, resolver=world.resolver, disk=large.disk, authenticator=authenticate
    ) as mta:
        clients = [await large.greet() for _ in range(3)]
        one = small.client()
        await one.connect()
        offers = str(await one.hello())
        assert "SIZE 1024" in offers
        assert "AUTH" not in offers
        two = small.client()
        await two.connect()
        assert (await two.reply()).code == 421
        for client in clients:
            assert (await client.command("MAIL FROM:<x@y.example>")).code == 530
            assert (await client.command("AUTH PLAIN AGJvYgBvZiBib2I=")).code == 235  # bob, "of bob"
            assert (await client.command("MAIL FROM:<x@y.example> SIZE=2000")).code == 250
        assert (await one.command("MAIL FROM:<x@y.example> SIZE=2000")).code == 552
        for client in (one, two, *clients):
            await client.close()
        assert mta.queue() == []


async def test_two_cannot_have_one_spool(world):
    first = await world.mta("a.example")
    second = world.house("b.example")
    second.disk = first.disk
    with pytest.raises(Locked):
        await second.open()
    assert (await first.send("", ["x@a.example"], b"\r\nx\r\n"))[-1] == 250
    await first.close()
    await second.open()


async def test_a_port_that_is_taken_leaves_nothing_behind(world):
    """It does not start, and the spool it had opened is free again."""
    first = await world.mta("a.example")
    second = world.house("b.example")
    address, second.address = second.address, first.address
    with pytest.raises(OSError, match="address already in use") as taken:
        await second.open()
    assert taken.value.errno == errno.EADDRINUSE
    assert exit_code(taken.value) is Exit.UNAVAILABLE
    second.address = address
    await second.open()
    assert (await second.send("", ["x@b.example"], b"\r\nx\r\n"))[-1] == 250


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, Exit.IO_ERROR), (errno.EROFS, Exit.CANT_CREATE)])
@pytest.mark.parametrize("call", ["mkdir", "lock", "fsync"])
async def test_a_disk_that_fails_at_the_start_is_no_address(world, call, number, code):
    mta = world.house("a.example")
    mta.disk.fail_at(1, number, for_good=True, only=(call,))
    with pytest.raises(OSError, match=r"Errno") as failed:
        await mta.open()
    failed.value.filename = None  # on a real disk an fsync of a descriptor names no file
    assert exit_code(failed.value) is code

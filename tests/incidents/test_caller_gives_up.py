"""Whoever hands in a message by the API stops waiting: it is taken whole or not at all, and it is never forgotten."""

from __future__ import annotations

import asyncio

import pytest

LARGE = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5_000


@pytest.mark.parametrize("content", [b"Subject: small\r\n\r\nx\r\n", LARGE], ids=["small", "large"])
async def test_at_each_turn_of_the_loop(world, content):
    """Whether it was taken shows in the log; then it is delivered, without a restart."""
    mta = await world.mta("a.example")
    for turns in range(0, 40, 2):
        submit = asyncio.ensure_future(mta.mta.submit("", ["alice@a.example"], content))
        for _ in range(turns):
            await asyncio.sleep(0)
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
    await world.advance(1)
    await world.soon(lambda: len(mta.mailbox("alice")) == len(mta.events("accepted")) > 0)
    await world.idle()
    assert mta.mta.queue() == []
    assert len(mta.mailbox("alice")) == len(mta.events("accepted"))
    await world.soon(lambda: not [path for path in mta.disk.tree() if path.startswith("spool/content/")])

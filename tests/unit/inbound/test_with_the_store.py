"""The listener, intake and the real store together: what was answered with 250 is there after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncmta.inbound.session import ROOM_FOR_RECEIVED
from asyncmta.mail.envelope import QueueId
from asyncmta.spool.records import INLINE_LIMIT
from asyncmta.spool.store import SpoolSettings, Store
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.client import RawClient
from tests.unit.inbound.inboundkit import Kit


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Store]:
    store = Store(
        disk=PosixDisk(),
        directory=str(directory),
        clock=SystemClock(),
        settings=SpoolSettings(min_free_space=0, min_free_inodes=0),
        on_poisoned=lambda failure: pytest.fail(str(failure)),
        on_event=lambda name, facts: None,
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def content_of(store: Store, queue_id: QueueId) -> bytes:
    found = store.read_content(queue_id)
    return b"".join(found) if isinstance(found, tuple) else b"".join([chunk async for chunk in found])


def text(size: int) -> bytes:
    line = b"a line of text, as long as any other, with a number of words in it\r\n"
    body = b"Subject: x\r\n\r\n" + line * (size // len(line))
    return body + b"y" * (size - len(body) - 2) + b"\r\n"


INLINE = INLINE_LIMIT - ROOM_FOR_RECEIVED


async def test_contents_of_every_size_come_back(tmp_path: Path) -> None:
    sizes = [20, 4096, INLINE - 1, INLINE, INLINE + 1, INLINE_LIMIT, 3 * INLINE_LIMIT]
    async with opened(tmp_path) as store:
        kit = Kit()
        kit.store = store  # type: ignore[assignment]
        kit.intake._store = store
        await kit.listener.start()
        async with RawClient(*kit.listener.addresses[0]) as client:
            await client.hello()
            for size in sizes:
                answers = await client.send_message("a@example.com", ["alice@example.org"], text(size))
                assert answers[-1].code == 250, (size, answers)
        await kit.listener.stop(0.0)
        assert len(kit.queued) == len(sizes)
    async with opened(tmp_path) as store:
        for queue_id, size in zip(kit.queued, sizes, strict=True):
            entry = store.entry(queue_id)
            assert entry is not None
            assert entry.large == (size > INLINE)
            content = await content_of(store, queue_id)
            assert content.startswith(b"Received: from client.example ([127.0.0.1])\r\n")
            assert content.endswith(text(size))
            assert entry.content.wire_size == len(content)

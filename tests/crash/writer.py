"""A small process that owns a spool on the real disk and is killed: it accepts, delivers and says so, line by line.

    python -m tests.crash.writer DIRECTORY SEED

On start it prints `have ID DIGEST` for each open message, its content read back, and `ready`. Then, without end, `asked
ID DIGEST` before a commit, `answered ID` when it is durable, `delivering ID`, and `done ID` when that is durable.
"""

from __future__ import annotations

import asyncio
import random
import sys
from hashlib import blake2b

from asyncmta.mail.envelope import QueueId, format_queue_id
from asyncmta.spool.records import Accepted, Attempted
from asyncmta.spool.store import JournalFailed, SpoolSettings, Store
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import PosixDisk
from tests.unit.spool.spoolkit import OK, content_of, envelope, make_store, read_all

SETTINGS = SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0, segment_size=200_000)
SESSIONS = 8
LARGE_SHARE = 0.03


def say(word: str, queue_id: QueueId, wire: bytes | None = None) -> None:
    fields = [word, format_queue_id(queue_id)]
    if wire is not None:
        fields.append(blake2b(wire, digest_size=8).hexdigest())
    print(*fields, flush=True)


async def accept(store: Store, chance: random.Random) -> QueueId:
    queue_id = store.next_queue_id()
    if chance.random() < LARGE_SHARE:
        wire = chance.randbytes(150_000).hex().encode() + b"\r\n"
        say("asked", queue_id, wire)
        large = store.begin_large(queue_id)
        for at in range(0, len(wire), 65_536):
            large.write(wire[at : at + 65_536])
        record = Accepted(queue_id, 1.0, envelope(), await large.finish(), "c", None, True)
    else:
        wire = chance.randbytes(chance.randrange(5000)).hex().encode() + b"\r\n"
        say("asked", queue_id, wire)
        record = Accepted(queue_id, 1.0, envelope(), content_of(wire), "c", None, False, (wire,))
    await store.commit(record)
    say("answered", queue_id)
    return queue_id


async def session(store: Store, chance: random.Random) -> None:
    while True:
        queue_id = await accept(store, chance)
        if chance.random() < 0.8:
            say("delivering", queue_id)
            await store.commit(Attempted(queue_id, 2.0, {0: OK}))
            say("done", queue_id)


async def main(directory: str, seed: int) -> None:
    store = make_store(PosixDisk(), directory=directory, settings=SETTINGS, clock=SystemClock())
    await store.open()
    assert store.damaged() == ()
    for entry in list(store.entries()):
        if not entry.is_closed:
            say("have", entry.queue_id, await read_all(store, entry.queue_id))
    print("ready", flush=True)
    try:
        await asyncio.gather(*[session(store, random.Random(f"{seed} {number}")) for number in range(SESSIONS)])
    except JournalFailed as failure:
        print("failed", failure, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

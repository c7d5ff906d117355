"""What the tests of the spool share: values to commit, strategies for all records, and a journal made in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import strategies as st

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Content, Envelope, Origin, QueueId, Recipient, Timing
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Handover, Outcome, Place, Scope
from asyncmta.mail.reply import EnhancedStatus, Reply, reply
from asyncmta.mail.wire import digest, is_dotted, unstuff
from asyncmta.spool import framing, segment
from asyncmta.spool.codec import encode
from asyncmta.spool.framing import Layout
from asyncmta.spool.records import (
    Accepted,
    Attempted,
    Carried,
    Checkpoint,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)
from asyncmta.spool.segment import SegmentHeader
from asyncmta.spool.store import JournalFailed, SpoolSettings, Store
from asyncmta.system.clock import Clock
from asyncmta.system.disk import Disk
from asyncmta.testing.clock import FakeClock

JOURNAL = bytes(range(16))
OK = Delivered(reply(250, "2.0.0", "taken"))
OWED = Delivered(reply(250, "2.0.0", "taken"), owed=True)
LATER = Deferred(Cause.REFUSED, reply(450, "4.2.0", "busy"))
NEVER = Failed(Cause.REFUSED, reply(550, "5.1.1", "no such user"))


def envelope(recipients: int = 1, sender: str | None = "alice") -> Envelope:
    origin = Address(sender, "example.org", "example.org") if sender is not None else None
    targets = [Address(f"r{at}", "example.net", "example.net") for at in range(recipients)]
    return Envelope(origin, tuple(map(Recipient, targets)))


def content_of(wire: bytes) -> Content:
    dotted = is_dotted(wire)
    return Content(len(unstuff(wire)), digest((wire,), dotted), dotted, len(wire), not wire.isascii())


def accepted(queue_id: int, wire: bytes = b"Subject: x\r\n\r\nhello\r\n", recipients: int = 1) -> Accepted:
    """A message whose content stands inline, in two parts."""
    return Accepted(
        QueueId(queue_id),
        1000.5,
        envelope(recipients),
        content_of(wire),
        "client.example [192.0.2.1]",
        None,
        False,
        (wire[:7], wire[7:]),
    )


def attempted(queue_id: int, outcomes: dict[int, Outcome] | None = None, at: float = 2000.0) -> Attempted:
    return Attempted(QueueId(queue_id), at, outcomes if outcomes is not None else {0: OK})


# -- strategies -----------------------------------------------------------------------------------------------------

queue_ids = st.integers(0, 2**80 - 1).map(QueueId)
times = st.floats(0, 1e11, allow_nan=False)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
addresses = st.builds(Address, texts, texts, texts)
statuses = st.none() | st.builds(EnhancedStatus, st.sampled_from((2, 4, 5)), st.integers(0, 999), st.integers(0, 999))
replies = st.builds(Reply, st.integers(200, 599), statuses, st.lists(texts, max_size=3).map(tuple))
places = st.builds(Place, texts, texts, texts)
causes, scopes = st.sampled_from(Cause), st.sampled_from(Scope)
deferrals = st.builds(Deferred, causes, replies, scopes, places)
failures = st.builds(Failed, causes, replies, scopes, places)
deliveries = st.builds(Delivered, replies, places, st.booleans(), st.sampled_from(Handover), st.booleans())
outcomes = deliveries | deferrals | failures
recipients = st.builds(Recipient, addresses, st.integers(0, 15), st.none() | texts, st.booleans())
envelopes = st.builds(
    Envelope,
    st.none() | addresses,
    st.lists(recipients, min_size=1, max_size=4).map(tuple),
    st.sampled_from(("7BIT", "8BITMIME", "BINARYMIME")),
    st.booleans(),
    st.booleans(),
    st.sampled_from((None, "FULL", "HDRS")),
    st.none() | texts,
    st.none() | st.builds(Timing, st.integers(-9, 9), times, times, st.sampled_from(("", "R", "N", "RT", "NT"))),
    st.none() | st.builds(Origin, texts, times),
    st.booleans(),
)
wires = st.lists(st.binary(max_size=40), max_size=4).map(tuple)
ordinals = st.integers(0, 2000)
ordinal_sets = st.lists(ordinals, max_size=4).map(tuple)


@st.composite
def accepteds(draw: st.DrawFn) -> Accepted:
    parts = draw(wires)
    large = draw(st.booleans())
    size = sum(map(len, parts))
    content = Content(draw(st.integers(0, 2**40)), draw(st.binary(min_size=16, max_size=16)), draw(st.booleans()), size)
    login = draw(st.none() | texts)
    return Accepted(
        draw(queue_ids), draw(times), draw(envelopes), content, draw(texts), login, large, () if large else parts
    )


@st.composite
def carrieds(draw: st.DrawFn) -> Carried:
    base = draw(accepteds())
    size = base.content.wire_size
    packed = size > 1 and not base.large and draw(st.booleans())
    parts = (draw(st.binary(min_size=1, max_size=size - 1)),) if packed else base.parts
    return Carried(
        base.queue_id,
        base.at,
        base.envelope,
        base.content,
        base.client,
        base.login,
        base.large,
        draw(st.integers(0, 2**40)),
        draw(st.binary(max_size=10)),
        draw(st.dictionaries(ordinals, st.tuples(times, deferrals), max_size=3)),
        draw(st.dictionaries(ordinals, failures, max_size=3)),
        draw(st.booleans()),
        draw(st.booleans()),
        parts,
        packed,
        draw(st.dictionaries(ordinals, st.tuples(times, deliveries), max_size=3)),
    )


records: st.SearchStrategy[Record | Checkpoint] = st.one_of(
    accepteds(),
    st.builds(Attempted, queue_ids, times, st.dictionaries(ordinals, outcomes, max_size=4)),
    st.builds(Reported, queue_ids, times, ordinal_sets, st.none() | queue_ids),
    st.builds(Warned, queue_ids, times, ordinal_sets, st.none() | queue_ids),
    st.builds(Held, queue_ids, times),
    st.builds(Released, queue_ids, times),
    st.builds(Removed, queue_ids, times, texts),
    st.builds(Retired, queue_ids),
    carrieds(),
    st.builds(Checkpoint, st.integers(0, 2**40)),
)


# -- journals as octets ---------------------------------------------------------------------------------------------


def header(number: int = 1, **changes: object) -> SegmentHeader:
    facts: dict[str, object] = {
        "journal": JOURNAL,
        "number": number,
        "first_sequence": 1,
        "previous": 0,
        "previous_end": 0,
        "previous_chain": bytes(16),
        "boot": 1,
        "oldest": 1,
        "created": 1000.0,
    }
    return SegmentHeader(**{**facts, **changes})  # type: ignore[arg-type]


class Image:
    """A segment put together by the pure files alone."""

    def __init__(self, number: int = 1, **changes: object) -> None:
        self.place = framing.place(JOURNAL, number)
        self.octets = segment.encode_header(header(number, **changes))
        self.chain = self.octets[-16:]
        self.sequence = 1
        self.records = 0
        self.ends = [len(self.octets)]  # after the header and after each batch
        self.layouts: list[Layout] = []

    def add(self, *batch: Record | Checkpoint) -> Image:
        layout = framing.lay_out([encode(record) for record in batch], self.place, len(self.octets), self.sequence)
        self.octets += b"".join(layout.buffers)
        self.chain = framing.next_chain(self.chain, layout.digest)
        self.sequence += len(batch) + 1
        self.records += len(batch)
        self.layouts.append(layout)
        self.ends.append(len(self.octets))
        return self

    def seal(self) -> Image:
        self.octets += framing.footer(self.place, len(self.octets), self.sequence, self.records, self.chain)
        return self


# -- stores ---------------------------------------------------------------------------------------------------------

SMALL = SpoolSettings(min_free_space=0, min_free_inodes=0, reserve_size=0)


class Witness:
    """What a store said to those around it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.poisoned: list[JournalFailed] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def make_store(
    disk: Disk,
    *,
    directory: str = "spool",
    settings: SpoolSettings = SMALL,
    clock: Clock | None = None,
    witness: Witness | None = None,
) -> Store:
    seen = witness or Witness()
    return Store(
        disk=disk,
        directory=directory,
        clock=clock or FakeClock(),
        settings=settings,
        on_poisoned=seen.poisoned.append,
        on_event=lambda name, facts: seen.events.append((name, facts)),
    )


async def read_all(store: Store, queue_id: QueueId) -> bytes:
    content = store.read_content(queue_id)
    if isinstance(content, tuple):
        return b"".join(content)
    return b"".join([chunk async for chunk in content])


async def settled(store: Store, rounds: int = 5) -> None:
    """All that was noted, and what the store noted because of it, is durable and applied, and the writer idle."""
    for _ in range(rounds):
        await store.flush()
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    idle: asyncio.Future[None] = loop.create_future()
    store._journal.run(lambda: loop.call_soon_threadsafe(idle.set_result, None) and None)
    await idle


def states(entries: Sequence[Carried]) -> dict[int, Carried]:
    return {state.queue_id: state for state in entries}

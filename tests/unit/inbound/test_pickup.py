"""inbound/pickup: what was left is taken once, also after a crash; what is refused waits or is set aside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asyncmta.cli.drop import leave
from asyncmta.inbound.drop_directory import DropDirectory, DropSettings
from asyncmta.inbound.drop_file import Directions, Dropped, write
from asyncmta.inbound.injection import Reports
from asyncmta.inbound.pickup import PERIOD, Pickup
from asyncmta.mail import replies
from asyncmta.mail.envelope import NOTIFY_NEVER, Envelope, QueueId, format_queue_id
from asyncmta.mail.reply import Reply
from asyncmta.testing.clock import FakeClock

YOU = Directions("me@x.example", ("you@y.example",))


class House:
    """The rest of an MTA."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.clock = FakeClock()
        self.taken: list[tuple[Envelope, bytes, QueueId, int]] = []
        self.known: set[QueueId] = set()
        self.answer: Reply | Exception | None = None
        self.full: Reply | None = None
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self._last = 100
        settings = DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped"), largest=1000)
        self.pickup = Pickup(
            directory=DropDirectory(settings),
            clock=self.clock,
            submit=self._submit,
            is_known=self.known.__contains__,
            next_queue_id=self._next_queue_id,
            refusal=lambda: self.full,
            note=self._note,
        )

    async def _submit(self, envelope: Envelope, content: bytes, *, queue_id: QueueId, userid: int) -> QueueId | Reply:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        self.taken.append((envelope, content, queue_id, userid))
        return queue_id

    def _next_queue_id(self) -> QueueId:
        self._last += 1
        return QueueId(self._last)

    def _note(self, level: str, event: str, /, **facts: Any) -> None:
        if event != "drop_unreachable":  # what is above the folders of tests
            self.notes.append((level, event, facts))

    def leave(self, directions: Directions = YOU, content: bytes = b"Subject: x\n\n") -> str:
        return leave(str(self.spool / "drop"), write(Dropped(directions, content)))

    def files(self, place: str) -> list[str]:
        return sorted(each.name for each in (self.spool / place).iterdir() if each.name not in ("wake", "bad"))

    async def until(self, done: Any) -> None:
        """Threads come back in their own time; the clock moves when we say so."""
        for _ in range(2000):
            if done():
                return
            self.clock.advance(PERIOD)
            await asyncio.sleep(0.001)
        raise AssertionError(f"never: {self.notes}")


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    spool = tmp_path / "spool"
    spool.mkdir()
    house = House(spool)
    await house.pickup.open()
    yield house
    closing = asyncio.ensure_future(house.pickup.close())
    await house.until(closing.done)


async def test_what_is_left_is_taken_with_all_that_was_said(house: House) -> None:
    directions = Directions(None, ("you@y.example", "YOU@Y.example", "ü@y.example"), Reports("NEVER", "HDRS", "id"))
    house.leave(directions, b"Subject: y\n\n\xff")
    await house.until(lambda: house.taken and not house.files("dropped"))
    ((envelope, content, queue_id, userid),) = house.taken
    assert (envelope.reverse_path, [str(each.address) for each in envelope.recipients], content) == (
        None,
        ["you@y.example", "YOU@Y.example", "ü@y.example"],
        b"Subject: y\n\n\xff",
    )
    assert (envelope.recipients[0].notify, envelope.ret, envelope.envid) == (NOTIFY_NEVER, "HDRS", "id")
    assert (queue_id > 100, userid) == (True, house.spool.stat().st_uid)
    assert house.files("drop") == []
    assert house.notes == []


async def test_many_are_taken_each_once(house: House) -> None:
    for number in range(250):
        house.leave(content=b"Subject: %d\n\n" % number)
    await house.until(lambda: len(house.taken) == 250 and not house.files("dropped"))
    assert len({content for _, content, _, _ in house.taken}) == len({queue_id for _, _, queue_id, _ in house.taken})


async def test_a_wake_saves_the_wait(house: House) -> None:
    await house.until(lambda: len(house.clock._timers) > 0)
    house.leave()
    for _ in range(2000):
        if house.taken:
            break
        house.clock.advance(0.001)
        await asyncio.sleep(0.001)
    assert house.taken


async def test_what_was_being_taken_when_we_died(house: House) -> None:
    await house.until((house.spool / "dropped").exists)
    message = write(Dropped(YOU, b"Subject: x\n\n"))
    house.known.add(QueueId(7))
    for number in (7, 8):
        (house.spool / "unnamed").write_bytes(message)
        (house.spool / "unnamed").rename(house.spool / "dropped" / format_queue_id(QueueId(number)))
    await house.until(lambda: not house.files("dropped"))
    assert [queue_id for _, _, queue_id, _ in house.taken] == [8]


async def test_what_is_refused_for_now_waits(house: House) -> None:
    house.answer = replies.LOCAL_ERROR
    house.leave()
    await house.until(lambda: house.files("dropped"))
    (waiting,) = house.files("dropped")
    house.answer = None
    await house.until(lambda: not house.files("dropped"))
    assert [format_queue_id(queue_id) for _, _, queue_id, _ in house.taken] == [waiting]


async def test_without_room_nothing_is_touched(house: House) -> None:
    house.full = replies.STORAGE_FULL
    name = house.leave()
    for _ in range(20):
        house.clock.advance(PERIOD)
        await asyncio.sleep(0.001)
    assert house.files("drop") == [name]
    house.full = None
    await house.until(lambda: house.taken)


@pytest.mark.parametrize(
    ("directions", "content", "answer", "reason"),
    [
        (Directions("nonsense", ("you@y.example",)), b"", None, "an address is none: an address is local-part@domain"),
        (Directions(None, ("you@y.example",), Reports("MAYBE")), b"", None, "501 5.5.4"),
        (YOU, b"", replies.TOO_MANY_HOPS, "554 5.4.6"),
        (YOU, b"", replies.TOO_MANY_RECIPIENTS, "452 4.5.3"),
        (YOU, b"", replies.NEED_RECIPIENT, "503 5.5.1"),
    ],
)
async def test_what_is_refused_for_good_is_set_aside(
    house: House, directions: Directions, content: bytes, answer: Reply | None, reason: str
) -> None:
    house.answer = answer
    house.leave(directions, content)
    await house.until(lambda: house.notes)
    await house.until(lambda: not house.files("dropped"))
    ((level, event, facts),) = house.notes
    assert (level, event, facts["count"], facts["userid"]) == ("warning", "drop_refused", 1, house.spool.stat().st_uid)
    assert facts["reason"].startswith(reason)
    assert house.files("dropped/bad") == [facts["queue_id"]]


async def test_a_bug_keeps_nobody_else_and_loses_nothing(house: House) -> None:
    house.answer = RuntimeError("a bug")
    house.leave()
    await house.until(lambda: house.notes)
    assert house.notes[0][:2] == ("error", "drop_failed")
    house.answer = None
    await house.until(lambda: house.taken and not house.files("dropped"))
    assert len(house.taken) == 1


async def test_a_directory_that_fails_is_said_and_tried_again(house: House) -> None:
    await house.until((house.spool / "drop").exists)
    (house.spool / "drop").rename(house.spool / "away")
    await house.until(lambda: house.notes)
    assert house.notes[0][:2] == ("error", "drop_failed")
    (house.spool / "away").rename(house.spool / "drop")
    house.leave()
    await house.until(lambda: house.taken)


async def test_a_directory_that_cannot_be_had_is_no_reason_not_to_run(tmp_path: Path) -> None:
    (tmp_path / "drop").symlink_to("elsewhere")
    house = House(tmp_path)
    await house.pickup.open()
    await house.pickup.close()
    assert [(level, event) for level, event, _ in house.notes] == [("warning", "drop_unavailable")]

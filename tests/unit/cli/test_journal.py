"""The journal commands on a spool that a store has written, whole, damaged and while it runs."""

from __future__ import annotations

import asyncio
import json
import pathlib

import pytest

from asyncmta.mail.envelope import format_queue_id
from asyncmta.spool.carrying import Load, laden
from asyncmta.spool.compression import pack
from asyncmta.spool.records import INLINE_LIMIT, Accepted, Attempted, Held, Removed, Reported
from asyncmta.spool.store import SpoolSettings
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import PosixDisk
from tests.unit.spool.spoolkit import LATER, NEVER, OK, content_of, envelope, make_store

LARGE = b"Subject: large\r\n" + b"x" * INLINE_LIMIT + b"\r\n"
SETTINGS = SpoolSettings(min_free_space=0, min_free_inodes=0, segment_size=20_000)


def letter(queue_id, wire=b"Subject: secret\r\n\r\nhello\r\n", recipients=2):
    return Accepted(queue_id, 1000.0, envelope(recipients), content_of(wire), "c", None, False, (wire,))


async def fill(store):
    """Three messages that stay: one deferred, one held, one large; and one that was removed."""
    ids = [store.next_queue_id() for _ in range(4)]
    await store.commit(letter(ids[0]), letter(ids[1]), letter(ids[2]))
    await store.commit(Attempted(ids[0], 1001.0, {0: NEVER, 1: LATER}), Reported(ids[0], 1001.0, (0,), ids[1]))
    await store.commit(Held(ids[1], 1002.0), Removed(ids[2], 1002.0, "op"))
    large = store.begin_large(ids[3])
    large.write(LARGE)
    await store.commit(Accepted(ids[3], 1.0, envelope(), await large.finish(), "c", None, True))
    for _ in range(20):
        queue_id = store.next_queue_id()
        await store.commit(letter(queue_id, b"x" * 3000 + b"\r\n", 1))
        await store.commit(Attempted(queue_id, 1003.0, {0: OK}))
    return [ids[0], ids[1], ids[3]]


def spool_at(directory):
    return make_store(PosixDisk(), directory=str(directory), settings=SETTINGS, clock=SystemClock())


@pytest.fixture
def spooled(config):
    async def scene():
        store = spool_at(config.parent / "spool")
        await store.open()
        ids = await fill(store)
        await store.close()
        return ids

    return asyncio.run(scene())


def first_segment():
    return min(pathlib.Path("spool/journal").iterdir())


def test_a_whole_journal_verifies(run, spooled):
    ended = run("journal", "verify")
    assert (ended.code, ended.err) == (0, "")
    assert "3 messages: ok" in ended.out
    found = json.loads(run("journal", "verify", "--json").out)
    assert (found["messages"], found["damages"], found["unfinished"]) == (3, [], 0)
    assert found["records"] > 40


def test_any_spool_can_be_named(run, spooled, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert run("journal", "verify", "--spool", str(tmp_path / "spool")).code == 0


def test_damage_is_named_by_segment_offset_and_reason(run, spooled):
    path = first_segment()
    octets = bytearray(path.read_bytes())
    at = octets.index(b"secret")
    octets[at] ^= 1
    path.write_bytes(octets)
    ended = run("journal", "verify")
    assert ended.code == 65
    assert "segment 1 offset 128: octets that do not verify" in ended.out
    assert "damaged" in ended.err
    (damage, *_) = json.loads(run("journal", "verify", "--json").out)["damages"]
    assert (damage["segment"], damage["offset"]) == (1, 128)
    rows = [json.loads(line) for line in run("journal", "dump", "--json").out.splitlines()]
    assert {"segment": 1, "offset": 128, "kind": "damage", "end": damage["end"]} in rows


def test_damage_to_large_content_is_found(run, spooled):
    path = pathlib.Path("spool/content") / format_queue_id(spooled[2])
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    ended = run("journal", "verify")
    assert ended.code == 65
    assert f"content/{format_queue_id(spooled[2])}" in ended.out
    shown = json.loads(run("journal", "verify", "--json").out)["damages"]
    assert [damage["queue_id"] for damage in shown] == [format_queue_id(spooled[2])]


def test_an_unfinished_batch_is_no_damage(run, spooled):
    path = max(pathlib.Path("spool/journal").iterdir())
    octets = path.read_bytes()
    path.write_bytes(octets[:-100])
    ended = run("journal", "verify")
    assert ended.code == 0
    assert "octets of an unfinished batch: ok" in ended.out
    assert json.loads(run("journal", "dump", "--json").out.splitlines()[-1])["kind"] == "unfinished"


def test_stat(run, spooled):
    found = json.loads(run("journal", "stat", "--json").out)
    sizes = sum(path.stat().st_size for path in pathlib.Path("spool/journal").iterdir())
    assert (found["octets"], found["live"] + found["dead"]) == (sizes, sizes)
    assert 500 < found["live"] < 3000
    assert found["segments"] == len(list(pathlib.Path("spool/journal").iterdir()))
    assert found["messages"] == 3
    assert found["records"]["accepted"] == 24
    assert (found["records"]["removed"], found["records"]["held"], found["damages"]) == (1, 1, 0)
    assert found["reserve"] == pathlib.Path("spool/reserve").stat().st_size > 0
    text = run("journal", "stat").out
    assert "messages\t3\n" in text
    assert "records.accepted\t24\n" in text


PROSE = b"Subject: prose\r\n\r\n" + b"one line is much like the other\r\n" * 100


async def carry_packed(directory, stored):
    """A message as compaction leaves it behind, with these octets as its packed content; and a large one of noise."""
    store = spool_at(directory)
    await store.open()
    queue_id = store.next_queue_id()
    await store.commit(letter(queue_id, PROSE))
    await store.commit(laden(store.entry(queue_id), Load((stored,), packed=True)))
    await store.close()
    return queue_id


def test_packed_content_is_verified_counted_and_shown(run, spooled, tmp_path):
    before = json.loads(run("journal", "stat", "--json").out)
    assert before["saved"] == len(LARGE) + 64 + 2 * 16 - sum(p.stat().st_size for p in tmp_path.glob("spool/content/*"))
    packed = pack(PROSE)
    queue_id = format_queue_id(asyncio.run(carry_packed(tmp_path / "spool", packed)))
    assert run("journal", "verify").code == 0
    after = json.loads(run("journal", "stat", "--json").out)
    assert after["saved"] - before["saved"] == len(PROSE) - len(packed) > 3000
    assert after["live"] - before["live"] < 600
    rows = [json.loads(line) for line in run("journal", "dump", "--json", "--content").out.splitlines()]
    (accepted,) = [row for row in rows if row.get("queue_id") == queue_id and row["kind"] == "accepted"]
    (carried,) = [row for row in rows if row.get("queue_id") == queue_id and row["kind"] == "carried"]
    assert ("packed" in accepted, accepted["octets"], accepted["text"]) == (False, len(PROSE), PROSE.decode())
    assert (carried["packed"], carried["octets"], carried["text"]) == (True, len(packed), PROSE.decode())
    assert "saved\t" in run("journal", "stat").out


def test_packed_content_that_verifies_and_is_not_what_was_accepted(run, spooled, tmp_path):
    first = format_queue_id(asyncio.run(carry_packed(tmp_path / "spool", pack(PROSE)[:-1])))
    second = format_queue_id(asyncio.run(carry_packed(tmp_path / "spool", pack(PROSE[:-3] + b"!\r\n"))))
    ended = run("journal", "verify", "--json")
    assert ended.code == 65
    damages = {damage["queue_id"]: damage["reason"] for damage in json.loads(ended.out)["damages"]}
    assert damages == {
        first: "the packed content in the journal does not unpack",
        second: "the content in the journal is not what was accepted",
    }
    rows = [json.loads(line) for line in run("journal", "dump", "--json", "--content").out.splitlines()]
    assert [row["octets"] for row in rows if row.get("packed") and row["queue_id"] == first] == [len(pack(PROSE)) - 1]


def test_stat_of_large_content_that_is_gone(run, spooled):
    (pathlib.Path("spool/content") / format_queue_id(spooled[2])).unlink()
    assert json.loads(run("journal", "stat", "--json").out)["saved"] == 0


def test_dump_hides_content_unless_asked(run, spooled):
    lines = run("journal", "dump").out.splitlines()
    assert lines[0].startswith(f"1:128\taccepted\t{format_queue_id(spooled[0])}\t{{")
    assert not any("secret" in line for line in lines)
    assert any("secret" in line for line in run("journal", "dump", "--content").out.splitlines())
    rows = [json.loads(line) for line in run("journal", "dump", "--json", "--content").out.splitlines()]
    assert rows[0]["text"].endswith("hello\r\n")
    assert [row["sequence"] for row in rows] == sorted(row["sequence"] for row in rows)
    (reported,) = [row for row in rows if row["kind"] == "reported"]
    assert reported["by"] == format_queue_id(spooled[1])
    (removed,) = [row for row in rows if row["kind"] == "removed"]
    assert removed["by"] == "op"


def test_no_spool_and_one_that_is_not_ours(run, tmp_path):
    ended = run("journal", "verify", "--spool", "nowhere")
    assert ended.code == 66
    assert "nowhere: there is no journal" in ended.err
    (tmp_path / "other" / "journal").mkdir(parents=True)
    (tmp_path / "other" / "journal" / "0000000001.seg").write_bytes(b"x" * 500)
    for what in ("verify", "stat"):
        ended = run("journal", what, "--spool", "other")
        assert ended.code == 66
        assert "no header" in ended.err
    assert run("journal", "dump", "--spool", "other").out == ""


def test_beside_a_running_owner_nothing_is_locked_or_changed(run, config):
    """Compaction and all: what tools see is a moment of it, and never damage."""

    async def scene():
        store = spool_at("spool")
        await store.open()
        ids = await fill(store)
        for _ in range(5):
            ended = await asyncio.to_thread(run, "journal", "verify")
            assert ended.code == 0, ended
            assert "3 messages" in ended.out
            await store.commit(letter(queue_id := store.next_queue_id()))
            await store.commit(Attempted(queue_id, 1.0, {0: OK, 1: OK}))
            await store.flush()
        assert await asyncio.to_thread(run, "journal", "stat")
        found = [entry.queue_id for entry in store.entries() if not entry.is_closed]
        await store.close()
        return ids, found

    ids, found = asyncio.run(scene())
    assert found == ids

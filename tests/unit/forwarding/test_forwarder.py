"""Copies in one commit with the word that their original is done: what is in the spool afterwards, whatever happens."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from asyncmta.forwarding.forwarder import LOOP, UNAVAILABLE
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import NOTIFY_SUCCESS, Envelope, Recipient, format_queue_id
from asyncmta.mail.outcome import Delivered, Handover
from asyncmta.mailboxes.expansion import Ending, Reached
from asyncmta.spool.records import INLINE_LIMIT, PENDING
from asyncmta.testing.disk import PowerCut
from tests.unit.forwarding.forwardingkit import WIRE, Post

LARGE = b"Subject: large\r\n\r\n" + b"".join(sha256(b"%d" % at).hexdigest().encode() + b"\r\n" for at in range(5000))


def people(*addresses: str) -> Sequence[Reached]:
    """Whom an address stands for; those at here.example have a mailbox."""
    return [
        Reached(address, Ending.MAILBOX if address.domain == "here.example" else Ending.ELSEWHERE)
        for address in map(parse_address, addresses)
    ]


async def test_a_copy_bears_who_forwarded_it_on_top_of_what_came(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example")
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example", "carol@far.example")})
    assert forwarded.recorded == {0}
    assert forwarded.outcomes[0] == Delivered(forwarded.outcomes[0].reply, handover=Handover.EXPANDED)
    here, leaving = (post.store.entry(queue_id) for queue_id in forwarded.copies)
    assert here is not None
    assert leaving is not None
    assert post.heard == list(forwarded.copies)
    assert post.copies() == [("me@far.example", ["bob@here.example"]), ("me@far.example", ["carol@far.example"])]
    content = await post.content(here)
    assert content.startswith(b"Received: by mx.here.example id ")
    assert b"\tfor <list@here.example>;" in content
    assert content.endswith(WIRE)
    assert (await post.content(leaving)).startswith(b"Delivered-To: list@here.example\r\nReceived: by mx.here.example")
    assert here.content.size == len(content) - 1
    assert here.content.dotted
    assert [each["recipient"] for each in post.log.events("forwarded")] == [parse_address("list@here.example")] * 2
    assert {each["queue_id"] for each in post.log.events("forwarded")} == {consignment.queue_id}
    await post.close()


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("wire", [WIRE, LARGE, LARGE[: INLINE_LIMIT - 20]])
async def test_content_of_every_size_comes_through(tmp_path: Path, wire: bytes, is_binary: bool) -> None:
    """Also what fits into the journal alone, and with the fields on top does not."""
    post = await Post(tmp_path, "").open()
    if is_binary:
        wire = wire.replace(b"e", b"\x00\r\xff")
    envelope = Envelope(
        None, (Recipient(parse_address("list@here.example")),), body="BINARYMIME" if is_binary else "8BITMIME"
    )
    consignment = await post.take(envelope, wire)
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example", "carol@far.example")})
    assert len(forwarded.copies) == 2
    for queue_id in forwarded.copies:
        entry = post.store.entry(queue_id)
        assert entry is not None
        content = await post.content(entry)
        assert content.endswith(wire)
        assert entry.content.wire_size == len(content)
        assert entry.envelope.is_binary == is_binary
    await post.close()


async def test_content_that_is_no_more_in_memory_is_read(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example")
    post.store.forget_content(consignment.queue_id)
    [copy] = (await post.forwarder.forward(consignment, {0: people("bob@here.example")})).copies
    entry = post.store.entry(copy)
    assert entry is not None
    assert (await post.content(entry)).endswith(WIRE)
    await post.close()


async def test_what_was_here_before_fails_and_the_others_go_on(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept(
        "list@here.example", "all@here.example", wire=b"Delivered-To: list@here.example\r\n" + WIRE
    )
    both = {0: people("bob@here.example"), 1: people("carol@far.example")}
    forwarded = await post.forwarder.forward(consignment, both)
    assert forwarded.outcomes[0] is LOOP
    assert forwarded.recorded == {1}
    assert post.copies() == [("me@far.example", ["carol@far.example"])]
    again = await post.forwarder.forward(consignment, {0: both[0]})
    assert (again.outcomes, again.recorded, again.copies) == ({0: LOOP}, frozenset(), ())
    await post.close()


async def test_whoever_asked_to_be_told_is_owed_that_it_was_expanded(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    asked = Recipient(parse_address("list@here.example"), NOTIFY_SUCCESS)
    consignment = await post.take(Envelope(parse_address("me@far.example"), (asked,)))
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example", "carol@far.example")})
    entry = post.store.entry(consignment.queue_id)
    assert entry is not None
    assert {ordinal: outcome for ordinal, (_, outcome) in entry.owed().items()} == forwarded.outcomes
    assert [one.notify for each in post.entries() for one in each.envelope.recipients] == [NOTIFY_SUCCESS, 8, 8]
    await post.close()


async def test_one_alone_is_passed_on_and_an_owned_list_is_where_it_ends(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open("errors@here.example")
    consignment = await post.accept("one@here.example", "list@here.example")
    both = {0: people("bob@here.example"), 1: people("bob@here.example", "carol@far.example")}
    forwarded = await post.forwarder.forward(consignment, both)
    found = [outcome.handover for outcome in forwarded.outcomes.values() if isinstance(outcome, Delivered)]
    assert found == [Handover.PASSED_ON, Handover.FINAL]
    assert [sender for sender, _ in post.copies()] == ["me@far.example", "errors@here.example", "errors@here.example"]
    await post.close()


@pytest.mark.parametrize("wire", [WIRE, LARGE])
async def test_damaged_content_defers_and_leaves_nothing(tmp_path: Path, wire: bytes) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example", wire=wire)
    post.store.forget_content(consignment.queue_id)
    await post.store.flush()
    tree = post.disk.tree()
    [path] = [path for path, octets in tree.items() if "/content/" in path or (wire is WIRE and WIRE in octets)]
    octets = tree[path]
    middle = octets.rindex(WIRE) + 5 if wire is WIRE else len(octets) - 100
    post.disk.put(path, octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :])
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example")})
    assert forwarded.outcomes == {0: UNAVAILABLE}
    assert forwarded.copies == ()
    assert post.copies() == []
    async with asyncio.timeout(5):  # what was written of the copy goes, in a thread
        while len([path for path in post.disk.tree() if "/content/" in path]) > (wire is LARGE):  # noqa: ASYNC110
            await asyncio.sleep(0)
    await post.close()


async def test_a_disk_with_no_room_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example")
    asked: list[int] = []
    monkeypatch.setattr(post.store, "refusal", lambda size: asked.append(size) or UNAVAILABLE.reply)
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example", "carol@far.example")})
    assert forwarded.outcomes == {0: UNAVAILABLE}
    assert asked == [2 * len(WIRE)]
    assert post.copies() == []
    await post.close()


async def test_a_journal_that_fails_defers_everybody(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example", wire=LARGE)
    post.disk.fail_at(1, errno.EIO, for_good=True, only=("fsync", "fdatasync"))
    forwarded = await post.forwarder.forward(consignment, {0: people("bob@here.example")})
    assert forwarded.outcomes == {0: UNAVAILABLE}
    assert post.heard == []
    assert post.copies() == []
    await post.close()


async def test_who_stops_waiting_leaves_no_file_that_nobody_names(tmp_path: Path) -> None:
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example", wire=LARGE)
    before = {path for path in post.disk.tree() if "/content/" in path}
    work = asyncio.ensure_future(post.forwarder.forward(consignment, {0: people("bob@here.example")}))
    async with asyncio.timeout(60):
        while not {path for path in post.disk.tree() if "/content/" in path} - before:  # noqa: ASYNC110
            await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await post.close()
    named = set(map(format_queue_id, post.store.ids()))
    assert {path.rpartition("/")[2] for path in post.disk.tree() if "/content/" in path} <= named


async def left_after_a_cut_at(step: int, tmp_path: Path) -> tuple[int, int]:
    """How many wait to be expanded, and how many copies there are, after a restart."""
    post = await Post(tmp_path, "").open()
    consignment = await post.accept("list@here.example", wire=LARGE)
    post.disk.cut_at(step)
    with suppress(PowerCut):
        await post.forwarder.forward(consignment, {0: people("bob@here.example", "carol@far.example")})
    left = post.disk.crash(step)
    with suppress(PowerCut):
        await post.close()
    post = await Post(tmp_path, "", left).open()
    waiting = [entry for entry in post.entries() if entry.envelope.origin is None and entry.state_of(0) == PENDING]
    for entry in post.entries():
        assert (await post.content(entry)).endswith(LARGE)
    found = len(waiting), len(post.copies())
    await post.close()
    return found


async def test_when_the_power_goes_it_is_to_be_expanded_or_its_copies_are_there(tmp_path: Path) -> None:
    """At each step on the disk: never both, never neither, never some of them."""
    assert {await left_after_a_cut_at(step, tmp_path) for step in range(1, 50)} == {(1, 0), (0, 2)}

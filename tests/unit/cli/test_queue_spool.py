"""The queue commands of a stopped MTA: what the journal says, and nothing written."""

from __future__ import annotations

import asyncio
import json
import pathlib

import pytest

from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Content, Envelope, Recipient, format_queue_id
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest, stuff
from asyncmta.spool.records import Accepted, Attempted, Held
from asyncmta.spool.store import SpoolSettings, Store
from asyncmta.system.clock import SystemClock
from asyncmta.system.disk import PosixDisk

LETTER = b"Subject: x\r\n\r\n.dot\r\n"


def accepted(queue_id, sender, *recipients):
    wire = stuff(LETTER)
    return Accepted(
        queue_id=queue_id,
        at=1000.0,
        envelope=Envelope(
            parse_address(sender) if sender else None,
            tuple(Recipient(parse_address(recipient)) for recipient in recipients),
        ),
        content=Content(len(LETTER), digest([wire], True), True, len(wire)),
        client="127.0.0.1",
        login=None,
        large=False,
        parts=(wire,),
    )


@pytest.fixture
def spooled(config):
    """A spool with three messages, as an MTA left it; their ids, oldest first."""
    directory = config.parent / "spool"

    async def fill():
        store = Store(
            disk=PosixDisk(),
            directory=str(directory),
            clock=SystemClock(),
            settings=SpoolSettings(min_free_space=0, min_free_inodes=0),
            on_poisoned=lambda _: None,
            on_event=lambda *_: None,
        )
        await store.open()
        ids = [store.next_queue_id() for _ in range(3)]
        await store.commit(
            accepted(ids[0], "me@example.org", "a@x.example", "b@x.example", "c@x.example"),
            accepted(ids[1], None, "d@y.example"),
            accepted(ids[2], "me@example.org", "e@held.example"),
        )
        await store.commit(
            Attempted(
                ids[0],
                1500.0,
                {
                    0: Delivered(reply(250, "2.0.0", "ok")),
                    1: Deferred(Cause.REFUSED, reply(450, "4.2.0", "later")),
                    2: Failed(Cause.REFUSED, reply(550, "5.1.1", "no")),
                },
            ),
            Held(ids[1], 1600.0),
        )
        await store.close()
        return [format_queue_id(queue_id) for queue_id in ids]

    with config.open("a") as file:
        file.write('[[route]]\nrecipient = "held.example"\nvia = "hold"\n')
    return asyncio.run(fill())


def everything(folder: pathlib.Path):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_list_has_the_same_shape_and_nothing_is_written(run, config, spooled):
    before = everything(config.parent / "spool")
    rows = json.loads(run("queue", "list", "--json").out)["messages"]
    assert [row["queue_id"] for row in rows] == spooled[::-1]
    assert [row["state"] for row in rows] == ["held", "held", "deferred"]
    assert rows[1]["sender"] is None
    assert rows[2] == {
        "queue_id": spooled[0],
        "state": "deferred",
        "sender": "me@example.org",
        "size": len(LETTER),
        "accepted_at": 1000.0,
        "attempts": 1,
        "total": 3,
        "reason": None,
        "recipients": [
            {
                "address": "b@x.example",
                "state": "deferred",
                "next_hop": "mx:x.example",
                "last_reply": "450 4.2.0 later",
                "next_due": None,
            },
            {
                "address": "c@x.example",
                "state": "failed",
                "next_hop": "mx:x.example",
                "last_reply": "550 5.1.1 no",
                "next_due": None,
            },
        ],
    }
    assert everything(config.parent / "spool") == before


def test_filters_limit_show_cat_and_stats(run, spooled):
    assert len(run("queue", "list", "--limit", "2").out.splitlines()) == 2
    assert run("queue", "list", "--sender", "<>").out.startswith(spooled[1])
    assert run("queue", "list", "--state", "active").out == ""
    assert json.loads(run("queue", "show", "--json", spooled[2].upper()).out)["queue_id"] == spooled[2]
    assert run("queue", "cat", spooled[0]).out == LETTER.decode()
    assert json.loads(run("queue", "stats", "--json").out)["messages"] == 3


@pytest.mark.parametrize("queue_id", ["0" * 16, "nonsense"])
def test_an_unknown_message_is_65(run, spooled, queue_id):
    assert run("queue", "show", queue_id).code == 65
    assert run("queue", "cat", queue_id).code == 65


def test_a_spool_that_never_was_is_empty(run, config):
    assert (run("queue", "list").code, run("queue", "list").out) == (0, "")
    assert run("queue", "cat", "0" * 16).code == 65


def test_a_spool_that_cannot_be_read_is_66(run, config):
    (config.parent / "spool" / "journal").write_text("no directory")
    ended = run("queue", "list")
    assert ended.code == 66
    assert "spool cannot be read" in ended.err


def test_a_change_needs_a_running_mta(run, spooled):
    assert run("queue", "hold", spooled[0]).code == 69


def test_a_message_that_was_set_aside_is_listed(run, config, spooled, monkeypatch):
    from asyncmta.mail.envelope import parse_queue_id
    from asyncmta.scheduling.snapshot import damaged_row
    from asyncmta.spool.opening import ReadOnlySpool
    from asyncmta.spool.recovery import Damage

    damage = [Damage(1, 0, 0, "no sense", parse_queue_id("z" * 16)), Damage(1, 8, 16, "octets")]
    monkeypatch.setattr(ReadOnlySpool, "damaged", lambda _: damage)
    assert damaged_row(damage[0]).state == "damaged"
    assert run("queue", "list", "--state", "damaged").out.startswith("z" * 16 + "\tdamaged\t")

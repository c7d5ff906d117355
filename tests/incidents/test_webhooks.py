"""Programs are told what becomes of mail, also when the process is killed and when they are away."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from asyncmta.webhooks.signing import headers

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
SECRET = "whispered by nobody"
EVERYTHING = ["accepted", "delivered", "deferred", "failed", "expired", "bounced", "refused"]


class Program:
    """An endpoint: what it was told, each time; while it is down it says 503. It stands in for the network: that is the
    business of tests/unit/webhooks."""

    url = "https://app.example/events"

    def __init__(self):
        self.told = []
        self.is_down = False

    async def post(self, url, given, body):
        assert url == self.url
        assert given == headers(body, SECRET.encode(), float(given["webhook-timestamp"]))
        if self.is_down:
            return "the answer is 503"
        self.told += json.loads(body)
        return ""

    async def close(self):
        return

    def of(self, kind):
        return [event for event in self.told if event["event"] == kind]


@pytest.fixture
def program(monkeypatch):
    program = Program()
    monkeypatch.setattr("asyncmta.webhooks.posting.Posting", lambda: program)
    return program


def hook(program, *events):
    return [{"url": program.url, "secret": SECRET, "events": list(events or EVERYTHING)}]


async def test_what_becomes_of_a_message(world, program):
    mta = await world.mta("a.example", webhook=hook(program))
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.7.1 Greylisted", times=1)
    sink.script("RCPT", "250 2.1.5 Yes", times=1)
    sink.script("RCPT", "550 5.1.1 User unknown")
    await mta.mta.submit("me@a.example", ["x@b.example"], CONTENT)
    await world.run()
    await mta.mta.submit("me@a.example", ["y@b.example"], CONTENT)
    await world.run()
    codes = await mta.send("me@a.example", ["x@a.example", "no!such"], CONTENT)
    assert codes[2] >= 500
    await world.idle()
    await world.until(lambda: program.of("refused") and len(program.of("accepted")) == 4)
    [deferred], [failed], [bounced] = (program.of(kind) for kind in ("deferred", "failed", "bounced"))
    assert (deferred["recipient"], deferred["class"]) == ("x@b.example", "greylisted")
    assert (failed["recipient"], failed["class"], failed["hard"]) == ("y@b.example", "no_mailbox", True)
    assert failed["queue_id"] == bounced["queue_id"]
    assert {event["recipient"] for event in program.of("delivered")} == {"x@b.example", "me@a.example", "x@a.example"}
    assert len({event["id"] for event in program.told}) == len(program.told)
    assert bounced["dsn"] in {event["queue_id"] for event in program.of("accepted")}


async def test_killed_before_it_was_written_and_nothing_that_was_committed_is_lost(world, program):
    """The clock stands still, so that no event has left memory; the journal knows them all."""
    mta = await world.mta("a.example", webhook=hook(program, "delivered", "accepted"))
    for number in range(20):
        await mta.mta.submit("me@a.example", [f"u{number}@a.example"], CONTENT)
    await world.idle()
    assert program.told == []
    await mta.kill()
    await mta.open()
    await world.until(lambda: len(program.of("delivered")) >= 20)
    assert set(Counter(event["id"] for event in program.told).values()) == {1}
    assert {event["recipient"] for event in program.of("delivered")} == {f"u{n}@a.example" for n in range(20)}
    assert len(program.of("accepted")) == 20


async def test_killed_when_a_message_waits(world, program):
    mta = await world.mta("a.example", webhook=hook(program, "deferred"))
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.2 Mailbox full")
    await mta.mta.submit("me@a.example", ["x@b.example"], CONTENT)
    await world.idle()
    await mta.kill()
    await mta.open()
    await world.until(lambda: program.told)
    [event] = program.told
    assert (event["event"], event["recipient"], event["class"]) == ("deferred", "x@b.example", "full")


async def test_a_power_cut(world, program):
    mta = await world.mta("a.example", webhook=hook(program, "delivered"))
    for number in range(5):
        await mta.mta.submit("me@a.example", [f"u{number}@a.example"], CONTENT)
    await world.idle()
    await mta.cut_power(3)
    await mta.open()
    await world.run()
    await world.until(lambda: len({event["recipient"] for event in program.of("delivered")}) == 5)
    assert max(Counter(event["id"] for event in program.told).values()) == 1


async def test_a_program_that_is_away_holds_up_no_mail_and_is_told_later(world, program):
    program.is_down = True
    mta = await world.mta("a.example", webhook=hook(program, "delivered"))
    for number in range(3):
        await mta.mta.submit("me@a.example", [f"u{number}@a.example"], CONTENT)
    await world.idle()
    assert all(mta.mailbox(f"u{number}") for number in range(3))
    await world.until(lambda: mta.events("webhook_failed"))
    await mta.reopen()
    program.is_down = False
    await world.until(lambda: len(program.told) == 3)
    assert len({event["id"] for event in program.told}) == 3


async def test_without_webhooks_nothing_is_written(world):
    mta = await world.mta("a.example")
    await mta.mta.submit("me@a.example", ["x@a.example"], CONTENT)
    await world.run()
    assert [path for path in mta.disk.tree() if "webhook" in path or "suppress" in path] == []

"""Few reports, to those who can have sent the message: long lists, forged senders, and reports that fail themselves.

RFC 5321 4.5.5 and 6.1; rows Q-09, P-19, W-034, W-263, L06, L07; Disagreements 5 and 22.
"""

from __future__ import annotations

import re

import pytest

from asyncmta.testing.smtp_sink import SILENCE
from tests.incidents.incidentkit import MINUTE, failed_recipients

FOREVER = 10_000
LETTER = b"Subject: hello\r\n\r\nx\r\n"


async def test_one_report_for_forty_of_five_hundred_at_three_sites(world):
    mta = await world.mta("a.example")
    domains = ["b.example", "c.example", "d.example"]
    sinks = [await world.sink(domain) for domain in domains]
    people = [f"r{number}@{domains[number % 3]}" for number in range(500)]
    gone = set(people[::13][:30] + people[7::50])
    late = {"r100@c.example", "r101@d.example", "r204@b.example"}
    assert len(gone) == 40
    assert not gone & late
    for sink in sinks:

        def answer(line):
            address = line.partition("<")[2].partition(">")[0]
            if address in gone:
                return "550 5.1.1 No such user"
            if address in late:
                return "450 4.2.1 Later" if passes[0] < 2 else "550 5.2.1 Disabled"
            return None

        sink.script("RCPT", answer, times=FOREVER)
    passes = [1]
    await mta.mta.submit("alice@a.example", people, LETTER)
    await world.idle()
    [report] = mta.mailbox("alice")
    assert sorted(failed_recipients(report)) == sorted(gone)
    for text in (rb"Recipients handed to this server: +500\s", rb"Delivered: +457\s", rb"Still being tried: +3\s"):
        assert re.search(text, report)
    passes[0] = 2
    await world.run()
    told = [failed_recipients(report) for report in mta.mailbox("alice")[1:]]
    assert [sorted(each) for each in told] == [sorted(late)]
    assert [line["recipients"] for line in mta.events("bounced")] == [40, 3]
    taken = [recipient for sink in sinks for message in sink.messages for recipient in message.recipients]
    assert sorted(taken) == sorted(set(people) - gone - late)
    assert mta.mta.queue() == []


async def test_a_slow_site_holds_the_news_back_for_a_minute(world):
    """Disagreement 5."""
    mta = await world.mta("a.example", bounce={"delay": "1m"})
    quick, slow = await world.sink("b.example"), await world.sink("c.example")
    quick.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    slow.script("DOT", SILENCE)
    slow.script("BDAT", SILENCE)
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@c.example"], LETTER)
    began = world.clock.now()
    await world.until(lambda: mta.mailbox("alice"))
    assert MINUTE <= world.clock.now() - began < 2 * MINUTE
    await world.until(lambda: mta.mta.queue() == [] and slow.messages)
    assert [failed_recipients(report) for report in mta.mailbox("alice")] == [["bob@b.example"]]


async def stranger(mta, sender, recipient):
    client = await mta.greet()
    assert (await client.command("XCLIENT ADDR=192.0.2.77")).code == 220
    assert (await client.command("EHLO stranger.example")).code == 250
    replies = await client.send_message(sender, [recipient], LETTER)
    assert replies[-1].code == 250, replies


async def house_for_strangers(world, **bounce):
    """It relays for c.example, where nobody lives, and knows from where a message really comes."""
    mta = world.house("a.example", relay={"domains": ["c.example"]}, bounce=bounce)
    mta.tables["listener"] = [{"address": mta.address, "port": world.port, "xclient_from": ["127.0.0.0/8"]}]
    await mta.open()
    gone = await world.sink("c.example")
    gone.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    return mta


async def test_who_is_flooded_with_reports_gets_a_few(world):
    mta = await house_for_strangers(world, reports_per_address="3/1h")
    victims = await world.sink("victim.example")
    for _ in range(10):
        await stranger(mta, "victim@victim.example", "nobody@c.example")
    await stranger(mta, "other@victim.example", "nobody@c.example")
    await world.run()
    assert sorted(message.recipients for message in victims.messages) == [
        ("other@victim.example",),
        *[("victim@victim.example",)] * 3,
    ]
    said = [line["reason"] for line in mta.events("bounced") if line["discarded"]]
    assert said == ["too many reports to this address"] * 7
    for _ in range(6):  # who is here at home has no limit
        await mta.send("alice@a.example", ["nobody@c.example"], LETTER)
    await world.run()
    assert len(mta.mailbox("alice")) == 6
    assert mta.mta.queue() == []


async def test_only_ours_are_told_where_so_configured(world):
    mta = await house_for_strangers(world, report_to="local")
    victims = await world.sink("victim.example")
    await stranger(mta, "victim@victim.example", "nobody@c.example")
    await stranger(mta, "alice@a.example", "nobody@c.example")
    await mta.send("guest@victim.example", ["nobody@c.example"], LETTER)
    await world.run()
    assert [message.recipients for message in victims.messages] == [("guest@victim.example",)]
    assert len(mta.mailbox("alice")) == 1
    assert [line["reason"] for line in mta.events("bounced") if line["discarded"]] == ["its sender is not ours"]


async def test_a_report_that_fails_is_logged_and_dropped(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    await mta.mta.submit("forged@b.example", ["nobody@b.example"], LETTER)
    await world.run()
    report, end = mta.events("bounced")
    assert report["dsn"] == end["queue_id"]
    assert (end["dsn"], end["discarded"], end["level"]) == ("", True, "info")
    assert end["reason"] == "the reverse-path is null"
    assert mta.mta.queue() == []


@pytest.mark.parametrize("double", ["postmaster@a.example", "boss"])
async def test_the_postmaster_gets_a_copy_of_a_few_reports_that_failed(world, double):
    mta = await world.mta("a.example", bounce={"double": double, "double_rate": "2/1h"}, hostname="a.example")
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    for _ in range(5):
        await mta.mta.submit("forged@b.example", ["nobody@b.example"], LETTER)
    await world.run()
    copies = mta.mailbox(double.partition("@")[0])
    assert [failed_recipients(copy)[0] for copy in copies] == ["forged@b.example"] * 2
    assert all(copy.startswith(b"Return-Path: <>") for copy in copies)
    assert b"nobody@b.example" in copies[0]
    assert [line["discarded"] for line in mta.events("bounced")].count(True) == 3
    assert mta.mta.queue() == []


@pytest.mark.parametrize("double", ["gone@b.example", "postmaster@a.example"])
async def test_a_copy_that_fails_ends_there(world, double, tmp_path):
    """Also where the postmaster is somebody else behind an alias."""
    aliases = tmp_path / "aliases"
    aliases.write_text("postmaster: gone@b.example\n")
    mta = await world.mta("a.example", bounce={"double": double}, local={"aliases": str(aliases)}, hostname="a.example")
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    await mta.mta.submit("forged@b.example", ["nobody@b.example"], LETTER)
    await world.run()
    reports = [line for line in mta.events("bounced") if not line["discarded"]]
    assert len(reports) == 2, "the report, and its copy"
    assert mta.mta.queue() == []


async def test_soft_keeps_everything_until_its_lifetime(world):
    mta = await world.mta("a.example", bounce={"soft": True})
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], LETTER)
    await world.idle()
    assert mta.pending() == ["bob@b.example"]
    await world.run()
    [report] = mta.mailbox("alice")
    assert b"550 5.1.1 No such user" in report
    assert [line["event"] for line in mta.events("expired")] == ["expired"]


async def test_soft_refuses_for_now(world):
    mta = await world.mta("a.example", bounce={"soft": True}, local={"mailboxes": ["alice"]})
    assert await mta.send("bob@b.example", ["nobody@a.example"], LETTER) == [250, 450]
    assert await mta.send("bob@b.example", ["alice@a.example"], LETTER) == [250, 250, 354, 250]
    client = await mta.greet()
    assert (await client.command("RCPT TO:<alice@a.example>")).code == 503
    assert (await client.command("MAIL FROM:<bob@b.example> SIZE=99999999999")).code == 452

"""Addresses that are rewritten at the entrance and on the way out, and the return of what was forwarded."""

from __future__ import annotations

import re

from asyncmta.mail.address import parse_address
from asyncmta.mailboxes.srs import Srs
from asyncmta.system.clock import SystemClock
from tests.incidents.incidentkit import DAY, failed_recipients

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
SECRET = "whispered by nobody"


def rewrite(match, to, at="entry", address="both"):
    return {"match": match, "to": to, "at": at, "address": address}


def aliases(folder, text):
    path = folder / "aliases"
    path.write_text(text)
    return {"aliases": str(path)}


async def test_an_old_domain_is_rewritten_before_anybody_is_asked(world):
    """Also for strangers, who may send to us and to nobody else; what they make up leads nowhere."""
    tables = [rewrite("@old.example", "@a.example"), rewrite("sales@a.example", "sales@b.example")]
    mta = await world.mta(
        "a.example",
        rewrite=tables,
        local={"domains": ["a.example", "old.example"], "mailboxes": ["alice"]},
        relay={"networks": []},
    )
    sink = await world.sink("b.example")
    codes = await mta.send(
        "me@y.example",
        ["alice@old.example", "nobody@old.example", "sales@a.example", "x@b.example", "x%b.example@old.example"],
        CONTENT,
    )
    assert codes == [250, 250, 550, 250, 550, 550, 354, 250]
    await world.run()
    [mail] = mta.mailbox("alice")
    assert b"X-Original-To: alice@old.example\n" in mail
    assert sink.messages[0].recipients == ("sales@b.example",)
    said = {(line["address"], line["to"]) for line in mta.events("rewritten")}
    assert ("alice@old.example", "alice@a.example") in said


async def test_what_the_program_hands_in_is_rewritten_too(world):
    mta = await world.mta("a.example", rewrite=[rewrite("@inside.example", "@a.example")])
    await mta.mta.submit("bob@inside.example", ["alice@inside.example", "alice@a.example"], CONTENT)
    await world.run()
    [mail] = mta.mailbox("alice")
    assert mail.startswith(b"Return-Path: <bob@a.example>\n")


async def test_on_the_way_out_and_the_queue_has_it_as_it_was(world):
    mta = await world.mta("a.example", rewrite=[rewrite("@a.example", "@public.example", "exit", "sender")])
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.0 Later")
    await mta.mta.submit("bob@a.example", ["x@b.example", "alice@a.example"], CONTENT)
    await world.idle()
    assert [row.sender for row in mta.mta.queue()] == ["bob@a.example"]
    sink.script("RCPT", "250 2.1.5 Yes", times=1)
    sink.script("RCPT", "550 5.1.1 No")
    await mta.mta.submit("bob@a.example", ["y@b.example"], CONTENT)
    await world.run()
    assert {mail.reverse_path for mail in sink.messages} == {"bob@public.example"}
    assert mta.mailbox("alice")[0].startswith(b"Return-Path: <bob@a.example>\n")
    [report] = mta.mailbox("bob")
    assert failed_recipients(report) in (["x@b.example"], ["y@b.example"])
    assert {line["reverse_path"] for line in mta.events("accepted")} == {"bob@a.example"}


async def test_forwarded_mail_leaves_with_a_sender_that_leads_back(world, tmp_path):
    mta = await world.mta(
        "a.example",
        local=aliases(tmp_path, "bob: bob@b.example"),
        srs={"secrets": [SECRET], "domain": "srs.example"},
        relay={"networks": []},
    )
    forwarded, home = await world.sink("b.example"), await world.sink("y.example")
    assert (await mta.send("me@y.example", ["bob@a.example"], CONTENT))[-1] == 250
    await world.run()
    [mail] = forwarded.messages
    assert re.fullmatch(r"SRS0=.{4}=..=y\.example=me@srs\.example", mail.reverse_path)
    assert (await mta.send("", [mail.reverse_path], CONTENT))[-1] == 250
    assert (await mta.send("", [mail.reverse_path.lower()], CONTENT))[-1] == 250
    await world.run()
    assert [message.recipients for message in home.messages] == [("me@y.example",)] * 2
    assert (await mta.send("", [mail.reverse_path.replace("=me@", "=you@")], CONTENT))[1] == 550
    assert (await mta.send("", ["SRS0=x@srs.example"], CONTENT))[1] == 550
    assert (await mta.send("", ["x@srs.example"], CONTENT))[1] == 550
    world.clock.advance(30 * DAY)
    assert (await mta.send("", [mail.reverse_path], CONTENT))[1] == 550
    assert "5.7.1" in mta.events("refused")[-1]["reply"]
    await world.run()
    assert len(home.messages) == 2


async def test_a_forwarded_message_that_fails_is_reported_to_its_sender(world, tmp_path):
    """Not by way of the address that is made for others."""
    mta = await world.mta(
        "a.example", local=aliases(tmp_path, "bob: bob@b.example\nours: x@b.example"), srs={"secrets": [SECRET]}
    )
    sink, home = await world.sink("b.example"), await world.sink("y.example")
    sink.script("RCPT", "550 5.1.1 No")
    assert (await mta.send("me@y.example", ["bob@a.example"], CONTENT))[-1] == 250
    await world.run()
    [report] = home.messages
    assert (report.reverse_path, report.recipients) == ("", ("me@y.example",))
    assert failed_recipients(report.content) == ["bob@b.example"]
    assert b"Original-Recipient: rfc822; bob@a.example" in report.content
    sink.script("RCPT", "250 2.1.5 Yes")
    assert (await mta.send("alice@a.example", ["ours@a.example"], CONTENT))[-1] == 250
    await mta.mta.submit("me@y.example", ["z@b.example"], CONTENT)
    await world.run()
    assert {mail.reverse_path for mail in sink.messages} == {"alice@a.example", "me@y.example"}


async def test_an_operator_sees_what_becomes_of_an_address(world):
    tables = [
        rewrite("@old.example", "@b.example", address="recipient"),
        rewrite("@a.example", "@public.example", "exit", "sender"),
    ]
    mta = await world.mta("a.example", rewrite=tables, srs={"secrets": [SECRET], "domain": "srs.example"})
    await world.sink("b.example")
    found = await mta.mta.route("x@old.example", "me@a.example")
    assert (found.recipient, found.sender, found.destination) == ("x@old.example", "me@a.example", "mx:b.example")
    assert found.rules[0] == (
        "rewrite at entry, recipient: x@old.example becomes x@b.example (@old.example -> @b.example)"
    )
    assert found.rules[-1] == (
        "rewrite at exit, sender: me@a.example becomes me@public.example (@a.example -> @public.example)"
    )
    forged = await mta.mta.route("SRS0=xxxx=AA=y.example=me@srs.example")
    assert forged.rules[0].startswith("srs: at RCPT 550 5.1.1")
    signed = Srs(secrets=[SECRET], domain="srs.example").forwarded(parse_address("me@y.example"), SystemClock().now())
    back = await mta.mta.route(str(signed))
    assert back.rules[0] == f"srs: {signed} leads back to me@y.example"
    assert (await mta.mta.route("x@b.example")).rules[0].startswith("no route matches")

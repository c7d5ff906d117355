"""A staging system that writes to nobody by mistake, whatever way an address comes about."""

from __future__ import annotations

import re

from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\nTo: real@b.example\r\n\r\nx\r\n"


def aliases(folder, text):
    path = folder / "aliases"
    path.write_text(text)
    return {"aliases": str(path)}


async def test_everything_goes_to_one_address(world):
    mta = await world.mta("a.example", sandbox={"redirect_all": "dev@b.example"})
    sink = await world.sink("b.example")
    await mta.mta.submit("app@a.example", ["real@c.example"], CONTENT)
    assert (await mta.send("app@a.example", ["other@b.example", "alice@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("dev@b.example",)] * 2
    assert all(b"\r\nTo: real@b.example\r\n" in mail.content for mail in sink.messages)
    assert not mta.mailbox("alice")
    told = {line["address"] for line in mta.events("rewritten") if line["by"] == "sandbox"}
    assert told == {"real@c.example", "other@b.example", "alice@a.example"}
    assert mta.mta.warnings() == ["sandbox: mail for real to nobody; mail for others is redirected to dev@b.example"]
    assert mta.events("sandbox")[0]["level"] == "warning"


async def test_the_original_recipient_is_seen_at_the_target(world):
    mta = await world.mta("a.example", sandbox={"redirect_all": "dev@a.example"})
    await mta.mta.submit("app@a.example", ["real@c.example"], CONTENT)
    await world.run()
    [mail] = mta.mailbox("dev")
    assert b"X-Original-To: real@c.example\n" in mail


async def test_only_those_who_are_named_get_mail_and_the_others_are_discarded(world):
    mta = await world.mta("a.example", sandbox={"allow": ["x@b.example", "*@a.example"]})
    sink = await world.sink("b.example")
    await mta.mta.submit("app@a.example", ["x@b.example", "y@b.example", "alice@a.example"], CONTENT)
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("x@b.example",)]
    assert len(mta.mailbox("alice")) == 1
    assert [line["recipient"] for line in mta.events("sandboxed")] == ["y@b.example"]
    discarded = [line["recipient"] for line in mta.events("delivered") if line.get("discarded")]
    assert discarded == ["y@b.example"]
    assert mta.mta.queue() == []


async def test_who_is_left_out_waits_with_those_who_are_not(world):
    """The allowed one is deferred; the other is over at once, and never tried."""
    mta = await world.mta("a.example", sandbox={"allow": ["x@b.example"]})
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.0 Later", times=1)
    await mta.mta.submit("app@a.example", ["x@b.example", "y@b.example"], CONTENT)
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("x@b.example",)]
    assert len(mta.events("sandboxed")) == 1


async def test_aliases_do_not_lead_out_of_it(world, tmp_path):
    local = aliases(tmp_path, "bob: bob@b.example\nall: alice, carol@b.example\n")
    mta = await world.mta("a.example", local=local, sandbox={"allow": ["*@a.example"]})
    sink = await world.sink("b.example")
    await mta.mta.submit("app@a.example", ["bob@a.example", "all@a.example"], CONTENT)
    await world.run()
    assert sink.messages == []
    assert len(mta.mailbox("alice")) == 1
    assert {line["recipient"] for line in mta.events("sandboxed")} == {"bob@b.example", "carol@b.example"}


async def test_blind_copies_and_reports_do_not_either(world):
    bcc = [{"sender": "*", "recipient": "*", "to": "archive@b.example"}]
    mta = await world.mta("a.example", bcc=bcc, sandbox={"allow": ["x@c.example"]}, local={"mailboxes": "any"})
    home, other = await world.sink("b.example"), await world.sink("c.example")
    other.script("RCPT", "550 5.1.1 No")
    assert (await mta.send("me@b.example", ["x@c.example"], CONTENT))[-1] == 250
    await world.run()
    assert home.messages == []
    assert other.messages == []
    assert {line["recipient"] for line in mta.events("sandboxed")} == {"archive@b.example", "me@b.example"}


async def test_a_report_to_somebody_who_is_allowed_gets_there(world):
    mta = await world.mta("a.example", sandbox={"allow": ["x@c.example", "alice@a.example"]})
    other = await world.sink("c.example")
    other.script("RCPT", "550 5.1.1 No")
    await mta.mta.submit("alice@a.example", ["x@c.example"], CONTENT)
    await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["x@c.example"]


async def test_what_was_queued_before_it_was_switched_on(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.0 Later", times=1)
    await mta.mta.submit("app@a.example", ["x@b.example"], CONTENT)
    await world.idle()
    await mta.close()
    mta.tables["sandbox"] = {"redirect_all": "dev@a.example"}
    await mta.open()
    await world.run()
    assert sink.messages == []
    assert [line["recipient"] for line in mta.events("sandboxed")] == ["x@b.example"]
    assert mta.mailbox("dev") == []


async def test_others_can_be_refused_at_the_entrance(world):
    mta = await world.mta("a.example", sandbox={"allow": ["x@b.example"], "others": "refuse"})
    sink = await world.sink("b.example")
    codes = await mta.send("me@a.example", ["x@b.example", "y@b.example", "alice@a.example"], CONTENT)
    assert codes == [250, 250, 550, 550, 354, 250]
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("x@b.example",)]
    assert re.match(r"550 5\.7\.1 This is a sandbox", mta.events("refused")[0]["reply"])


async def test_it_opens_no_relay(world):
    """A stranger's mail goes where it would have gone, or to the one address."""
    mta = await world.mta("a.example", sandbox={"redirect_all": "dev@b.example"}, relay={"networks": []})
    sink = await world.sink("b.example")
    codes = await mta.send("me@y.example", ["alice@a.example", "z@z.example", "z%z.example@a.example"], CONTENT)
    assert codes == [250, 250, 550, 550, 354, 250]
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("dev@b.example",)]


async def test_route_says_so(world):
    mta = await world.mta("a.example", sandbox={"redirect_all": "dev@a.example"})
    report = await mta.mta.route("x@b.example")
    assert report.rules[0] == "sandbox: mail for real to nobody; mail for others is redirected to dev@a.example"
    assert report.destination == "local:a.example"
    allowed = await mta.mta.route("dev@a.example")
    assert allowed.destination == "local:a.example"

"""Who has asked for what is told that and no more: each NOTIFY, for each way in which delivery can end.

RFC 3461 4 to 6, RFC 3464 2.3.3; rows P-76, W-176, W-177.
"""

from __future__ import annotations

import email

import pytest

from asyncmta.testing.smtp_sink import SILENCE, SinkSettings
from tests.incidents.incidentkit import DAY, HOUR

FOREVER = 10_000
NOTIFY = [
    "",
    "NEVER",
    "SUCCESS",
    "FAILURE",
    "DELAY",
    "SUCCESS,FAILURE",
    "SUCCESS,DELAY",
    "FAILURE,DELAY",
    "SUCCESS,FAILURE,DELAY",
]
TELLS = {"delivered": "SUCCESS", "relayed": "SUCCESS", "failed": "FAILURE", "delayed": "DELAY"}
UNASKED = {"failed", "delayed"}  # what somebody is told who has said nothing of it
NO_DSN = SinkSettings(extensions=("PIPELINING", "8BITMIME"))


def fields(report):
    """The fields of the message, then those of each recipient."""
    (part,) = [
        part for part in email.message_from_bytes(report).walk() if part.get_content_subtype() == "delivery-status"
    ]
    return part.get_payload()


def told(report):
    """What is told of whom."""
    return {block["Final-Recipient"].split("; ")[1]: block["Action"] for block in fields(report)[1:]}


async def send(world, mta, domain, *, ret="HDRS"):
    """A message to a recipient for each NOTIFY."""
    client = await mta.greet()
    assert (await client.command(f"MAIL FROM:<alice@a.example> RET={ret} ENVID=Q+2B7")).code == 250
    for number, notify in enumerate(NOTIFY):
        asked = f" NOTIFY={notify}" if notify else ""
        orcpt = f" ORCPT=rfc822;was+2B{number}@old.example"
        assert (await client.command(f"RCPT TO:<n{number}@{domain}>{asked}{orcpt}")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(b"Subject: hello\r\nMessage-ID: <1@a.example>\r\n\r\nthe body\r\n.\r\n")
    assert (await client.reply()).code == 250


def wanted(action, domain):
    """Who is to be told of that."""
    return {
        f"n{number}@{domain}": action
        for number, notify in enumerate(NOTIFY)
        if TELLS[action] in notify.split(",") or (not notify and action in UNASKED)
    }


@pytest.mark.parametrize(
    ("end", "action"),
    [
        ("delivered here", "delivered"),
        ("relayed", "relayed"),
        ("passed on", ""),
        ("failed", "failed"),
        ("expired", "failed"),
    ],
)
async def test_each_notify_for_each_end(world, end, action):
    mta = await world.mta("a.example")
    domain = "a.example" if end == "delivered here" else "b.example"
    sink = await world.sink("b.example", settings=None if end == "passed on" else NO_DSN)
    if end in ("failed", "expired"):
        answer = "550 5.1.1 No such user" if end == "failed" else "450 4.2.1 Never ready"
        sink.script("RCPT", answer, times=FOREVER)
    await send(world, mta, domain)
    await world.run()
    reports = mta.mailbox("alice")
    if not action:
        assert reports == []
        [message] = sink.messages
        asked = [next((each for each in said if "NOTIFY" in each), "") for said in message.recipient_parameters]
        assert asked == [f"NOTIFY={notify}" if notify else "" for notify in NOTIFY]
        assert all(
            f"ORCPT=rfc822;was+2B{at}@old.example" in said for at, said in enumerate(message.recipient_parameters)
        )
        assert {"RET=HDRS", "ENVID=Q+2B7"} <= set(message.mail_parameters)
        return
    [report] = reports
    assert told(report) == wanted(action, domain)
    first, *blocks = fields(report)
    assert first["Original-Envelope-Id"] == "Q+7"
    for block in blocks:
        number = block["Final-Recipient"].split("; ")[1].partition("@")[0].removeprefix("n")
        assert block["Original-Recipient"] == f"rfc822; was+{number}@old.example"
        assert block["Status"][0] == {"expired": "4", "failed": "5"}.get(end, "2")
    assert mta.mta.queue() == []


async def test_a_delay_is_told_once_to_who_wants_to_know(world):
    mta = await world.mta("a.example", queue={"delay_warning": "4h", "lifetime": "2d", "bounce_lifetime": "1d"})
    sink = await world.sink("b.example", settings=NO_DSN)
    sink.script("RCPT", "450 4.2.1 Never ready", times=FOREVER)
    await send(world, mta, "b.example")
    began = world.clock.now()
    await world.run(until=lambda: mta.mailbox("alice"), limit=12 * HOUR)
    assert 4 * HOUR <= world.clock.now() - began < 6 * HOUR
    [warning] = mta.mailbox("alice")
    assert told(warning) == wanted("delayed", "b.example")
    until = email.utils.parsedate_to_datetime(fields(warning)[1]["Will-Retry-Until"]).timestamp()
    assert until == pytest.approx(began + 2 * DAY, abs=60)
    await mta.kill()
    await mta.open()
    await world.run()
    _, report = mta.mailbox("alice")
    assert told(report) == wanted("failed", "b.example")


@pytest.mark.parametrize(("after", "warnings"), [("0s", 0), ("1h", 1)])
async def test_a_warning_is_due_when_the_settings_say(world, after, warnings):
    mta = await world.mta("a.example", queue={"delay_warning": after})
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.1 Later", times=FOREVER)
    await mta.mta.submit("alice@a.example", ["bob@b.example"], b"Subject: hello\r\n\r\nx\r\n")
    await world.run(limit=DAY)
    assert [list(told(report).values()) for report in mta.mailbox("alice")] == [["delayed"]] * warnings
    assert len(mta.events("delay_reported")) == warnings


@pytest.mark.parametrize("ret", ["FULL", "HDRS"])
async def test_the_message_comes_back_whole_only_with_a_failure(world, ret):
    """RFC 3461 4.3: RET is about failures."""
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", settings=NO_DSN)
    await send(world, mta, "b.example", ret=ret)
    await world.run()
    sink.script("RCPT", "550 5.1.1 No such user", times=FOREVER)
    await send(world, mta, "b.example", ret=ret)
    await world.run()
    success, failure = mta.mailbox("alice")
    assert b"the body" not in success
    assert (b"the body" in failure) is (ret == "FULL")


async def test_what_failed_and_what_arrived_in_one_pass_are_one_report(world):
    mta = await world.mta("a.example")
    sink = await world.sink("b.example", settings=NO_DSN)
    sink.script("RCPT", "550 5.1.1 No such user", contains="<n5@")
    sink.script("RCPT", "450 4.2.1 Later", contains="<n8@")
    await send(world, mta, "b.example")
    await world.idle()
    [report] = mta.mailbox("alice")
    assert told(report) == {"n2@b.example": "relayed", "n5@b.example": "failed", "n6@b.example": "relayed"}
    await world.run()
    _, rest = mta.mailbox("alice")
    assert told(rest) == {"n8@b.example": "relayed"}
    assert [line["action"] for line in mta.events("bounced")] == ["failed, delivered", "delivered"]


async def test_a_final_next_hop_delivers(world):
    """Row W-177."""
    sink = await world.sink(settings=NO_DSN)
    route = {
        "recipient": "b.example",
        "via": "smarthost",
        "hosts": [f"{sink.address[0]}:{sink.address[1]}"],
        "tls": "none",
    }
    mta = await world.mta("a.example", route=[{**route, "final": True}])
    await send(world, mta, "b.example")
    await world.run()
    [report] = mta.mailbox("alice")
    assert told(report) == wanted("delivered", "b.example")


@pytest.mark.parametrize("end", ["kill", "cut_power"])
async def test_a_crash_before_the_report_costs_no_report_and_no_second_delivery(world, end):
    """What has arrived is recorded at once; that it is to be told of, too."""
    mta = await world.mta("a.example")
    quick, slow = await world.sink("b.example", settings=NO_DSN), await world.sink("c.example")
    slow.script("DOT", SILENCE)
    slow.script("BDAT", SILENCE)
    client = await mta.greet()
    await client.command("MAIL FROM:<alice@a.example>")
    for recipient in ("bob@b.example", "carol@c.example"):
        await client.command(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE")
    await client.command("DATA")
    await client.send(b"Subject: hello\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.soon(lambda: quick.messages and mta.events("delivered"))
    await mta.mta.rooms.store.flush()
    await getattr(mta, end)()
    await mta.open()
    await world.run()
    assert len(quick.messages) == 1
    assert [told(report) for report in mta.mailbox("alice")] == [{"bob@b.example": "relayed"}]


@pytest.mark.parametrize(
    ("by", "notify", "actions"),
    [
        ("3600;NT", "", ["relayed"]),
        ("3600;RT", "NOTIFY=FAILURE", ["relayed"]),
        ("3600;NT", "NOTIFY=NEVER", []),
        ("3600;N", "", []),
    ],
)
async def test_a_trace_is_told_of_each_relay(world, by, notify, actions):
    """RFC 2852 4.2: also where the next hop takes the duty to report, and nobody has asked for SUCCESS."""
    mta = await world.mta("a.example")
    offered = SinkSettings(extensions=("PIPELINING", "DSN", "DELIVERBY"))
    sink = await world.sink("b.example", settings=offered)
    client = await mta.greet()
    assert (await client.command(f"MAIL FROM:<alice@a.example> BY={by}")).code == 250
    assert (await client.command(f"RCPT TO:<bob@b.example> {notify}".rstrip())).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(b"Subject: hello\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.run()
    assert len(sink.messages) == 1
    assert [list(told(report).values()) for report in mta.mailbox("alice")] == ([actions] if actions else [])


async def test_an_alias_for_several_is_expanded_and_one_for_one_is_passed_on(world, tmp_path):
    """RFC 3461 5.2.7."""
    aliases = tmp_path / "aliases"
    aliases.write_text("team: bob, carol@b.example\nonly: bob\n")
    mta = await world.mta("a.example", local={"aliases": str(aliases)})
    sink = await world.sink("b.example", settings=NO_DSN)
    client = await mta.greet()
    await client.command("MAIL FROM:<alice@a.example>")
    for user in ("team", "only"):
        assert (await client.command(f"RCPT TO:<{user}@a.example> NOTIFY=SUCCESS,FAILURE")).code == 250
    await client.command("DATA")
    await client.send(b"Subject: hello\r\n\r\nx\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.run()
    assert len(sink.messages) == 1
    assert len(mta.mailbox("bob")) == 2
    found = [told(report) for report in mta.mailbox("alice")]
    assert sorted(action for each in found for action in each.values()) == ["delivered", "expanded"]
    assert {"team@a.example": "expanded"} in found

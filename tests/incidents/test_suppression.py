"""Who is to get no more mail, at the entrance, on the way out, and by what servers say of him."""

from __future__ import annotations

import pytest

from asyncmta.operations import SubmitRefused
from asyncmta.suppression.entries import entry, printed
from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\n\r\nx\r\n"


@pytest.fixture
def listed(tmp_path):
    return tmp_path / "suppressions"


async def mta_with(world, listed, *addresses, local=None, **table):
    listed.write_bytes(printed(map(entry, addresses)))
    return await world.mta(
        "a.example", suppression={"file": str(listed), **table}, **({"local": local} if local else {})
    )


async def test_refused_at_rcpt_and_for_the_program(world, listed):
    mta = await mta_with(world, listed, "bob@b.example", "@c.example")
    sink = await world.sink("b.example")
    codes = await mta.send("me@a.example", ["Bob@b.example", "x@c.example", "ann@b.example"], CONTENT)
    assert codes == [250, 550, 550, 250, 354, 250]
    with pytest.raises(SubmitRefused, match="gets no mail from here"):
        await mta.mta.submit("me@a.example", ["bob@b.example"], CONTENT)
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("ann@b.example",)]
    assert (await mta.mta.route("bob@b.example")).rules[0].startswith("suppressed: bob@b.example")


async def test_one_of_several_that_the_program_hands_in_fails_alone(world, listed):
    mta = await mta_with(world, listed, "bob@b.example")
    sink = await world.sink("b.example")
    await mta.mta.submit("me@a.example", ["bob@b.example", "ann@b.example"], CONTENT)
    await world.run()
    assert [mail.recipients for mail in sink.messages] == [("ann@b.example",)]
    [report] = mta.mailbox("me")
    assert failed_recipients(report) == ["bob@b.example"]
    assert [line["recipient"] for line in mta.events("suppressed")] == ["bob@b.example"]


async def test_what_waits_when_somebody_is_put_on_the_list_is_not_tried_again(world, listed):
    mta = await mta_with(world, listed)
    sink = await world.sink("b.example")
    sink.script("RCPT", "450 4.2.0 Later", times=1)
    await mta.mta.submit("me@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    await mta.mta.suppressions.add([entry("bob@b.example")])
    await world.run()
    assert sink.messages == []
    [report] = mta.mailbox("me")
    assert failed_recipients(report) == ["bob@b.example"]


async def test_an_alias_does_not_lead_there_and_drop_says_nothing_to_the_sender(world, listed, tmp_path):
    (tmp_path / "aliases").write_text("bob: bob@b.example\n")
    mta = await mta_with(world, listed, "bob@b.example", action="drop", local={"aliases": str(tmp_path / "aliases")})
    sink = await world.sink("b.example")
    assert (await mta.send("me@a.example", ["bob@a.example", "bob@b.example"], CONTENT))[-1] == 250
    await world.run()
    assert sink.messages == []
    assert mta.mailbox("me") == []
    assert len(mta.events("suppressed")) == 2
    assert mta.mta.queue() == []


async def test_whom_servers_do_not_know_is_put_on_it_by_itself(world, listed):
    mta = await mta_with(world, listed, automatic=["hard"], automatic_after=2)
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 User unknown", times=2)
    for _ in range(2):
        await mta.mta.submit("me@a.example", ["bob@b.example"], CONTENT)
        await world.run()
    await world.soon(lambda: len(mta.mta.suppressions) == 1)
    with pytest.raises(SubmitRefused):
        await mta.mta.submit("me@a.example", ["bob@b.example"], CONTENT)
    [added] = mta.events("suppression_added")
    assert added["reason"] == "automatic: no_mailbox"


async def test_a_report_to_somebody_on_the_list_ends_there(world, listed):
    mta = await mta_with(world, listed, "me@y.example")
    home, other = await world.sink("y.example"), await world.sink("b.example")
    other.script("RCPT", "550 5.1.1 No")
    assert (await mta.send("me@y.example", ["x@b.example"], CONTENT))[-1] == 250
    await world.run()
    assert home.messages == []
    assert [line["recipient"] for line in mta.events("suppressed")] == ["me@y.example"]
    assert mta.mta.queue() == []

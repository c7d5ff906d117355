"""Mail for a command: delivered, refused with a report, and tried again."""

from __future__ import annotations

from tests.incidents.incidentkit import failed_recipients

CONTENT = b"Subject: hello\r\n\r\n.x\r\n"


def piped(recipient, script, *arguments):
    command = ["/bin/sh", "-c", script, "sh", *arguments]
    return {"pipe": {"enabled": True}, "route": [{"recipient": recipient, "via": "pipe", "command": command}]}


async def test_a_command_takes_mail_for_one_address(world, tmp_path):
    settings = piped("robot@a.example", 'cat > "$1/$2"', str(tmp_path), "to:{recipient}")
    mta = await world.mta("a.example", **settings)
    assert (await mta.send("x@y.example", ["robot@a.example", "alice@a.example"], CONTENT))[-1] == 250
    await world.idle()
    assert (tmp_path / "to:robot@a.example").read_bytes().endswith(b"Subject: hello\n\n.x\n")
    assert len(mta.mailbox("alice")) == 1
    assert mta.mta.queue() == []


async def test_what_a_command_refuses_is_reported(world):
    mta = await world.mta("a.example", **piped("robot@a.example", "echo it is off today; exit 67"))
    await mta.mta.submit("alice@a.example", ["robot@a.example"], CONTENT)
    await world.idle()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["robot@a.example"]
    assert b"it is off today" in report
    assert b"/bin/sh" not in report


async def test_what_a_command_cannot_take_now_is_tried_again(world, tmp_path):
    mta = await world.mta("a.example", **piped("robot@a.example", 'test -e "$1" || exit 75', str(tmp_path / "ready")))
    await mta.mta.submit("alice@a.example", ["robot@a.example"], CONTENT)
    await world.idle()
    [row] = mta.mta.queue()
    assert row.recipients[0].last_reply.startswith("451 4.3.0 the command did not take it")
    (tmp_path / "ready").touch()
    await world.run()
    assert mta.mta.queue() == []
    assert mta.mailbox("alice") == []

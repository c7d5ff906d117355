"""Mail that does not end where it was sent to: aliases, lists and circles in a whole MTA, and what a crash leaves."""

from __future__ import annotations

import errno

import pytest

from asyncmta.testing.smtp_sink import SinkSettings
from tests.incidents.incidentkit import DAY, failed_recipients

CONTENT = b"Subject: hello\r\n\r\n..x\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"".join(b"%064d\r\n" % (at * at * 7919) for at in range(20_000))


def tables(folder, aliases="", **local):
    """[local] with a file of aliases."""
    path = folder / "aliases"
    path.write_text(aliases)
    return {"local": {"aliases": str(path), **local}}


async def test_an_alias_for_three(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "team: alice, bob, carol@b.example"))
    sink = await world.sink("b.example")
    assert (await mta.send("x@y.example", ["team@a.example"], CONTENT))[-1] == 250
    await world.run()
    [alice], [bob] = mta.mailbox("alice"), mta.mailbox("bob")
    assert alice.startswith(b"Return-Path: <x@y.example>\n")
    assert b"for <team@a.example>" in alice
    assert bob.endswith(b"\n\n..x\n")
    [away] = sink.messages
    assert (away.reverse_path, away.recipients) == ("x@y.example", ("carol@b.example",))
    assert away.content.startswith(b"Delivered-To: team@a.example\r\n")
    assert mta.mailbox("team") == []
    assert mta.mta.queue() == []
    [parent] = mta.events("accepted")
    children = mta.events("forwarded")
    assert {child["queue_id"] for child in children} == {parent["queue_id"]}
    retired = {line["queue_id"] for line in mta.events("retired")}
    assert {child["forwarded_as"] for child in children} | {parent["queue_id"]} == retired


async def test_a_list_with_an_owner_who_gets_what_cannot_be_delivered(world, tmp_path):
    members = tmp_path / "members"
    members.write_text("alice\ngone@b.example\n# nobody else\n")
    aliases = f"list: :include:{members}\nowner-list: boss"
    mta = await world.mta("a.example", **tables(tmp_path, aliases))
    sink = await world.sink("b.example")
    sink.script("RCPT", "550 5.1.1 No such user")
    assert (await mta.send("x@y.example", ["list@a.example"], CONTENT))[-1] == 250
    await world.run()
    [alice] = mta.mailbox("alice")
    assert alice.startswith(b"Return-Path: <owner-list@a.example>\n")
    [report] = mta.mailbox("boss")
    assert failed_recipients(report) == ["gone@b.example"]
    members.write_text("bob\n")
    world.clock.advance(10)
    assert (await mta.send("x@y.example", ["list@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert (len(mta.mailbox("alice")), len(mta.mailbox("bob"))) == (1, 1)


async def test_lists_within_lists(world, tmp_path):
    aliases = "all: staff, alice\nstaff: inner\ninner: bob, alice\nowner-inner: carol"
    mta = await world.mta("a.example", **tables(tmp_path, aliases))
    assert (await mta.send("x@y.example", ["all@a.example"], CONTENT))[-1] == 250
    await world.run()
    [bob], [alice] = mta.mailbox("bob"), mta.mailbox("alice")
    assert bob.startswith(b"Return-Path: <owner-inner@a.example>\n")
    assert b"Delivered-To: alice@a.example\n" in alice


async def test_aliases_that_lead_in_a_circle_wait_for_somebody_who_mends_them(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "one: two\ntwo: alice"))
    file = tmp_path / "aliases"
    mail = await mta.greet()
    await mail.command("MAIL FROM:<x@y.example>")
    await mail.command("RCPT TO:<one@a.example>")
    file.write_text("one: two\ntwo: one, alice")
    world.clock.advance(10)
    await mail.command("DATA")
    await mail.send(CONTENT + b".\r\n")
    assert (await mail.reply()).code == 250
    await world.run(limit=DAY)
    [row] = mta.mta.queue()
    assert "4.3.5" in row.recipients[0].last_reply
    assert mta.events("not_expanded")[0]["reason"]
    assert mta.mailbox("alice") == []
    file.write_text("one: two\ntwo: alice")
    await world.run()
    assert len(mta.mailbox("alice")) == 1


async def test_two_that_forward_to_each_other_end_it_when_they_see_their_mark(world, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a = await world.mta("a.example", **tables(tmp_path / "a", "x: y@b.example"))
    b = await world.mta("b.example", **tables(tmp_path / "b", "y: x@a.example, bob"))
    assert (await a.send("alice@a.example", ["x@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert len(b.mailbox("bob")) == 1
    [report] = a.mailbox("alice")
    assert failed_recipients(report) == ["x@a.example"]
    assert b"5.4.6" in report
    assert a.mta.queue() == b.mta.queue() == []


async def test_the_null_reverse_path_stays_null(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "list: alice, bob@b.example\nowner-list: boss"))
    sink = await world.sink("b.example")
    assert (await mta.send("", ["list@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert mta.mailbox("alice")[0].startswith(b"Return-Path: <>\n")
    assert sink.messages[0].reverse_path == ""


async def test_the_postmaster_may_be_somebody_else(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "postmaster: alice"))
    assert (await mta.send("x@y.example", ["postmaster@a.example", "Postmaster"], CONTENT))[-1] == 250
    await world.run()
    assert len(mta.mailbox("alice")) == 2


async def test_large_and_binary_content_goes_to_everybody(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "team: alice, bob@b.example"))
    sink = await world.sink("b.example", settings=SinkSettings())
    assert (await mta.send("x@y.example", ["team@a.example"], LARGE))[-1] == 250
    await world.run()
    [alice] = mta.mailbox("alice")
    assert alice.endswith(LARGE.replace(b"\r\n", b"\n"))
    assert sink.messages[0].content.endswith(LARGE)
    assert mta.mta.queue() == []
    await mta.close()
    assert [path for path in mta.disk.tree() if "/content/" in path] == []


@pytest.mark.parametrize("death", ["kill", "cut_power"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40])
async def test_no_copy_is_lost_or_doubled_by_a_death_in_the_middle(world, tmp_path, death, step):
    """The disk refuses everything from some step on, in the middle of an expansion; then the process dies."""
    mta = await world.mta("a.example", **tables(tmp_path, "team: alice, bob, carol, dora@b.example"))
    sink = await world.sink("b.example")
    queue_id = await mta.mta.submit("x@y.example", ["team@a.example"], LARGE)
    mta.disk.fail_at(step, errno.EIO, for_good=True)
    await world.clock.settle(50)
    await getattr(mta, death)()
    await mta.open()
    await world.run()
    assert mta.mta.queue() == []
    counts = [len(mta.mailbox(user)) for user in ("alice", "bob", "carol")]
    away = [message for message in sink.messages if message.recipients == ("dora@b.example",)]
    assert min([*counts, len(away)]) >= 1, f"{queue_id} was lost for somebody"
    assert max(counts) == 1


def forwarding(folder, **files):
    """[local] with forward files, which are on the real disk."""
    for user, text in files.items():
        home = folder / "a.example" / user
        home.mkdir(parents=True)
        (home / ".forward").write_text(text)
        (home / ".forward").chmod(0o600)
    return {"maildir": f"{folder}/{{domain}}/{{local_part}}", "forward_files": ".forward"}


def delivered(mta, folder, user):
    start = f"{folder}/a.example/{user}/new/".lstrip("/")
    return [octets for path, octets in sorted(mta.disk.tree().items()) if path.startswith(start)]


async def test_users_forward_for_themselves(world, tmp_path):
    local = forwarding(
        tmp_path, alice="\\alice, away@b.example", bob="carol", dora="|/bin/sh", eve="eve@a.example\n# to keep\n"
    )
    mta = await world.mta("a.example", **tables(tmp_path, "team: alice, bob", **local))
    sink = await world.sink("b.example")
    people = ["alice@a.example", "bob@a.example", "eve@a.example", "frank@a.example"]
    assert (await mta.send("x@y.example", people, CONTENT))[-1] == 250
    assert (await mta.send("x@y.example", ["dora@a.example"], CONTENT))[1] == 451
    await world.run()
    counts = {user: len(delivered(mta, tmp_path, user)) for user in ("alice", "bob", "carol", "eve", "frank")}
    assert counts == {"alice": 1, "bob": 0, "carol": 1, "eve": 1, "frank": 1}
    assert [mail.recipients for mail in sink.messages] == [("away@b.example",)]
    assert (await mta.send("x@y.example", ["team@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert [len(delivered(mta, tmp_path, user)) for user in ("alice", "carol")] == [2, 2]
    assert b"X-Original-To: team@a.example\n" in delivered(mta, tmp_path, "carol")[1]


async def test_a_forward_file_that_turns_bad_makes_mail_wait(world, tmp_path):
    mta = await world.mta("a.example", local=forwarding(tmp_path, alice="bob"))
    file = tmp_path / "a.example" / "alice" / ".forward"
    sender = await mta.greet()
    await sender.command("MAIL FROM:<x@y.example>")
    assert (await sender.command("RCPT TO:<alice@a.example>")).code == 250
    file.chmod(0o666)
    world.clock.advance(10)
    await sender.command("DATA")
    await sender.send(CONTENT + b".\r\n")
    assert (await sender.reply()).code == 250
    await world.run(limit=60)
    assert mta.pending() == ["alice@a.example"]
    file.chmod(0o600)
    await world.run()
    assert len(delivered(mta, tmp_path, "bob")) == 1
    assert delivered(mta, tmp_path, "alice") == []


@pytest.mark.parametrize("once", [False, True])
async def test_who_is_reached_by_several_addresses(world, tmp_path, once):
    aliases = "one: alice\ntwo: alice, bob\nthree: two"
    mta = await world.mta("a.example", **tables(tmp_path, aliases, dedupe_mailboxes=once))
    people = ["one@a.example", "two@a.example", "alice@a.example", "three@a.example", "alice@a.example"]
    assert (await mta.send("x@y.example", people, CONTENT))[-1] == 250
    await world.run()
    assert len(mta.mailbox("alice")) == (1 if once else 4)
    assert len(mta.mailbox("bob")) == (1 if once else 2)
    assert (await mta.send("x@y.example", people, CONTENT))[-1] == 250
    await world.run()
    assert len(mta.mailbox("alice")) == (2 if once else 8)


async def test_once_also_for_who_has_read_it_meanwhile_and_after_a_restart(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "late: alice, x@b.example", dedupe_mailboxes=True))
    await mta.mta.submit("me@a.example", ["alice@a.example", "hold@c.example", "late@a.example"], CONTENT)
    await world.idle()
    assert len(mta.mailbox("alice")) == 1
    await mta.kill()
    await mta.open()
    await world.idle()
    assert len(mta.mailbox("alice")) == 1


async def test_who_has_no_owner_may_have_a_common_one(world, tmp_path):
    aliases = "team: alice, gone@b.example\nsolo: gone@b.example"
    mta = await world.mta("a.example", **tables(tmp_path, aliases, default_owner="boss"))
    sink, home = await world.sink("b.example"), await world.sink("y.example")
    sink.script("RCPT", "550 5.1.1 No", times=2)
    assert (await mta.send("x@y.example", ["team@a.example", "solo@a.example"], CONTENT))[-1] == 250
    await world.run()
    assert mta.mailbox("alice")[0].startswith(b"Return-Path: <boss@a.example>\n")
    assert failed_recipients(mta.mailbox("boss")[0]) == ["gone@b.example"]
    assert [mail.recipients for mail in home.messages] == [("x@y.example",)]


async def test_a_sender_who_wants_to_know_is_told_that_it_was_expanded(world, tmp_path):
    mta = await world.mta("a.example", **tables(tmp_path, "team: bob, carol\nsolo: bob\nlist: bob\nowner-list: boss"))
    client = await mta.greet()
    await client.command("MAIL FROM:<alice@a.example> ENVID=e1 RET=HDRS")
    for user in ("team", "solo", "list"):
        await client.command(f"RCPT TO:<{user}@a.example> NOTIFY=SUCCESS,FAILURE")
    await client.command("DATA")
    await client.send(CONTENT + b".\r\n")
    assert (await client.reply()).code == 250
    await world.run()
    said = {}
    for report in mta.mailbox("alice"):
        for block in report.split(b"\n\n"):
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"Final-Recipient" in fields:
                said[fields[b"Final-Recipient"].partition(b";")[2].strip()] = fields[b"Action"]
    assert said == {b"team@a.example": b"expanded", b"bob@a.example": b"delivered", b"list@a.example": b"delivered"}

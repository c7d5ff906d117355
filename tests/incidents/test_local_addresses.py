"""Addresses of local domains as clients see them: what is said at RCPT, and that it is what delivery then does."""

from __future__ import annotations

import pytest

from asyncmta.mailboxes.alias_file import FRESH

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"
STRANGER = "me@stranger.example"


@pytest.fixture
async def house(world, tmp_path):
    (tmp_path / "aliases").write_text("team: alice, bob\nlost: nobody\nloop: pool\npool: loop\nbad: |x\n")
    (tmp_path / "relocated").write_text("eve eve@new.example\n")
    house = world.house(
        "a.example",
        local={
            "mailboxes": ["alice", "bob"],
            "aliases": str(tmp_path / "aliases"),
            "relocated": str(tmp_path / "relocated"),
            "delimiters": "+",
        },
    )
    house.tables["relay"] = {"networks": []}
    house.tables["domain"] = [
        {"name": "catch.example", "catch_all": "alice@a.example"},
        {"name": "part.example", "unknown_user": f"relay:127.0.0.1:{world.port}"},
    ]
    await house.open()
    return house


async def said(house, *recipients):
    client = await house.greet()
    await client.command(f"MAIL FROM:<{STRANGER}>")
    replies = [await client.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
    await client.command("QUIT")
    return [f"{reply.code} {reply.enhanced}" for reply in replies]


async def test_each_kind_of_address(house):
    kinds = {
        "alice@a.example": "250 2.1.5",
        "Alice+x@A.example": "250 2.1.5",
        "team@a.example": "250 2.1.5",
        "nobody@a.example": "550 5.1.1",
        "lost@a.example": "550 5.1.1",
        "loop@a.example": "451 4.3.0",
        "bad@a.example": "451 4.3.0",
        "eve@a.example": "551 5.1.6",
        "anybody@catch.example": "250 2.1.5",
        "anybody@part.example": "250 2.1.5",
        "anybody@far.example": "550 5.7.1",
    }
    for _ in range(2):  # the second time much is known at once
        assert dict(zip(kinds, await said(house, *kinds), strict=True)) == kinds


async def test_a_table_comes_goes_and_changes_without_a_restart(world, house, tmp_path):
    table = tmp_path / "aliases"
    assert await said(house, "new@a.example", "alice@a.example") == ["550 5.1.1", "250 2.1.5"]
    table.rename(tmp_path / "aside")
    await world.advance(FRESH)
    assert await said(house, "new@a.example", "alice@a.example", "postmaster@a.example") == ["451 4.3.0"] * 3
    table.write_text("new: bob\n")
    await world.advance(FRESH)
    assert await said(house, "new@a.example", "team@a.example") == ["250 2.1.5", "550 5.1.1"]
    await house.send(STRANGER, ["new@a.example"], CONTENT)
    await world.idle()
    assert len(house.mailbox("bob")) == 1
    assert len(house.events("table_fault")) == 2  # the line with a program; then the file
    assert len(house.events("table_mended")) == 1


async def between_rcpt_and_data(world, house, recipient, change):
    """A message for whom RCPT knows, and then something changes."""
    client = await house.greet()
    await client.command(f"MAIL FROM:<{STRANGER}>")
    assert (await client.command(f"RCPT TO:<{recipient}>")).code == 250
    change()
    await world.advance(FRESH)
    assert (await client.command("DATA")).code == 354
    await client.send(CONTENT + b".\r\n")
    assert (await client.reply()).code == 250
    await client.command("QUIT")
    await world.idle()


async def test_mail_that_was_taken_waits_for_a_table_that_cannot_be_read(world, house, tmp_path):
    table, aside = tmp_path / "aliases", tmp_path / "aside"
    await between_rcpt_and_data(world, house, "team@a.example", lambda: table.rename(aside))
    assert house.pending() == ["team@a.example"]
    assert house.events("deferred")[0]["reply"].startswith("451 4.3.0")
    aside.rename(table)
    await world.run()
    assert (len(house.mailbox("alice")), len(house.mailbox("bob"))) == (1, 1)
    assert house.pending() == []


async def test_who_moves_after_rcpt_is_told_of_in_a_report(world, house, tmp_path):
    sink = await world.sink("stranger.example")
    moves = tmp_path / "relocated"
    await between_rcpt_and_data(world, house, "alice@a.example", lambda: moves.write_text("alice alice@new.example\n"))
    await world.run()
    assert house.mailbox("alice") == []
    [report] = sink.messages
    assert report.reverse_path == ""
    assert b"Status: 5.1.6" in report.content
    assert b"alice@new.example" in report.content


async def test_whom_we_do_not_know_is_for_another_server(world, tmp_path):
    sink = await world.sink("elsewhere.example")
    house = await world.mta(
        "part.example",
        local={"mailboxes": ["alice"], "unknown_user": f"relay:{sink.address[0]}:{world.port}"},
    )
    assert await house.send(STRANGER, ["alice@part.example", "other@part.example"], CONTENT) == [
        250,
        250,
        250,
        354,
        250,
    ]
    await world.run()
    assert len(house.mailbox("alice")) == 1
    assert [message.recipients for message in sink.messages] == [("other@part.example",)]


async def test_a_domain_whose_mailboxes_are_in_a_mail_store_has_aliases_too(world, tmp_path):
    (tmp_path / "aliases").write_text("team: alice, bob\n")
    host = world.address()
    store = await world.mta(
        "store.example",
        listener=[{"address": host, "port": world.port, "role": "lmtp"}],
        local={"domains": ["a.example"], "mailboxes": ["alice", "bob"], "delimiters": "+"},
    )
    local = {"mailboxes": ["alice", "bob", "carol"], "store": f"lmtp:{host}:{world.port}", "delimiters": "+"}
    front = await world.mta("a.example", local={**local, "aliases": str(tmp_path / "aliases")})
    recipients = ["team@a.example", "alice+x@a.example", "nobody@a.example"]
    assert await front.send(STRANGER, recipients, CONTENT) == [250, 250, 250, 550, 354, 250]
    await world.run()
    assert (len(store.mailbox("alice", "a.example")), len(store.mailbox("bob", "a.example"))) == (2, 1)
    assert front.mailbox("alice") == []
    assert front.pending() == []
    report = await front.mta.route("carol@a.example")
    assert report.address[-1] == f"the mailboxes of a.example are kept by {host}:{world.port}, by LMTP"

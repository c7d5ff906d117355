"""Rules, block lists, hooks, a policy service and lists of recipients on whole MTAs: what comes of them, also after a
restart, and that none of them makes a relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asyncmta import Settings, Verdict, reply
from asyncmta.mail.envelope import Envelope
from asyncmta.policy.consultation import InvalidHooks
from asyncmta.policy.verdict import About
from tests.incidents.incidentkit import House, World, without_received

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"
LARGE = b"Subject: hello\r\n\r\n" + b"so many words to read in this letter\r\n" * 10_000
NOBODY = {"networks": []}  # everybody is a stranger
ALICE = "alice@a.example"


def letter(house: House, user: str = "alice") -> bytes:
    """The one message in that mailbox, as it was sent: without the fields of its delivery, and with CR LF."""
    (found,) = house.mailbox(user)
    return found.replace(b"\n", b"\r\n").split(b"\r\n", 2)[2]


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_held_by_a_rule_also_after_a_crash_until_an_operator_releases_it(world: World, content: bytes) -> None:
    house = await world.mta(rule=[{"sender": "b.example", "action": "hold"}])
    assert (await house.send("x@b.example", [ALICE], content))[-1] == 250
    await world.run()
    assert house.mailbox("alice") == []
    assert [row.state for row in house.mta.queue()] == ["held"]
    await house.kill()
    await house.open()
    await world.run()
    assert house.mailbox("alice") == []
    (row,) = house.mta.queue()
    assert await house.mta.release([row.queue_id]) == 1
    await world.run()
    assert without_received(letter(house)) == content
    assert house.events("held")[0]["by"] == "rule 0"


async def test_a_held_message_to_several_waits_whole(world: World) -> None:
    house = await world.mta(rule=[{"recipient": "bob@a.example", "action": "hold"}])
    await house.send("x@b.example", [ALICE, "bob@a.example"], CONTENT)
    await world.run()
    assert house.pending() == [ALICE, "bob@a.example"]
    assert await house.mta.remove([house.mta.queue()[0].queue_id]) == 1
    await world.run()
    assert house.mta.queue() == []


async def test_discarded_for_one_and_tagged_for_the_other(world: World) -> None:
    house = await world.mta(
        rule=[
            {"recipient": "old@a.example", "action": "discard"},
            {"recipient": ALICE, "action": "tag", "tag": "for alice"},
        ]
    )
    codes = await house.send("x@b.example", ["old@a.example", ALICE], CONTENT)
    assert codes == [250, 250, 250, 354, 250]
    await world.run()
    field, _, rest = letter(house).partition(b"\r\n")
    assert field == b"X-Asyncmta-Tag: for alice"
    assert without_received(rest) == CONTENT
    assert house.mailbox("old") == []
    (line,) = house.events("discarded")
    assert (line["recipient"], line["by"]) == ("old@a.example", "rule 0")
    assert line["queue_id"] == house.events("accepted")[0]["queue_id"]


async def test_no_rule_makes_a_relay(world: World) -> None:
    """Every action, for everybody and at both stages; a hook and a service that agree with everything."""

    class Agreeable:
        async def on_mail(self, about: About) -> Verdict:
            return Verdict("accept")

        async def on_rcpt(self, about: About) -> Verdict:
            return Verdict("accept")

    sink = await world.sink("far.example")
    for action in ("accept", "hold", "discard", "tag"):
        for condition in ({}, {"recipient": "far.example"}, {"sender": "a.example"}):
            rule = {"action": action} | condition | ({"tag": "x"} if action == "tag" else {})
            house = world.house("a.example", relay=NOBODY, rule=[rule])
            house.program = {"hooks": Agreeable()}
            await house.open()
            codes = await house.send(f"me@{house.domain}", ["you@far.example", "a%far.example@a.example"], CONTENT)
            assert codes[:2] == [250, 550], (rule, codes)
            await world.run()
            assert [each for each in house.pending() if "@far" in each] == []
            await house.close()
    assert sink.messages == []


async def test_a_listed_stranger_and_one_without_a_name(world: World) -> None:
    world.resolver.set("1.0.0.127.bad.example", {"A": ["127.0.0.2"]})
    tables: dict[str, Any] = {"dnsbl": {"lists": ["bad.example*3", "good.example*-2"], "threshold": 3}}
    house = await world.mta(relay=NOBODY, **tables)
    assert (await house.send("x@b.example", [ALICE], CONTENT))[:2] == [250, 554]
    (line,) = house.events("refused")
    assert (line["by"], line["reply"]) == ("dnsbl", "554 5.7.1 Your address is on a block list: bad.example")
    world.resolver.set("1.0.0.127.good.example", {"A": ["127.0.1.1"]})
    assert (await house.send("x@b.example", [ALICE], CONTENT))[-1] == 250
    world.resolver.set("1.0.0.127.good.example", "server failure")
    assert (await house.send("x@b.example", [ALICE], CONTENT))[:2] == [250, 450]
    await house.close()
    named = await world.mta("c.example", relay=NOBODY, limits={"reverse_dns": "require"})
    assert (await named.send("x@b.example", ["alice@c.example"], CONTENT))[:2] == [250, 550]
    world.resolver.set("1.0.0.127.in-addr.arpa", {"PTR": ["client.example"]})
    world.resolver.set("client.example", {"A": ["127.0.0.1"]})
    assert (await named.send("x@b.example", ["alice@c.example"], CONTENT))[-1] == 250
    await world.run()
    assert b"(client.example [127.0.0.1])" in named.mailbox("alice")[0]


async def test_what_would_happen_is_explained(world: World) -> None:
    world.resolver.set("7.2.0.192.bad.example", {"A": ["127.0.0.2"]})
    house = world.house(
        rule=[{"login": ["carol"], "action": "accept"}, {"dnsbl": 1, "action": "defer"}],
        dnsbl={"lists": ["bad.example"]},
        policy={"service": "inet:127.0.0.1:1"},
    )
    await house.open()
    report = await house.mta.route(ALICE, "x@b.example", "::ffff:192.0.2.7")
    assert report.policy == [
        "client 192.0.2.7: a stranger, for relay.domains and local domains alone",
        "name: none that is confirmed; block lists: 1 (bad.example)",
        "rule 0 (accept, at MAIL): not this login",
        "rule 1 (defer, at MAIL): matches, defer: 450 4.7.1 Not now, by a rule of the postmaster; try again later",
        "then the policy service at inet:127.0.0.1:1 would be asked",
    ]
    world.name("mx.far.example", "127.0.0.9", "far.example")
    foreign = await house.mta.route("x@far.example", None, "192.0.2.8")
    assert foreign.policy[-1] == "550 5.7.1 Relaying denied"
    login = await house.mta.route("x@far.example", None, "192.0.2.8", "carol")
    assert login.policy[0] == "client 192.0.2.8: may relay, by its login"
    assert login.policy[-1] == "rule 0 (accept, at MAIL): matches, accept"
    assert (await house.mta.route(ALICE, None, "127.0.0.1")).policy[
        0
    ] == "client 127.0.0.1: may relay, by relay.networks"
    assert (await house.mta.route(ALICE)).policy == []


# -- hooks ----------------------------------------------------------------------------------------------------------


class Hooks:
    """Keeps what it is asked; refuses what is named so."""

    def __init__(self) -> None:
        self.asked: list[About] = []
        self.contents: list[bytes] = []

    async def on_connect(self, about: About) -> None:
        self.asked.append(about)

    async def on_ehlo(self, about: About) -> object:
        self.asked.append(about)
        return reply(550, "5.7.1", "Bad name") if about.peer.helo == "bad.example" else None

    async def on_mail(self, about: About) -> object:
        self.asked.append(about)
        return Verdict("hold") if str(about.reverse_path) == "hold@b.example" else None

    async def on_rcpt(self, about: About) -> object:
        self.asked.append(about)
        if str(about.recipient) == "bug@a.example":
            raise KeyError("nobody knows")
        return None

    async def on_content(self, about: About, envelope: Envelope, content: AsyncIterator[bytes]) -> object:
        self.asked.append(about)
        octets = b"".join([chunk async for chunk in content])
        self.contents.append(octets)
        return reply(550, "5.7.1", "Virus") if b"virus" in octets else None


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_hooks_at_every_stage(world: World, content: bytes) -> None:
    hooks = Hooks()
    house = world.house()
    house.program = {"hooks": hooks}
    await house.open()
    codes = await house.send("x@b.example", ["bug@a.example", ALICE], content)
    assert codes == [250, 451, 250, 354, 250]
    await world.run()
    assert [about.stage for about in hooks.asked] == ["connect", "EHLO", "MAIL", "RCPT", "RCPT", "dot"]
    last = hooks.asked[-1]
    assert (last.peer.ip, last.peer.helo, last.size) == ("127.0.0.1", hooks.asked[1].peer.helo, len(hooks.contents[0]))
    assert [letter(house)] == hooks.contents
    assert without_received(hooks.contents[0]) == content
    (line,) = house.events("hook_failed")
    assert "KeyError" in line["error"]
    assert (await house.send("x@b.example", [ALICE], content + b"virus\r\n"))[-1] == 550
    assert (await house.send("hold@b.example", [ALICE], content))[-1] == 250
    await world.run()
    assert len(house.mailbox("alice")) == 1
    assert house.events("held")[0]["by"] == "hook on_mail"
    async with house.client() as client:
        assert (await client.hello("bad.example")).code == 550
    large = 1 if content is LARGE else 0  # of the held one; what was refused or delivered leaves nothing
    await world.soon(lambda: sum(path.startswith("spool/content/") for path in house.disk.tree()) == large)
    assert len(house.mta.queue()) == 1


async def test_hooks_that_cannot_be_meant_are_no_start(world: World) -> None:
    class Wrong:
        def on_rcpt(self, about: About) -> None: ...

    house = world.house()
    house.program = {"hooks": Wrong()}
    with pytest.raises(InvalidHooks):
        await house.open()


# -- a policy service -----------------------------------------------------------------------------------------------


class Greylist:
    """What postgrey does, in Postfix's protocol: the first time later, then a header line."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.requests: list[dict[bytes, bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\n\n")).splitlines()[:-1]
                request = dict(line.split(b"=", 1) for line in lines)
                self.requests.append(request)
                key = request[b"sender"] + request[b"recipient"]
                said = b"PREPEND X-Greylist: delayed" if key in self.seen else b"DEFER_IF_PERMIT Greylisted"
                self.seen.add(key)
                writer.write(b"action=" + said + b"\n\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def test_greylisting_by_a_policy_service(world: World, tmp_path: Path) -> None:
    greylist = Greylist()
    path = str(tmp_path / "policy.sock")
    server = await asyncio.start_unix_server(greylist.serve, path)
    house = await world.mta(relay=NOBODY, policy={"service": f"unix:{path}", "end_of_message": True})
    codes = await house.send("x@b.example", [ALICE], CONTENT)
    assert codes[:2] == [250, 450]
    assert (await house.send("x@b.example", [ALICE], CONTENT))[-1] == 250
    (first, *_) = greylist.requests
    assert (first[b"protocol_state"], first[b"client_address"], first[b"sender"]) == (
        b"RCPT",
        b"127.0.0.1",
        b"x@b.example",
    )
    assert [request[b"protocol_state"] for request in greylist.requests] == [b"RCPT", b"RCPT", b"END-OF-MESSAGE"]
    instances = [request[b"instance"] for request in greylist.requests]
    assert instances[0] != instances[1] == instances[2]
    await world.run()
    assert letter(house).startswith(b"X-Greylist: delayed\r\nReceived: ")
    server.close()
    await house.close()
    house.tables["policy"] = {"service": f"unix:{tmp_path}/gone"}
    await house.open()
    assert (await house.send("x@b.example", [ALICE], CONTENT))[:2] == [250, 451]
    house.tables["policy"] = {"service": f"unix:{tmp_path}/gone", "default": "dunno"}
    await house.reopen()
    assert (await house.send("x@b.example", [ALICE], CONTENT))[-1] == 250


# -- who lives here -------------------------------------------------------------------------------------------------


async def test_a_callable_says_who_there_is(world: World) -> None:
    async def recipients(address: str) -> Any:
        if address == "bug@a.example":
            raise KeyError(address)
        return {"alice@a.example": True, "unsure@a.example": None, "odd@a.example": "yes"}.get(address, False)

    house = world.house()
    house.program = {"recipients": recipients}
    await house.open()
    names = ["alice", "nobody", "unsure", "odd", "bug", "postmaster"]
    codes = await house.send("x@b.example", [f"{name}@a.example" for name in names], CONTENT)
    assert codes == [250, 250, 550, 451, 451, 451, 250, 354, 250]
    await world.run()
    assert len(house.mailbox("alice")) == len(house.mailbox("postmaster")) == 1
    assert len(house.events("recipients_failed")) == 2


async def test_a_callable_that_hangs(world: World) -> None:
    async def recipients(address: str) -> bool:
        await asyncio.Event().wait()
        return True

    house = world.house()
    house.program = {"recipients": recipients}
    await house.open()
    client = await house.greet()
    await client.command("MAIL FROM:<x@b.example>")
    asking = asyncio.ensure_future(client.command(f"RCPT TO:<{ALICE}>"))
    await world.until(asking.done, limit=60.0)
    assert (await asking).code == 451


async def test_a_file_says_who_there_is_and_may_change(world: World, tmp_path: Path) -> None:
    file = tmp_path / "recipients"
    file.write_text("# who lives here\nalice\nbob@a.example  # and he\n")
    house = await world.mta(local={"mailboxes": f"file:{file}"})
    recipients = [ALICE, "bob@a.example", "carol@a.example"]
    assert (await house.send("x@b.example", recipients, CONTENT))[:4] == [250, 250, 250, 550]
    file.write_text("alice\ncarol\n")
    await world.run()
    world.clock.advance(10.0)
    assert (await house.send("x@b.example", recipients, CONTENT))[:4] == [250, 250, 550, 250]
    await world.run()
    for wrong in ("alice\n@@\n", None):
        if wrong is None:
            file.unlink()
        else:
            file.write_text(wrong)
        world.clock.advance(10.0)
        assert (await house.send("x@b.example", recipients, CONTENT))[:4] == [250, 451, 451, 451]
        await world.run()


def test_settings_of_a_list_in_a_file(tmp_path: Path) -> None:
    settings = Settings.from_dict({"local": {"mailboxes": "file:etc/list"}}, folder=tmp_path)
    assert settings.local.mailboxes == f"file:{tmp_path}/etc/list"
    assert Settings.from_dict(settings.effective()).local.mailboxes == settings.local.mailboxes

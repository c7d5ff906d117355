"""The composition root and its Python API: what is promised to whoever writes `async with Mta(settings)`.

What a running MTA does with mail is in tests/incidents; here is how it begins, ends, answers and refuses.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl

import pytest
import trustme

from asyncmta import InvalidConfig, Mta, Settings
from asyncmta.auth.hashes import make_hash
from asyncmta.auth.reading import UsersRefused
from asyncmta.mail import replies
from asyncmta.mail.address import InvalidAddress
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.operations import NotRunning, SubmitRefused
from asyncmta.system.disk import NO_LIMIT
from asyncmta.testing.client import RawClient

CONTENT = b"Subject: hello\r\n\r\nHow are you?\r\n"


@pytest.fixture(autouse=True)
def _trust_nobody(monkeypatch):
    """To read the machine's certificates takes longer than most of these tests."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)


@pytest.fixture
async def house(world):
    return await world.mta("a.example")


async def whole(mta, queue_id):
    """The content, be it at hand or to be read."""
    found = await mta.content(queue_id)
    return found if isinstance(found, bytes) else b"".join([chunk async for chunk in found])


# -- on the real clock and a real disk --------------------------------------------------------------------------------


async def test_as_contract_md_has_it(mta, smtp_sink):
    """The fixtures that are shipped: nothing is faked here but the next hop."""
    host, port = mta.addresses[0]
    assert (host, port > 0) == ("127.0.0.1", True)
    queue_id = await mta.submit("me@example.org", ["you@example.net", "me@example.org"], CONTENT)
    await mta.idle(timeout=10)
    [message] = smtp_sink.messages
    assert message.recipients == ("you@example.net",)
    assert queue_id.encode() in message.content
    assert mta.queue() == []
    assert mta.message(queue_id) is None
    assert (mta.alive(), mta.not_ready()) == ([], [])


async def test_again_over_the_same_spool(mta_settings, smtp_sink):
    settings = Settings.from_dict(mta_settings)
    smtp_sink.script("RCPT", "450 4.2.1 Later")
    async with Mta(settings) as first:
        queue_id = await first.submit("me@example.org", ["you@example.net"], CONTENT)
        await first.idle(timeout=10)
        [row] = first.queue()
    async with Mta(settings) as second:
        assert second.recovery.messages == 1
        await second.idle(timeout=10)
        assert [each.queue_id for each in second.queue()] == [queue_id] == [row.queue_id]
        assert await second.retry() == 1
        await second.idle(timeout=10)
    assert len(smtp_sink.messages) == 1


# -- beginning and ending ---------------------------------------------------------------------------------------------


async def test_it_has_to_be_entered(house):
    never = Mta(house.settings)
    assert never.addresses == []
    assert never.not_ready() == ["draining"]
    for use in (never.queue, never.next_due, lambda: never.message("zzzzz00020000009")):
        with pytest.raises(NotRunning):
            use()
    with pytest.raises(NotRunning):
        await never.submit("", ["x@a.example"], CONTENT)
    await house.close()
    with pytest.raises(NotRunning):
        await house.mta.submit("", ["x@a.example"], CONTENT)
    assert house.mta.addresses == []


async def test_several_listeners_in_the_order_of_the_settings(world):
    house = world.house()
    house.tables["listener"] = [{"address": house.address, "port": 0}, {"address": world.address(), "port": 0}]
    mta = await house.open()
    assert [host for host, _ in mta.addresses] == [table["address"] for table in house.tables["listener"]]
    for host, port in mta.addresses:
        async with RawClient(host, port) as client:
            assert (await client.hello()).code == 250


async def test_one_that_cannot_listen_lets_go_of_what_it_has(world):
    """The second address is taken: the first is closed again, and the spool unlocked."""
    house = world.house()
    other = world.address()
    house.tables["listener"] = [{"address": house.address, "port": world.port}, {"address": other, "port": world.port}]
    with socket.socket() as taken:
        taken.bind((other, world.port))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await house.open()
    with pytest.raises(ConnectionRefusedError):
        await house.client().connect()
    await house.open()
    assert (await house.send("", ["x@a.example"], CONTENT))[-1] == 250


async def test_a_spool_that_is_no_spool(world):
    house = world.house()
    house.disk.put("spool")  # a file
    with pytest.raises(FileExistsError):
        await house.open()


async def test_settings_that_cannot_be_meant():
    with pytest.raises(InvalidConfig) as refused:
        Settings.from_dict({"lokal": {}, "queue": {"lifetime": 5}})
    assert len(refused.value.faults) == 2


async def test_an_exception_inside_drains_it(world):
    house = world.house()
    mta = Mta(house.settings, clock=world.clock, resolver=world.resolver, disk=house.disk, log_stream=house.log)
    with pytest.raises(KeyError):  # noqa: PT012 - it is about the exception that comes out of the block
        async with mta:
            await mta.submit("", ["x@a.example"], CONTENT)
            raise KeyError
    await house.open()
    await world.run()
    assert len(house.mailbox("x")) == 1


async def test_a_resolver_of_its_own_ends_with_it(mta_settings):
    """On the real clock, asking a name server that is not there."""
    settings = Settings.from_dict({**mta_settings, "route": [], "dns": {"servers": ["127.0.0.1:1"], "timeout": "0.1s"}})
    async with Mta(settings) as mta:
        await mta.submit("me@example.org", ["you@example.net"], CONTENT)
        await mta.idle(timeout=10)
        [row] = mta.queue()
        assert row.recipients[0].last_reply.startswith("451 4.4.3")
    assert mta._own_resolver._dns is None


async def test_what_opening_found_is_logged(world, house):
    await house.reopen()
    first, second = house.events("spool_opened")
    assert (first["boot"], second["boot"]) == (1, 2)
    assert first["writer"] in {"compiled", "python"}
    assert second["torn"] == second["damaged"] == second["messages"] == 0


# -- handing in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipients", "content", "said"),
    [
        ([], CONTENT, "503 5.5.1"),
        ([f"x{number}@a.example" for number in range(101)], CONTENT, "452 4.5.3"),
        (["x@a.example"], CONTENT + (b"y" * 70 + b"\r\n") * 1000, "552 5.3.4"),
        (["x@a.example"], CONTENT + b"\0", "550 5.6.0"),
        (["x@a.example"], b"DKIM-Signature: v=1\r\n" + CONTENT + b"y" * 999, "550 5.6.0"),
        (["x@a.example"], b"Received: x\r\n" * 21 + CONTENT, "554 5.4.6"),
    ],
    ids=["nobody", "too many", "too big", "NUL", "long line", "hops"],
)
async def test_what_is_refused(world, recipients, content, said):
    house = await world.mta(limits={"message_size": "64KiB", "recipients": 100, "hops": 20})
    with pytest.raises(SubmitRefused) as refused:
        await house.mta.submit("y@a.example", recipients, content)
    assert str(refused.value.reply).startswith(said)
    assert str(refused.value) == str(refused.value.reply)
    await world.idle()
    assert house.mta.queue() == []
    assert house.mailbox("x") == []


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        ("y", "x@a.example"),
        ("y@a.example\r\nRCPT TO:<z@b.example>", "x@a.example"),
        ("y@a.example", "x"),
        ("y@a.example", "x@"),
        ("y@a.example", ""),
        ("y@a.example", "<x@a.example>"),
        ("y@a.example", "x@a.example\n"),
        ("y@a.example", "x@a..example"),
    ],
)
async def test_addresses_that_are_none(house, sender, recipient):
    with pytest.raises(InvalidAddress):
        await house.mta.submit(sender, [recipient], CONTENT)
    assert house.mta.queue() == []


async def test_a_recipient_given_twice_gets_it_once(world, house):
    await house.mta.submit("", ["x@a.example", "x@a.example", "x@A.EXAMPLE"], CONTENT)
    await world.idle()
    assert len(house.mailbox("x")) == 1


@pytest.mark.parametrize("sender", [None, ""])
async def test_the_null_reverse_path(world, house, sender):
    await house.mta.submit(sender, ["x@a.example", "y@no-such-domain.example"], CONTENT)
    await world.idle()
    assert house.mailbox("x")[0].startswith(b"Return-Path: <>\n")
    assert house.mta.queue() == []


async def test_what_the_next_hop_has_to_know_follows_from_content_and_addresses(world, house):
    sink = await world.sink("b.example")
    await house.mta.submit("y@a.example", ["x@b.example"], CONTENT + "é\r\n".encode())
    await world.idle()
    await house.mta.submit("y@a.example", ["ü@b.example"], CONTENT)
    await world.idle()
    parameters = [set(message.mail_parameters) for message in sink.messages]
    assert "BODY=8BITMIME" in parameters[0]
    assert "SMTPUTF8" in parameters[1]
    assert not sink.violations


async def test_the_id_is_given_when_it_is_durable(world, house):
    """Whatever happens right after that."""
    queue_id = await house.mta.submit("y@a.example", ["x@[192.0.2.1]", "x@a.example"], CONTENT)
    await house.cut_power()
    await house.open()
    await world.idle()
    assert house.mta.recovery.messages == 1
    assert queue_id.encode() in house.mailbox("x")[0]


# -- looking ----------------------------------------------------------------------------------------------------------


async def test_the_queue_is_shown_newest_first(world, house):
    world.resolver.set("b.example", "server failure")
    queue_ids = [await house.mta.submit("y@a.example", ["x@b.example"], CONTENT) for _ in range(3)]
    await world.idle()
    rows = house.mta.queue()
    assert [row.queue_id for row in rows] == queue_ids[::-1]
    [recipient] = rows[0].recipients
    assert (rows[0].sender, rows[0].state, rows[0].attempts, rows[0].total) == ("y@a.example", "deferred", 1, 1)
    assert (recipient.address, recipient.next_hop) == ("x@b.example", "mx:b.example")
    assert recipient.last_reply.startswith("451 4.4.3")
    assert house.mta.next_due() == pytest.approx(min(row.recipients[0].next_due for row in rows), abs=0.01)
    assert house.mta.message(queue_ids[0]) == rows[-1]
    assert rows[0].size == len(await whole(house.mta, queue_ids[-1]))


async def test_a_damaged_message_is_shown_and_the_others_go_on(world, house):
    world.resolver.set("b.example", "server failure")
    bad, good = [await house.mta.submit("y@a.example", ["x@b.example"], CONTENT) for _ in range(2)]
    await world.idle()
    await house.close()
    for path, octets in house.disk.tree().items():
        at = octets.find(b"x@b.example")
        if path.startswith("spool/journal/") and at >= 0:
            house.disk.put(path, octets[:at] + b"X" + octets[at + 1 :])
            break
    await house.open()
    await world.idle()
    assert house.mta.recovery.damaged >= 1
    shown = {row.queue_id: row for row in house.mta.queue()}
    assert shown[good].state == "deferred"
    assert bad not in shown or shown[bad].state == "damaged"
    assert house.events("spool_opened")[-1]["level"] == "warning"


async def test_content_as_it_will_be_sent(world, house):
    world.resolver.set("b.example", "server failure")
    dots = b"Subject: x\r\n\r\n.\r\n..\r\n"
    fresh = await house.mta.submit("y@a.example", ["x@b.example"], dots)
    await world.idle()
    large = await house.mta.submit("y@a.example", ["x@b.example"], dots + (b".y" * 30 + b"\r\n") * 20_000)
    await world.idle()
    await house.reopen()
    for queue_id, end in ((fresh, dots), (large, dots + (b".y" * 30 + b"\r\n") * 20_000)):
        octets = await whole(house.mta, queue_id)
        assert octets.startswith(b"Received: by mx.a.example")
        assert octets.endswith(end)
    with pytest.raises(ContentUnavailable):
        await whole(house.mta, "zzzzz00020000009")


@pytest.mark.parametrize("text", ["", "x", "../../etc/passwd", "0" * 100])
async def test_an_id_that_is_none(house, text):
    with pytest.raises(ValueError, match="queue id"):
        house.mta.message(text)
    with pytest.raises(ValueError, match="queue id"):
        await house.mta.content(text)


async def test_idle_waits_for_what_is_due_and_not_for_what_is_later(world, house):
    world.resolver.set("b.example", "server failure")
    assert house.mta.next_due() is None
    await house.mta.idle(timeout=10)
    await house.mta.submit("y@a.example", ["x@b.example", "x@a.example"], CONTENT)
    await house.mta.idle(timeout=10)
    assert len(house.mailbox("x")) == 1
    assert house.mta.next_due() > world.clock.now()


async def test_idle_gives_up(world):
    house = world.house()
    blocked = asyncio.Event()

    class Hanging:
        async def exchangers(self, domain):
            await blocked.wait()

        addresses = exchangers

    house.resolver = Hanging()
    await house.open()
    await house.mta.submit("y@a.example", ["x@b.example"], CONTENT)
    with pytest.raises(TimeoutError):
        await house.mta.idle(timeout=0.01)


async def test_routes_are_explained_and_nothing_is_sent(world):
    provider = {"recipient": ".s.example", "via": "smarthost", "hosts": ["smtp.example:587"], "tls": "verify"}
    house = await world.mta(
        pipe={"enabled": True},
        route=[
            provider,
            {"recipient": "held.example", "via": "hold"},
            {"recipient": "store.example", "via": "lmtp", "hosts": ["unix:/run/lmtp", "127.0.0.1:24"], "tls": "none"},
            {"recipient": "robot.example", "via": "pipe", "command": ["/bin/take", "{recipient}"]},
            {"recipient": "x@gone.example", "via": "reject"},
            {"recipient": "*", "sender": "robot@a.example", "via": "discard"},
        ],
    )
    world.resolver.set("b.example", {"MX": [(20, "second.example"), (10, "first.example")]})
    world.resolver.set("null.example", {"MX": [(0, "")]})
    world.resolver.set("broken.example", "server failure")
    route = house.mta.route
    local = await route("X@A.example")
    assert (local.recipient, local.sender, local.destination) == ("X@A.example", "<>", "local:a.example")
    assert local.rules
    by_mx = await route("x@b.example", "y@a.example")
    assert (by_mx.exchangers, by_mx.tls) == (["first.example", "second.example"], "opportunistic")
    smart = await route("x@deep.s.example")
    assert (smart.exchangers, smart.tls) == (["smtp.example:587"], "verify")
    assert (await route("x@held.example")).destination == "hold"
    store = await route("x@store.example")
    assert (store.destination, store.exchangers, store.tls) == ("lmtp:2", ["unix:/run/lmtp", "127.0.0.1:24"], "none")
    command = await route("x@robot.example")
    assert (command.destination, command.exchangers, command.tls) == ("pipe:3", ["/bin/take {recipient}"], "none")
    assert (await route("x@gone.example")).exchangers == ["550 5.7.1 Refused by a rule of the postmaster"]
    assert (await route("x@b.example", "robot@a.example")).destination == "discard"
    assert (await route("x@null.example")).exchangers[0].startswith("556 5.1.10")
    assert (await route("x@broken.example")).exchangers[0].startswith("451 4.4.3")
    assert (await route("x@no-such-domain.example")).exchangers[0].startswith("550 5.1.2")
    assert (await route("x@[192.0.2.1]")).exchangers == ["192.0.2.1"]
    with pytest.raises(InvalidAddress):
        await route("nobody")
    assert house.mta.queue() == []


# -- who may log in, and how ------------------------------------------------------------------------------------------


@pytest.fixture
async def submission(world, tmp_path):
    """An MTA that asks for AUTH over TLS, and asks `verdicts` whether it is right."""
    authority = trustme.CA()
    files = tmp_path / "mta.pem", tmp_path / "mta.key"
    house = world.house()
    house.authority = authority
    certificate = authority.issue_cert("mx.a.example")
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    house.tables["tls"] = {"certificate": str(files[0]), "key": str(files[1])}
    house.tables["listener"] = [
        {"address": house.address, "port": world.port, "role": "submission", "tls": "required"},
        {"address": house.address, "port": 0, "tls": "implicit"},
    ]
    house.tables["auth"] = {"failure_delay": "0s"}  # the clock of these tests stands still
    house.verdicts = {"right": True, "wrong": False, "unsure": None}
    house.trust = ssl.create_default_context()
    authority.configure_trust(house.trust)

    async def authenticate(mechanism, login, password):
        return house.verdicts[password]

    async with Mta(
        house.settings,
        clock=world.clock,
        resolver=world.resolver,
        disk=house.disk,
        authenticator=authenticate,
        log_stream=house.log,
    ) as house.mta:
        house.is_open = True
        yield house
        house.is_open = False


async def test_a_renewed_certificate_is_shown_to_the_next_client(world, submission):
    async def names_shown():
        client = await submission.greet()
        await client.command("STARTTLS")
        await client.start_tls(submission.trust, server_hostname="mx.a.example")
        shown = client._connected()[1].get_extra_info("peercert")
        await client.close()
        return [value for _, value in shown["subjectAltName"]]

    assert await names_shown() == ["mx.a.example"]
    renewed = submission.authority.issue_cert("mx.a.example", "new.a.example")
    tls = submission.settings.tls
    renewed.cert_chain_pems[0].write_to_path(tls.certificate)
    renewed.private_key_pem.write_to_path(tls.key)
    world.clock.advance(5)
    assert sorted(await names_shown()) == ["mx.a.example", "new.a.example"]
    (line,) = submission.events("tls_reloaded")
    assert line["file"] == tls.certificate
    assert line["expires"].endswith("Z")


async def test_auth_over_starttls(world, submission):
    client = await submission.greet()
    assert (await client.command("MAIL FROM:<x@y.example>")).code == 530
    assert (await client.command("STARTTLS")).code == 220
    await client.start_tls(submission.trust, server_hostname="mx.a.example")
    assert "AUTH PLAIN LOGIN" in str(await client.command("EHLO client.example"))
    for password, code in (("unsure", 454), ("wrong", 535), ("right", 235)):
        plain = ssl.base64.b64encode(f"\0bob\0{password}".encode()).decode()
        assert (await client.command(f"AUTH PLAIN {plain}")).code == code
    replies = await client.send_message("bob@a.example", ["x@a.example"], CONTENT)
    assert replies[-1].code == 250
    await world.idle()
    assert b" with ESMTPSA id " in submission.mailbox("x")[0]
    assert [line["login"] for line in submission.events("accepted")] == ["bob"]
    await client.close()


async def test_implicit_tls(world, submission):
    host, port = submission.mta.addresses[1]
    async with RawClient(host, port) as client:  # in clear text: nothing is said
        await client.send(b"EHLO x\r\n")
        assert not (await client.read_reply()).startswith(b"2")
    context = submission.trust
    context.check_hostname = False
    async with RawClient(host, port, tls=context) as client:
        await client.hello()
        replies = await client.send_message("", ["x@a.example"], CONTENT)
        assert replies[-1].code == 250
    await world.idle()
    assert b" with ESMTPS id " in submission.mailbox("x")[0]


async def test_users_of_a_file(world, tmp_path):
    """The whole way: the file, the check in a thread, the senders, the amounts, and the file changed."""
    users = tmp_path / "users"
    users.write_text(f"bob@a.example:{make_hash('right')}:senders=bob@a.example\n")
    house = world.house()
    house.tables["auth"] = {"users": str(users), "failure_delay": "0s"}
    house.tables["limits"] = {"messages_per_login": "2/1h", "recipients_per_login": "3/1h"}
    house.tables["listener"] = [
        {"address": house.address, "port": world.port, "role": "submission", "allow_plaintext_auth": True}
    ]
    await house.open()
    client = await house.greet()

    async def log_in(client, password):
        await client.command("EHLO client.example")
        plain = base64.b64encode(f"\0Bob@a.example\0{password}".encode()).decode()
        return (await client.command(f"AUTH PLAIN {plain}")).code

    assert await log_in(client, "wrong") == 535
    assert await log_in(client, "right") == 235
    assert (await client.command("MAIL FROM:<eve@a.example>")) == replies.SENDER_NOT_OWNED
    said = await client.send_message("bob@a.example", ["x@a.example", "y@a.example"], CONTENT)
    assert said[-1].code == 250
    said = await client.send_message("bob@a.example", ["x@a.example", "y@a.example"], CONTENT)
    assert [answer.code for answer in said] == [250, 250, 450, 354, 250]
    assert (await client.command("MAIL FROM:<bob@a.example>")).code == 450
    assert [line["login"] for line in house.events("accepted")] == ["bob@a.example"] * 2
    assert [line["login"] for line in house.events("refused") if "login" in line] == ["Bob@a.example"]
    users.write_text(f"bob@a.example:{make_hash('new')}\n")
    world.clock.advance(1.0)
    other = await house.greet()
    assert await log_in(other, "right") == 535
    assert await log_in(other, "new") == 235
    await client.close()
    await other.close()


async def test_a_file_of_users_that_goes_bad_between_check_and_start(world, tmp_path):
    users = tmp_path / "users"
    users.touch()
    house = world.house()
    house.tables["auth"] = {"users": str(users)}
    settings = house.settings
    users.write_text("bob\n")
    with pytest.raises(UsersRefused, match="line 1"):
        async with Mta(settings, clock=world.clock, resolver=world.resolver, disk=house.disk, log_stream=house.log):
            pass


async def test_without_an_authenticator_auth_is_not_offered(house):
    client = await house.greet()
    assert "AUTH" not in str(await client.command("EHLO client.example"))
    assert (await client.command("AUTH PLAIN AGJvYgBib2I=")).code in (500, 502, 503)


# -- who may relay ----------------------------------------------------------------------------------------------------


async def test_strangers_may_send_to_us_and_to_nobody_else(world):
    house = await world.mta(relay={"networks": [], "domains": ["c.example"]}, local={"mailboxes": ["x"]})
    client = await house.greet()
    await client.command("MAIL FROM:<y@y.example>")
    said = {}
    for recipient in ("x@a.example", "z@a.example", "x@b.example", "x@c.example", "x%b.example@c.example"):
        said[recipient] = str(await client.command(f"RCPT TO:<{recipient}>"))[:9]
    assert said == {
        "x@a.example": "250 2.1.5",
        "z@a.example": "550 5.1.1",
        "x@b.example": "550 5.7.1",
        "x@c.example": "250 2.1.5",
        "x%b.example@c.example": "550 5.7.1",
    }
    assert (await client.command("RCPT TO:<postmaster>")).code == 250
    assert (await client.command("RCPT TO:<PostMaster@a.example>")).code == 250


async def test_ready_follows_the_disk(world, house):
    house.disk.free = (0, NO_LIMIT)
    house.mta.not_ready()
    await world.advance(2)
    house.mta.not_ready()  # asks for a measure
    await world.soon(lambda: house.mta.not_ready() == ["452 4.3.1 Not enough storage; try again later"])
    assert house.mta.alive() == []


async def test_addresses_can_be_masked_in_the_log(world):
    house = await world.mta(log={"addresses": "hash"})
    await house.mta.submit("secretive@a.example", ["confidential@a.example"], CONTENT)
    await world.idle()
    house.mta.maillog.flush()
    assert b"secretive" not in house.log.getvalue()
    assert b"confidential" not in house.log.getvalue()
    assert len(house.events("delivered")) == 1

"""Somebody looks on while mail comes and goes: what he sees, what he never sees, and that nothing else changes."""

from __future__ import annotations

import base64

import pytest
import trustme

from asyncmta.testing.sink_values import CLOSE, SILENCE, SinkSettings
from asyncmta.tracing.looking import MOST_EVENTS
from asyncmta.tracing.wanted import Wanted, network

CONTENT = b"Subject: hello\r\n\r\nHow are you, password-in-content?\r\n"
SECRET = "hunter2-is-my-secret"


async def seen(looker):
    return await looker.take(0.0)


def script(events, session=None):
    """The dialogue as one would write it down: "<" of the peer, ">" of us."""
    arrows = {"peer": "<", "us": ">", "": "*"}
    return [f"{arrows[event.sent_by]} {event.line}" for event in events if session in (None, event.session)]


async def test_both_ways_of_a_message(world):
    sink = await world.sink("b.example")
    house = await world.mta("a.example", relay={"networks": ["127.0.0.0/8"]})
    looker = house.mta.trace(Wanted())
    assert 250 in await house.send("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    events = await seen(looker)
    incoming, outgoing = script(events, "i1"), script(events, "o2")
    assert incoming[0].startswith(f"* from {house.address.rpartition('.')[0]}") or incoming[0].startswith("* from 127.")
    assert incoming[1] == "> 220 mx.a.example ESMTP"
    assert "< MAIL FROM:<me@a.example>" in incoming
    assert f"< ... {len(CONTENT) + 3} octets of content" in incoming
    assert incoming[-1] == "* by us"
    assert outgoing[0] == f"* to mx.b.example[{sink.address[0]}]:{world.port}"
    assert outgoing[1] == "< 220 sink.example ESMTP"
    assert "> RCPT TO:<you@b.example>" in outgoing
    assert "< 250 2.0.0 Taken" in outgoing
    (queue_id,) = {event.queue_id for event in events if event.queue_id}
    assert f"> 250 2.0.0 Queued as {queue_id}" in incoming
    assert all(
        event.queue_id == queue_id for event in events if event.line.startswith("RCPT") and event.session == "o2"
    )
    assert "How are you" not in str(events)
    assert len(sink.messages) == 1


@pytest.fixture
def tls(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("mx.b.example", "smarthost.example")
    return authority, certificate


async def test_a_smarthost_with_tls_and_a_password(world, tls, tmp_path, monkeypatch):
    authority, certificate = tls
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    settings = SinkSettings(tls=context, logins={"me": SECRET}, mechanisms=("PLAIN", "LOGIN"))
    sink = await world.sink("b.example", host="smarthost.example", settings=settings)
    hosts = [f"smarthost.example:{world.port}"]
    table = {"recipient": "*", "via": "smarthost", "hosts": hosts, "tls": "verify", "username": "me"}
    house = await world.mta("a.example", route=[{**table, "password": SECRET}])
    looker = house.mta.trace(Wanted(site="smarthost.example"))
    await house.mta.submit("me@a.example", ["you@elsewhere.example"], CONTENT)
    await world.idle()
    lines = script(await seen(looker))
    assert len(sink.messages) == 1
    assert "> STARTTLS" in lines
    assert any(line.startswith("* TLSv1.3 ") for line in lines)
    assert "> AUTH PLAIN ***" in lines
    assert any(line.startswith("< 235 ") for line in lines)
    text = "\n".join(lines)
    for secret in (SECRET, base64.b64encode(SECRET.encode()).decode(), base64.b64encode(b"\0me\0").decode()[:6]):
        assert secret not in text
    house.tables["route"] = [{**table, "password": "this-is-not-it"}]
    await house.reopen()
    looker = house.mta.trace(Wanted(site="smarthost.example"))
    await house.mta.submit("me@a.example", ["you@elsewhere.example"], CONTENT)
    await world.idle()
    lines = script(await seen(looker))
    assert "this-is-not-it" not in str(lines)
    assert lines[-1].startswith("* not opened: ")


async def test_sessions_that_were_there_before(world):
    sink = await world.sink("b.example")
    house = await world.mta("a.example", relay={"networks": ["127.0.0.0/8"]})
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)  # leaves a session that rests
    await world.idle()
    client = await house.greet()
    assert (await client.command("MAIL FROM:<me@a.example>")).code == 250
    assert (await client.command("RCPT TO:<you@b.example>")).code == 250
    assert (await client.command("DATA")).code == 354
    await client.send(b"Subject: MAIL\r\n\r\nRCPT TO:<hidden@b.example>\r\n")
    await world.soon(lambda: any(each._conversation.state.content for each in sessions(house)))
    looker = house.mta.trace(Wanted())
    await client.send(b"hidden too\r\n.\r\n")
    assert (await client.reply()).code == 250
    await world.idle()
    assert (await client.command("NOOP")).code == 250
    assert len(sink.messages) == 2
    assert sink.sessions_seen == 1  # the second went by the session that was there
    events = await seen(looker)
    text = str(script(events))
    assert "hidden" not in text
    assert {event.direction for event in events} == {"in", "out"}
    assert "< NOOP" in script(events)
    assert "> RCPT TO:<you@b.example>" in script(events)
    looker.close()
    assert (await client.command("NOOP")).code == 250
    looker = house.mta.trace(Wanted(listener="relay"))  # once more, where there was a tap
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    assert (await client.command("RSET")).code == 250
    assert [line for line in script(await seen(looker)) if "RSET" in line] == ["< RSET"]
    assert len(sink.messages) == 3


def sessions(house):
    return [each for listener in house.mta._listeners for each in listener.sessions.live]


async def test_a_client_in_the_middle_of_a_login_is_not_shown_before_it_is_over(world):
    async def nobody(mechanism, login, password):
        return False

    house = world.house()
    house.tables["listener"] = [
        {"address": house.address, "port": world.port, "role": "submission", "allow_plaintext_auth": True}
    ]
    house.tables["auth"] = {"failure_delay": "0s"}
    house.authenticator = nobody
    await house.open()
    client = await house.greet()
    assert (await client.command("AUTH LOGIN")).code == 334
    looker = house.mta.trace(Wanted())
    assert (await client.command(base64.b64encode(b"me").decode())).code == 334
    assert (await client.command(base64.b64encode(SECRET.encode()).decode())).code == 535
    assert (await client.command("NOOP")).code == 250
    lines = script(await seen(looker))
    assert base64.b64encode(SECRET.encode()).decode() not in str(lines)
    assert "< NOOP" in lines
    assert (await client.command("AUTH PLAIN " + base64.b64encode(f"\0me\0{SECRET}".encode()).decode())).code == 535
    assert script(await seen(looker))[0] == "< AUTH PLAIN ***"


async def test_a_client_within_a_line_that_is_too_long_is_not_shown_before_that_ends(world):
    house = await world.mta("a.example")
    client = await house.greet()
    await client.send(b"AUTH XOAUTH2 " + b"A" * 13_000)
    (session,) = sessions(house)
    await world.soon(lambda: session._conversation._skipping != b"")
    looker = house.mta.trace(Wanted())
    assert (await client.command(SECRET)).code == 500
    assert (await client.command("NOOP")).code == 250
    lines = script(await seen(looker))
    assert SECRET not in str(lines)
    assert "< NOOP" in lines


async def test_one_transaction_of_many(world):
    await world.sink("b.example")
    house = await world.mta("a.example", relay={"networks": ["127.0.0.0/8"]})
    by_mail = house.mta.trace(Wanted(recipient="two@b.example", listener="relay"))
    by_domain = house.mta.trace(Wanted(site="b.example"))
    nobody = house.mta.trace(Wanted(client=network("192.0.2.0/24")))
    client = await house.greet()
    for name in ("one", "two", "three"):
        await client.send_message("me@a.example", [f"{name}@b.example"], CONTENT)
    await world.idle()
    lines = script(await seen(by_mail))
    assert "< RCPT TO:<two@b.example>" in lines
    assert "one@b.example" not in str(lines)
    assert "three@b.example" not in str(lines)
    text = str(script(await seen(by_domain)))
    assert all(f"> RCPT TO:<{name}@b.example>" in text for name in ("one", "two", "three"))
    assert await seen(nobody) == []


async def test_nobody_reads_and_all_mail_arrives(world):
    sink = await world.sink("b.example")
    house = await world.mta("a.example", relay={"networks": ["127.0.0.0/8"]})
    lookers = [house.mta.trace(Wanted(content=True)) for _ in range(2)]
    for number in range(300):
        await house.mta.submit("me@a.example", [f"you{number}@b.example"], CONTENT)
    await world.idle()
    assert sorted(each.recipients[0] for each in sink.messages) == sorted(f"you{n}@b.example" for n in range(300))
    for looker in lookers:
        events = await seen(looker)
        assert (events[0].kind, events[0].count) == ("dropped", looker.dropped)
        assert len(events) == MOST_EVENTS + 1


async def test_a_host_that_is_silent_or_refuses(world):
    world.name("mx.b.example", world.address(), "b.example")  # nobody listens there
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    first, last = await seen(looker)
    assert first.line.startswith("to mx.b.example[")
    assert (last.kind, "Connection refused" in last.line) == ("close", True)
    assert not house.mta.tracing._taps


@pytest.mark.parametrize(
    ("step", "answer", "end"),
    [
        ("MAIL", SILENCE, "* cut off by us: 451 4.4.2 "),
        ("GREETING", SILENCE, "* not opened: 451 4.4.2 "),
        ("EHLO", SILENCE, "* not opened: 451 4.4.2 "),
        ("MAIL", CLOSE, "* by the peer"),
        ("GREETING", "421 4.3.2 busy", "* not opened: 421 4.3.2 busy"),
    ],
)
async def test_how_a_session_of_ours_comes_to_an_end(world, step, answer, end):
    sink = await world.sink("b.example")
    sink.script(step, answer, times=100)
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    events = []
    for _ in range(200):
        events += await seen(looker)
        if any(event.kind == "close" for event in events):
            break
        await world.advance(20.0)
    (first, *_) = [line for line, event in zip(script(events), events, strict=True) if event.kind == "close"]
    assert first.startswith(end)


async def test_a_client_that_is_too_slow_hears_it_and_so_does_who_looks_on(world):
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.greet()
    events = []

    async def is_over():
        events.extend(await seen(looker))
        return any(event.kind == "close" for event in events)

    while not await is_over():
        await world.advance(6.0)
    assert [line[:12] for line in script(events)[-2:]] == ["> 421 4.4.2 ", "* by us"]


async def test_qmtp_is_shown_as_the_smtp_that_it_means(world):
    address = world.address()
    taker = await world.mta(
        "b.example",
        listener=[{"address": address, "port": world.port, "role": "qmtp"}],
        local={"domains": ["b.example"], "mailboxes": "any"},
    )
    route = [{"recipient": "b.example", "via": "qmtp", "hosts": [f"{address}:{world.port}"]}]
    house = await world.mta("a.example", route=route)
    here, there = house.mta.trace(Wanted()), taker.mta.trace(Wanted())
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    assert len(taker.mailbox("you")) == 1
    assert any(line.endswith("octets") and line.startswith("> ...") for line in script(await seen(here)))
    lines = script(await seen(there))
    assert "< MAIL FROM:<me@a.example>" in str(lines)
    assert "How are you" not in str(lines)


async def test_stopping_ends_it(world):
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.close()
    assert looker.is_closed


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_large_content_goes_by_and_is_counted(world, size):
    sink = await world.sink("b.example")
    house = await world.mta("a.example")
    content = b"Subject: big\r\n\r\n" + (b"x" * 98 + b"\r\n") * (size // 100)
    first = house.mta.trace(Wanted(site="mx.b.example"))
    await house.mta.submit("me@a.example", ["you@b.example"], content)
    await world.idle()
    lines = script(await seen(first))
    (announced,) = [line for line in lines if line.startswith("> BDAT ")]
    assert f"> ... {int(announced.split()[2]):,} octets of content" in lines
    first.close()
    second = house.mta.trace(Wanted(content=True))  # the session that rests had a tap
    await house.mta.submit("me@a.example", ["you@b.example"], content)
    await world.idle()
    events = await seen(second)
    assert "> Subject: big" in script(events)
    assert any(event.kind == "content" for event in events)
    assert len(events) < 200
    assert [each.content.endswith(content) for each in sink.messages] == [True, True]
    assert sink.sessions_seen == 1


async def test_somebody_begins_to_look_on_while_a_session_is_opened(world):
    sink = await world.sink("b.example")
    house = await world.mta("a.example")
    lookers = []

    def look_on(_):
        lookers.append(house.mta.trace(Wanted()))

    sink.script("EHLO", look_on)
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    (looker,) = lookers
    lines = script(await seen(looker))
    assert lines[0] == "> MAIL FROM:<me@a.example> SIZE=" + lines[0].rpartition("=")[2]
    assert "< 250 2.0.0 Taken" in lines
    assert len(sink.messages) == 1


async def test_an_attempt_to_open_a_session_is_cut_off(world):
    sink = await world.sink("b.example")
    sink.script("GREETING", SILENCE)
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.soon(lambda: sink.sessions_seen)
    await house.close()
    assert script(await seen(looker))[-1] == "* not opened: given up"


async def test_a_server_that_goes_away_before_it_lets_us_in(world):
    sink = await world.sink("b.example")
    sink.script("EHLO", CLOSE)
    house = await world.mta("a.example")
    looker = house.mta.trace(Wanted())
    await house.mta.submit("me@a.example", ["you@b.example"], CONTENT)
    await world.idle()
    *_, last = script(await seen(looker))
    assert last.startswith("* not opened: 451 4.4.2 ")

"""Mail that goes where a route says: held, discarded, refused, by MX, or to a smarthost with a password over TLS."""

from __future__ import annotations

import ssl

import pytest
import trustme

from asyncmta.testing.smtp_sink import SinkSettings
from tests.incidents.incidentkit import failed_recipients, without_received

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
PROVIDER = "smtp.provider.example"


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """Whom this machine trusts."""
    authority = trustme.CA()
    file = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return authority


def context_of(authority, *names):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
async def provider(world, authority):
    """A smarthost that offers STARTTLS and AUTH, and takes nothing without."""
    settings = SinkSettings(tls=context_of(authority, PROVIDER), logins={"relay": "se cret"})
    return await world.sink(host=PROVIDER, settings=settings)


def smarthost(sink, host=PROVIDER, **keys):
    route = {"recipient": "*", "via": "smarthost", "hosts": [f"{host}:{sink.address[1]}"], **keys}
    return {"route": [route]}


LOGIN = {"username": "relay", "password": "se cret"}


async def test_auth_plain_over_tls_that_is_verified(world, provider):
    mta = await world.mta("a.example", **smarthost(provider, tls="verify", **LOGIN))
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@c.example", "alice@a.example"], CONTENT)
    await world.idle()
    [message] = provider.messages
    assert (message.tls, message.login, message.helo) == (True, "relay", "mx.a.example")
    assert message.recipients == ("bob@b.example", "carol@c.example")
    assert without_received(message.content).endswith(CONTENT)
    assert not provider.violations
    assert len(mta.mailbox("alice")) == 1  # "*" does not take away what is ours
    assert set(world.resolver.asked) == {("A", PROVIDER)}
    assert [line["tls"] for line in mta.events("delivered") if line["remote_host"]] == ["TLSv1.3", "TLSv1.3"]
    auths = [line for _, line in provider.commands if line.startswith("AUTH")]
    assert [line.split()[1] for line in auths] == ["PLAIN"]
    assert b"se cret" not in mta.log.getvalue()


async def test_a_certificate_of_a_stranger_is_not_trusted_with_the_password(world, tmp_path):
    """It waits, and the password stays here."""
    settings = SinkSettings(tls=context_of(trustme.CA(), PROVIDER), logins={"relay": "se cret"})
    sink = await world.sink(host=PROVIDER, settings=settings)
    mta = await world.mta("a.example", **smarthost(sink, tls="verify", **LOGIN))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    [row] = mta.mta.queue()
    assert row.recipients[0].last_reply.startswith("451 4.7.5")
    assert not any(line.startswith(("AUTH", "MAIL")) for _, line in sink.commands)


async def test_a_certificate_for_another_name(world, authority):
    settings = SinkSettings(tls=context_of(authority, "another.example"), logins={"relay": "se cret"})
    sink = await world.sink(host=PROVIDER, settings=settings)
    mta = await world.mta("a.example", **smarthost(sink, tls="verify", **LOGIN))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    assert len(mta.mta.queue()) == 1
    assert not any(line.startswith(("AUTH", "MAIL")) for _, line in sink.commands)


async def test_a_smarthost_without_tls_gets_no_password(world):
    sink = await world.sink(host=PROVIDER, settings=SinkSettings(logins={"relay": "se cret"}))
    mta = await world.mta("a.example", **smarthost(sink, tls="require", **LOGIN))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    [row] = mta.mta.queue()
    assert "STARTTLS" in row.recipients[0].last_reply
    assert not any(line.startswith("AUTH") for _, line in sink.commands)


async def test_a_password_that_is_wrong_bounces_nothing(world, provider):
    """A password that has expired is the operator's trouble, not the senders'."""
    mta = await world.mta("a.example", **smarthost(provider, tls="verify", username="relay", password="old"))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    [row] = mta.mta.queue()
    assert "AUTH refused" in row.recipients[0].last_reply
    assert provider.messages == []
    assert mta.mailbox("alice") == []


async def test_the_second_smarthost_when_the_first_is_gone(world, provider):
    dead = f"{world.address()}:{world.port}"
    route = smarthost(provider, tls="verify")["route"][0]
    route["hosts"].insert(0, dead)
    mta = await world.mta("a.example", route=[route])
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    assert len(provider.messages) == 1


async def test_hold_waits_for_an_operator(world):
    sink = await world.sink("b.example")
    mta = await world.mta("a.example", route=[{"recipient": "b.example", "sender": "*@a.example", "via": "hold"}])
    assert (await mta.send("alice@a.example", ["bob@b.example"], CONTENT))[-1] == 250
    await mta.send("else@y.example", ["bob@b.example"], CONTENT)
    await world.run()
    assert [message.reverse_path for message in sink.messages] == ["else@y.example"]
    [row] = mta.mta.queue()
    assert (row.state, row.recipients[0].next_hop, row.recipients[0].next_due) == ("held", "hold", None)
    assert await mta.mta.release() == 1  # the route holds it still
    await world.idle()
    assert [row.state for row in mta.mta.queue()] == ["held"]
    mta.tables["route"] = []
    await mta.reopen()
    await world.idle()
    assert len(sink.messages) == 2
    assert mta.mta.queue() == []


async def test_discard_takes_it_and_says_so_in_the_log(world):
    sink = await world.sink("b.example")
    mta = await world.mta("a.example", route=[{"recipient": "bob@b.example", "via": "discard"}])
    assert (await mta.send("alice@a.example", ["bob@b.example", "carol@b.example"], CONTENT))[-1] == 250
    await world.run()
    assert [message.recipients for message in sink.messages] == [("carol@b.example",)]
    assert [line["recipient"] for line in mta.events("delivered") if line.get("discarded")] == ["bob@b.example"]
    assert mta.mailbox("alice") == []
    assert mta.mta.queue() == []


async def test_reject_refuses_at_rcpt_and_bounces_from_the_api(world):
    mta = await world.mta("a.example", route=[{"recipient": ".bad.example", "via": "reject"}])
    async with mta.client() as client:
        await client.hello()
        replies = await client.send_message("alice@a.example", ["x@very.bad.example"], CONTENT)
    assert [str(reply) for reply in replies[1:]] == ["550 5.7.1 Refused by a rule of the postmaster"]
    await mta.mta.submit("alice@a.example", ["x@very.bad.example"], CONTENT)
    await world.run()
    [report] = mta.mailbox("alice")
    assert failed_recipients(report) == ["x@very.bad.example"]


async def test_mx_before_a_smarthost(world, provider):
    """The first route that matches decides: one domain by its MX, all else to the provider."""
    sink = await world.sink("b.example")
    routes = [{"recipient": "b.example", "via": "mx"}, *smarthost(provider, tls="verify")["route"]]
    mta = await world.mta("a.example", route=routes)
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@c.example"], CONTENT)
    await world.idle()
    assert [message.recipients for message in sink.messages] == [("bob@b.example",)]
    assert [message.recipients for message in provider.messages] == [("carol@c.example",)]


async def test_routes_of_today_decide_for_mail_of_yesterday(world):
    """It waited for a next hop that is gone for good; the operator routes it elsewhere and starts again."""
    mta, elsewhere = await world.mta("a.example"), await world.sink("elsewhere.example")
    world.resolver.set("b.example", "server failure")
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    host, port = elsewhere.address
    mta.tables["route"] = [{"recipient": "b.example", "via": "smarthost", "hosts": [f"{host}:{port}"], "tls": "none"}]
    await mta.reopen()
    assert await mta.mta.retry() == 1
    await world.idle()
    assert [message.recipients for message in elsewhere.messages] == [("bob@b.example",)]


async def test_opportunistic_tls_by_mx(world, authority):
    """A certificate that nobody vouches for is better than none; without any it goes in clear."""
    mta = await world.mta("a.example")
    settings = SinkSettings(tls=context_of(trustme.CA(), "whatever.example"))
    sealed, open_one = await world.sink("b.example", settings=settings), await world.sink("c.example")
    await mta.mta.submit("alice@a.example", ["bob@b.example", "carol@c.example"], CONTENT)
    await world.idle()
    assert [message.tls for message in (*sealed.messages, *open_one.messages)] == [True, False]


async def test_a_level_of_tls_by_mx_is_of_its_domain_alone(world, authority):
    """Two domains with one exchanger, one of which demands TLS: they share no session, and only the one waits."""
    sink = await world.sink("safe.example", "open.example", host="mx.shared.example")
    route = {"recipient": "safe.example", "via": "mx", "tls": "require"}
    mta = await world.mta("a.example", route=[route])
    await mta.mta.submit("alice@a.example", ["bob@safe.example", "carol@open.example"], CONTENT)
    await world.idle()
    assert [message.recipients for message in sink.messages] == [("carol@open.example",)]
    [row] = mta.mta.queue()
    assert "STARTTLS" in row.recipients[0].last_reply


@pytest.mark.parametrize(("level", "count"), [("verify", 1), ("opportunistic", 2), ("none", 2)])
async def test_the_level_of_all_exchangers(world, authority, level, count):
    """One shows a certificate that is right, the other one of nobody."""
    good = await world.sink("good.example", settings=SinkSettings(tls=context_of(authority, "mx.good.example")))
    other = await world.sink("other.example", settings=SinkSettings(tls=context_of(trustme.CA(), "mx.other.example")))
    mta = await world.mta("a.example", remote={"tls": level})
    await mta.mta.submit("alice@a.example", ["bob@good.example", "carol@other.example"], CONTENT)
    await world.idle()
    messages = good.messages + other.messages
    assert len(messages) == count
    assert {message.tls for message in messages} == {level != "none"}


async def test_a_smarthost_that_wants_a_certificate_of_ours(world, authority, tmp_path):
    """And at a port of its own speaks TLS from the first octet."""
    context = context_of(authority, PROVIDER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    issued = authority.issue_cert("mx.a.example")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "mine.pem")
    sink = await world.sink(host=PROVIDER, settings=SinkSettings(tls=context, implicit_tls=True))
    keys = {"certificate": str(tmp_path / "mine.pem"), "implicit_tls": True}
    mta = await world.mta("a.example", **smarthost(sink, **keys))
    await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
    await world.idle()
    assert len(sink.messages) == 1
    assert not mta.mta.queue()


async def test_tls_that_is_broken_is_told_of_once(world):
    """Opportunistic: mail goes in clear, and one line in the log says so for the host, not one for each message."""
    settings = SinkSettings(tls=context_of(trustme.CA(), "mx.b.example"))
    sink = await world.sink("b.example", settings=settings)
    mta = await world.mta("a.example", remote={"messages_per_session": 1})
    for number in range(1, 4):
        sink.script("STARTTLS", "454 4.7.0 not now")
        await mta.mta.submit("alice@a.example", ["bob@b.example"], CONTENT)
        await world.idle()
        assert len(sink.messages) == number
    assert [line["host"] for line in mta.events("tls_fallback")] == ["mx.b.example"]
    assert mta.events("deferred") == []

"""A smarthost that takes access tokens only, and an authority whose tokens live for a minute: mail flows across their
end, and nobody has to wait for the next attempt."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from asyncmta import Mta, Settings
from asyncmta.testing.smtp_sink import SinkSettings, SmtpSink

CONTENT = b"Subject: hello\r\n\r\nx\r\n"
PROVIDER = "smtp.provider.example"
ME = "me@a.example"


class Authority:
    """A token endpoint. What it gives is good for `life` seconds of `now`, or until it is revoked."""

    def __init__(self, now, life=60.0, said=None):
        self.now = now
        self.life = life
        self.said = life if said is None else said
        self.good: dict[str, float] = {}
        self.given = 0
        self.is_down = False
        self.server = None

    async def start(self):
        app = web.Application()
        app.router.add_post("/token", self._answer)
        self.server = TestServer(app)
        await self.server.start_server()
        return str(self.server.make_url("/token"))

    async def _answer(self, request):
        form = await request.post()
        assert (form["grant_type"], form["client_id"], form["client_secret"]) == ("refresh_token", "we", "hush")
        if self.is_down:
            raise web.HTTPServiceUnavailable
        if form["refresh_token"] != "r1":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.given += 1
        token = f"token-{self.given}"
        self.good[token] = self.now() + self.life
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.said})

    def is_good(self, user, token):
        return user == ME and self.good.get(token, 0.0) > self.now()


@pytest.fixture
def certificates(tmp_path, monkeypatch):
    authority = trustme.CA()
    file = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(PROVIDER, "localhost").configure_cert(context)
    return context


@pytest_asyncio.fixture
async def begin():
    authorities = []

    async def start(authority):
        authorities.append(authority)
        return await authority.start()

    yield start
    for authority in authorities:
        await authority.server.close()


def route(url, host, **keys):
    return {
        "via": "smarthost",
        "hosts": [host],
        "username": ME,
        "token_url": url,
        "client_id": "we",
        "client_secret": "hush",
        "refresh_token": "r1",
        **keys,
    }


async def with_smarthost(world, authority, url, context, **keys):
    settings = SinkSettings(tls=context, check_token=authority.is_good)
    sink = await world.sink(host=PROVIDER, settings=settings)
    house = await world.mta(route=[route(url, f"{PROVIDER}:{world.port}", **keys)])
    return house, sink


async def sent(world, house, sink, count, every):
    """Messages one at a time until there are so many, with so much time between them that each has its own session."""
    for number in range(len(sink.messages) + 1, count + 1):
        await house.send(ME, ["you@elsewhere.example"], CONTENT)
        await world.idle()
        assert len(sink.messages) == number
        await world.advance(every)


@pytest.mark.parametrize("auth", ["auto", "oauthbearer"])
async def test_mail_flows_across_the_end_of_tokens(world, certificates, begin, auth):
    authority = Authority(world.clock.now)
    house, sink = await with_smarthost(world, authority, await begin(authority), certificates, auth=auth)
    await sent(world, house, sink, 30, 25.0)
    assert house.events("deferred") == []
    assert house.events("token_failed") == []
    assert {message.login for message in sink.messages} == {ME}
    assert 10 <= authority.given <= 20  # in 750 seconds
    assert not any("535" in line for _, line in sink.commands)
    assert sink.violations == []


async def test_tokens_that_die_before_their_time(world, certificates, begin):
    """They are said to live for an hour and are revoked after a minute: the smarthost says so, and one AUTH later the
    next one is taken, in the same attempt."""
    authority = Authority(world.clock.now, said=3600)
    house, sink = await with_smarthost(world, authority, await begin(authority), certificates)
    await sent(world, house, sink, 10, 61.0)
    assert house.events("deferred") == []
    assert authority.given == 10
    assert sink.sessions_seen == 10


async def test_an_authority_that_is_down_for_a_while(world, certificates, begin):
    """The token of before is used as long as it lives, then mail waits, and none comes back."""
    authority = Authority(world.clock.now)
    house, sink = await with_smarthost(world, authority, await begin(authority), certificates)
    await sent(world, house, sink, 1, 45.0)  # two thirds of its life are over
    authority.is_down = True
    await sent(world, house, sink, 2, 0.0)
    await world.soon(lambda: house.events("token_failed"))
    (failure,) = house.events("token_failed")
    assert failure["reason"].endswith("the answer is 503, and no JSON object")
    assert house.events("deferred") == []
    await world.advance(30.0)
    await house.send(ME, ["you@elsewhere.example"], CONTENT)
    await world.idle()
    (deferred,) = house.events("deferred")
    assert "no access token" in deferred["reply"]
    authority.is_down = False
    await world.run()
    assert len(sink.messages) == 3
    assert b"hush" not in house.log.getvalue()
    assert b"token-" not in house.log.getvalue()


async def test_in_real_time_a_token_is_revoked_between_two_messages(tmp_path, certificates, begin):
    """Nothing waits for time to pass: the authority takes back what it has given."""
    clock = asyncio.get_running_loop().time
    authority = Authority(clock, life=3600.0)
    url = await begin(authority)
    sink_settings = SinkSettings(tls=certificates, check_token=authority.is_good)
    async with SmtpSink(sink_settings) as sink:
        settings = Settings.from_dict(
            {
                "hostname": "mx.a.example",
                "spool": str(tmp_path / "spool"),
                "listener": [{"port": 0}],
                "route": [route(url, f"localhost:{sink.address[1]}")],
                "remote": {"messages_per_session": 1},
            }
        )
        async with Mta(settings) as mta:
            for number in range(1, 6):
                await mta.submit(ME, ["you@elsewhere.example"], CONTENT)
                await sink.wait_for(number)
                await mta.idle(timeout=10)
                authority.good.clear()
            assert mta.next_due() is None
            assert list(mta.queue()) == []
        assert authority.given == 5
        assert sink.sessions_seen == 5

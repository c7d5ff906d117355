"""null_client: no queue; the dot is answered with what the smarthost said."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.inbound.handover import reply_of
from asyncmta.mail import replies
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.mail.reply import Reply, reply
from asyncmta.null_client import NullClient
from asyncmta.testing.client import RawClient
from asyncmta.testing.dns import FakeResolver
from asyncmta.testing.sink_values import SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink

CONTENT = b"Subject: x\r\n\r\n.hello\r\n"


class House:
    def __init__(self, mta: NullClient, sink: SmtpSink, log: io.BytesIO) -> None:
        self.mta = mta
        self.sink = sink
        self._log = log

    async def send(self, *recipients: str, content: bytes = CONTENT) -> Reply:
        """The reply to the dot, or the last one before it that was a no."""
        async with RawClient(*self.mta.addresses[0]) as client:
            await client.hello()
            return (await client.send_message("a@a.example", list(recipients), content))[-1]

    def events(self, name: str) -> list[dict[str, Any]]:
        self.mta.maillog.flush()
        lines = map(json.loads, self._log.getvalue().decode().splitlines())
        return [line for line in lines if line["event"] == name]


@asynccontextmanager
async def null_client(folder: Any, settings: SinkSettings | None = None, **tables: Any) -> AsyncIterator[House]:
    sink = SmtpSink(settings)
    await sink.start()
    host, port = sink.address
    tree = {
        "mode": "null-client",
        "hostname": "box.example",
        "spool": "spool",
        "listener": [{"port": 0}],
        "route": [{"via": "smarthost", "hosts": [f"{host}:{port}"], "tls": "none"}],
        "log": {"format": "json"},
        **tables,
    }
    log = io.BytesIO()
    try:
        async with NullClient(Settings.from_dict(tree, folder=folder), resolver=FakeResolver(), log_stream=log) as mta:
            yield House(mta, sink, log)
    finally:
        await sink.stop()
    assert list(folder.iterdir()) == []


async def test_a_message_is_handed_over_before_the_250(tmp_path: Any) -> None:
    async with null_client(tmp_path) as house:
        assert house.mta.not_ready() == []
        said = await house.send("x@b.example", "y@c.example")
        (message,) = house.sink.messages
        assert said.code == 250
        assert message.recipients == ("x@b.example", "y@c.example")
        assert message.content.endswith(CONTENT)
        assert message.content.startswith(b"Received: from ")
        assert [line["recipient"] for line in house.events("delivered")] == ["x@b.example", "y@c.example"]
        assert len(house.events("accepted")) == 1


async def test_large_content_and_the_postmaster_too(tmp_path: Any) -> None:
    async with null_client(tmp_path) as house:
        content = CONTENT + b"some text in a large message\r\n" * 50_000
        assert (await house.send("postmaster@box.example", content=content)).code == 250
        (message,) = house.sink.messages
        assert message.content.endswith(content)


async def test_a_smarthost_that_is_not_there(tmp_path: Any) -> None:
    async with null_client(tmp_path) as house:
        await house.sink.stop()
        said = await house.send("x@b.example")
        assert (said.code, str(said.enhanced)) == (451, "4.4.1")
        assert len(house.events("deferred")) == 1
        assert house.events("accepted") == []
        again = await house.send("x@b.example")  # while the site is given up for a while
        assert (again.code, str(again.enhanced)) == (451, "4.4.1")


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DOT"])
async def test_what_the_smarthost_refuses_is_refused_by_us(tmp_path: Any, step: str) -> None:
    async with null_client(tmp_path) as house:
        house.sink.script(step, "550 5.7.1 not for you")
        assert await house.send("x@b.example") == reply(550, "5.7.1", "not for you")
        assert len(house.events("failed")) == 1
        assert (await house.send("x@b.example")).code == 250


async def test_one_recipient_that_is_refused_refuses_the_message(tmp_path: Any) -> None:
    async with null_client(tmp_path) as house:
        house.sink.script("RCPT", "550 5.1.1 nobody", contains="y@b.example")
        assert await house.send("x@b.example", "y@b.example") == reply(550, "5.1.1", "nobody")
        assert [message.recipients for message in house.sink.messages] == [("x@b.example",)]
        assert (len(house.events("delivered")), len(house.events("failed"))) == (1, 1)


async def test_one_transaction_whatever_the_number_of_recipients(tmp_path: Any) -> None:
    async with null_client(tmp_path) as house:
        assert (await house.send(*(f"x{number}@b.example" for number in range(250)))).code == 250
        assert [len(message.recipients) for message in house.sink.messages] == [250]


async def test_a_submission_gets_what_it_lacks_and_is_not_held_back(tmp_path: Any) -> None:
    listener = {"port": 0, "role": "submission", "allow_plaintext_auth": True}
    async with null_client(tmp_path, listener=[listener]) as house, RawClient(*house.mta.addresses[0]) as client:
        assert "FUTURERELEASE" not in (await client.hello()).text
        assert (await client.command("MAIL FROM:<a@a.example>")) == replies.AUTH_REQUIRED


async def test_too_many_hops(tmp_path: Any) -> None:
    async with null_client(tmp_path, limits={"hops": 10}) as house:
        assert await house.send("x@b.example", content=b"Received: x\r\n" * 11 + CONTENT) == replies.TOO_MANY_HOPS
        assert house.sink.messages == []


def test_the_worst_is_what_is_said() -> None:
    yes, no = Delivered(reply(250, "2.0.0", "yes")), Failed(Cause.REFUSED, reply(550, "5.1.1", "no"))
    later = Deferred(Cause.REFUSED, reply(452, "4.2.2", "later"))
    assert reply_of([yes, yes]) == yes.reply
    assert reply_of([yes, later]) == later.reply
    assert reply_of([later, no, yes]) == no.reply
    assert reply_of([Deferred(Cause.REFUSED, reply(421, "4.3.2", "bye")), yes]) == replies.NEXT_HOP_UNREACHABLE


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({}, "needs either smarthost"),
        ({"smarthost": "a.example:25", "route": [{"via": "smarthost", "hosts": ["b.example:25"]}]}, "needs either"),
        ({"route": [{"via": "hold"}]}, "needs either smarthost"),
        ({"smarthost": "a.example:25", "local": {"domains": ["b.example"]}}, "has no mailboxes"),
    ],
)
def test_settings_that_cannot_be(tree: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidConfig, match=fault):
        Settings.from_dict({"mode": "null-client", **tree})


def test_two_variables_are_enough() -> None:
    settings = Settings.load(environ={"ASYNCMTA_MODE": "null-client", "ASYNCMTA_SMARTHOST": "mail.example:587"})
    assert (settings.mode, settings.smarthost) == ("null-client", "mail.example:587")

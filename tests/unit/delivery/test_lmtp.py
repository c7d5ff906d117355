"""Delivery by LMTP: over a Unix socket and over TCP, with a result for each recipient."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from asyncmta.delivery.client_tls import TlsContexts
from asyncmta.delivery.introductions import Introductions
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed
from asyncmta.routing import Smarthost
from tests.unit.delivery.conftest import CONTENT, Post, Scripted

HELLO = b"250-store\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
FOR_TWO = b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 go on\r\n"
OPENING = [(b"", b"220 store LMTP\r\n"), (b"LHLO us.example\r\n", HELLO)]


class OnUnix(Scripted):
    """A server that plays its part on a Unix socket."""

    def __init__(self, path: Path, *parts: Any) -> None:
        super().__init__(*parts)
        self.path = path

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self


def store(post: Post, *hosts: str, tls: str = "opportunistic") -> str:
    destination = f"lmtp:{len(post.routes)}"
    post.routes[destination] = Smarthost(destination, hosts, tls, protocol="lmtp")
    return destination


async def outcomes(post: Post, to: str, *recipients: str) -> list[Any]:
    before = len(post.results.of)
    consignment = post.send(*recipients, to=to)
    await post.results.wait_for(before + 1)
    return [post.results.outcome(consignment, ordinal) for ordinal in consignment.ordinals]


async def test_a_unix_socket_and_a_result_for_each(post: Post, tmp_path: Path) -> None:
    answers = b"250 2.0.0 <a@x.example> saved\r\n552 5.2.2 <b@x.example> quota\r\n"
    part = [*OPENING, (b"DATA\r\n", FOR_TWO), (b"\r\n.\r\n", answers), (b"DATA\r\n", FOR_TWO), (b"\r\n.\r\n", answers)]
    async with OnUnix(tmp_path / "LMTP", part) as server:
        to = store(post, f"unix:{tmp_path}/LMTP")
        first, second = await outcomes(post, to, "a@x.example", "b@x.example")
        assert isinstance(first, Delivered)
        assert str(second.reply) == "552 5.2.2 <b@x.example> quota"
        assert isinstance(second, Failed)
        assert (first.place.host, first.place.ip, first.place.tls) == ("localhost", "", "")
        again = await outcomes(post, to, "a@x.example", "b@x.example")
        assert [type(outcome) for outcome in again] == [Delivered, Failed]
        (got,) = server.got  # one connection for both
        assert b"EHLO" not in got
        assert got.count(b"".join(CONTENT) + b".\r\n") == 2
    (view,) = post.transport.sites()
    assert view.key == f"lmtp:unix:{tmp_path}/LMTP opportunistic"
    assert post.resolver.asked == []


async def test_over_tcp_at_the_next_host_when_the_first_is_gone(
    post: Post, scripted: type[Scripted], tmp_path: Path
) -> None:
    part = [*OPENING, (b"DATA\r\n", b"250 ok\r\n250 ok\r\n354 go on\r\n"), (b"\r\n.\r\n", b"250 2.0.0 saved\r\n")]
    async with scripted(part) as server:
        host, port = server.address
        to = store(post, f"unix:{tmp_path}/none", f"{host}:{port}")
        (outcome,) = await outcomes(post, to, "a@x.example")
        assert isinstance(outcome, Delivered)
        assert outcome.place.ip == host


async def test_a_store_that_is_not_there_defers(post: Post, tmp_path: Path) -> None:
    (outcome,) = await outcomes(post, store(post, f"unix:{tmp_path}/none"), "a@x.example")
    assert isinstance(outcome, Deferred)
    assert outcome.cause is Cause.CONNECT
    assert "No such file or directory" in outcome.reply.text


@pytest.mark.parametrize("answer", [b"500 5.5.1 what\r\n", b"421 4.3.2 not now\r\n"])
async def test_who_refuses_lhlo_is_not_asked_in_smtp(post: Post, tmp_path: Path, answer: bytes) -> None:
    part = [(b"", b"220 x\r\n"), (b"LHLO us.example\r\n", answer)]
    async with OnUnix(tmp_path / "s", part) as server:
        (outcome,) = await outcomes(post, store(post, f"unix:{tmp_path}/s"), "a@x.example")
        assert isinstance(outcome, Deferred)  # an operator named the host, so that nothing bounces
        assert b"HELO" not in server.got[0].replace(b"LHLO", b"")


async def test_a_cut_after_some_answers_defers_the_others_alone(post: Post, tmp_path: Path) -> None:
    part = [*OPENING, (b"DATA\r\n", FOR_TWO), (b"\r\n.\r\n", b"250 2.0.0 saved\r\n"), (b"", None)]
    async with OnUnix(tmp_path / "s", part):
        first, second = await outcomes(post, store(post, f"unix:{tmp_path}/s"), "a@x.example", "b@x.example")
        assert (type(first), type(second)) == (Delivered, Deferred)


async def test_starttls_and_then_lhlo_once_more(
    make_post: Callable[..., Post], server_tls: ssl.SSLContext, client_tls: TlsContexts
) -> None:
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 store LMTP\r\n")
        said.append(await reader.readline())
        writer.write(b"250-store\r\n250 STARTTLS\r\n")
        said.append(await reader.readline())
        writer.write(b"220 go\r\n")
        await writer.drain()
        await writer.start_tls(server_tls)
        for answer in (b"250-store\r\n250 PIPELINING\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            said.append(await reader.readline())
            writer.write(answer)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 saved\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        post = make_post()
        post.dialer.introductions = Introductions(clock=post.dialer.clock, contexts=client_tls)
        to = store(post, f"localhost:{server.sockets[0].getsockname()[1]}", tls="verify")
        (outcome,) = await outcomes(post, to, "a@x.example")
        assert isinstance(outcome, Delivered)
        assert outcome.place.tls.startswith("TLSv1.")
        assert [line[:8] for line in said[:3]] == [b"LHLO us.", b"STARTTLS", b"LHLO us."]
        await post.transport.close()


async def test_a_unix_socket_with_a_full_queue_is_not_taken_for_open(post: Post, tmp_path: Path) -> None:
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        waiting = []
        try:
            while True:
                one = socket.socket(socket.AF_UNIX)
                one.setblocking(False)
                waiting.append(one)
                one.connect(path)
        except BlockingIOError:
            pass
        (outcome,) = await outcomes(post, store(post, f"unix:{path}"), "a@x.example")
        assert isinstance(outcome, Deferred)
        assert outcome.cause is Cause.CONNECT
        for one in waiting:
            one.close()

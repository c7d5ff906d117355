"""policy/service: a client of policy services over real sockets, with services that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from asyncmta.policy.delegation import MAX_ANSWER
from asyncmta.policy.service import MOST_LINES, Endpoint, PolicyService, ServiceFailed
from asyncmta.policy.verdict import Verdict
from asyncmta.testing.clock import FakeClock
from tests.unit.policy.policykit import about

HOLD = Verdict("hold", by="policy service")


class Service:
    """Answers each request by the next thing of `script` (the last again and again): octets, or None to close. `hangs`:
    it reads and says nothing."""

    def __init__(self, *script: bytes | None, hangs: bool = False) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self.hangs = hangs
        self.heard = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\n\n"))
                self.heard.set()
                if self.hangs:
                    continue
                said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()


Begin = Callable[[Service], "asyncio.Future[PolicyService]"]


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def begin(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Callable[..., object]]:
    running = []

    async def start(service: Service) -> PolicyService:
        path = str(tmp_path / "policy.sock")
        server = await asyncio.start_unix_server(service.serve, path)
        client = PolicyService(clock=clock, endpoint=Endpoint(path=path), timeout=10.0)
        running.append((server, service, client))
        return client

    yield start
    for server, service, client in running:
        client.close()
        service.hang_up()
        server.close()


async def test_a_question_and_its_answer_on_one_connection(begin) -> None:
    service = Service(b"action=HOLD\n\n", b"action=DUNNO\n\n")
    client = await begin(service)
    assert await client.ask(about()) == HOLD
    assert await client.ask(about()) is None
    assert service.connections == 1
    assert service.requests[0].startswith(b"request=smtpd_access_policy\nprotocol_state=RCPT\n")


async def test_an_answer_that_comes_in_pieces(begin) -> None:
    service = Service(b"acti")
    client = await begin(service)
    asking = asyncio.ensure_future(client.ask(about()))
    await service.heard.wait()
    service._writers[0].write(b"on=HOLD\n")
    await service._writers[0].drain()
    service._writers[0].write(b"\n")
    assert await asking == HOLD


async def test_over_tcp() -> None:
    service = Service(b"action=HOLD\n\n")
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = PolicyService(clock=FakeClock(), endpoint=Endpoint(host=host, port=port), timeout=10.0)
    assert str(client.endpoint) == f"inet:127.0.0.1:{port}"
    assert await client.ask(about()) == HOLD
    client.close()
    service.hang_up()
    server.close()


async def test_a_connection_that_was_closed_while_idle_is_made_anew(begin) -> None:
    service = Service(b"action=HOLD\n\n")
    client = await begin(service)
    await client.ask(about())
    service.hang_up()
    assert await client.ask(about()) == HOLD
    assert service.connections == 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "closed the connection"),
        (b"nonsense\n\n", "without an action"),
        (b"action=HOLD\n\naction=OK\n\n", "more than one"),
        (b"action=FILTER x:\n\n", "do not have"),
        (b"x" * (MAX_ANSWER + 1), "without end"),
    ],
)
async def test_what_is_no_answer_is_never_taken_for_one_and_ends_the_connection(begin, said, reason) -> None:
    service = Service(said)
    client = await begin(service)
    with pytest.raises(ServiceFailed, match=reason):
        await client.ask(about())
    service.script = [b"action=HOLD\n\n"]
    assert await client.ask(about()) == HOLD
    assert service.connections == 2


async def test_half_an_answer(begin) -> None:
    service = Service(b"action=HO")
    client = await begin(service)
    asking = asyncio.ensure_future(client.ask(about()))
    await service.heard.wait()
    service._writers[0].write_eof()
    with pytest.raises(ServiceFailed, match="within an answer"):
        await asking


async def test_no_answer_in_time_and_the_late_one_is_not_for_the_next_question(begin, clock) -> None:
    service = Service(b"", hangs=True)
    client = await begin(service)
    asking = asyncio.ensure_future(client.ask(about()))
    await service.heard.wait()
    clock.advance(10.0)
    with pytest.raises(ServiceFailed, match="10 s"):
        await asking
    service.hangs, service.script = False, [b"action=DUNNO\n\n"]
    assert await client.ask(about()) is None
    assert service.connections == 2


async def test_nobody_there(tmp_path: Path) -> None:
    client = PolicyService(clock=FakeClock(), endpoint=Endpoint(path=str(tmp_path / "no")), timeout=10.0)
    with pytest.raises(ServiceFailed, match="No such file"):
        await client.ask(about())


async def test_so_many_connections_and_the_others_wait_their_turn_within_their_time(begin, clock) -> None:
    service = Service(b"", hangs=True)
    client = await begin(service)
    asking = [asyncio.ensure_future(client.ask(about())) for _ in range(MOST_LINES + 3)]
    while len(service.requests) < MOST_LINES:
        service.heard.clear()
        await service.heard.wait()
    clock.advance(10.0)
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, ServiceFailed) for one in found)
    assert service.connections == MOST_LINES

"""auth/dovecot against a scripted server on a real socket: what it says, when it is silent, gone, or somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from asyncmta.auth import dovecot
from asyncmta.auth.dovecot import TIMEOUT, Dovecot
from asyncmta.auth.source import Attempt, Granted, No
from asyncmta.testing.clock import FakeClock
from tests.unit.auth.authkit import Log

GREETING = (
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\n"
    b"MECH\tSCRAM-SHA-256\tmutual-auth\nSPID\t1\nCUID\t1\nCOOKIE\tabc\nDONE\n"
)
PLAIN = Attempt("PLAIN", "192.0.2.1", True)


class Server:
    """Says its greeting, then for each request what the test laid out for it: `%d` stands for its number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.greeting = GREETING
        self.answers: list[bytes] = []
        self.heard: list[bytes] = []
        self.came = asyncio.Event()
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        self.path.unlink(missing_ok=True)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        writer.write(self.greeting)
        while line := await reader.readline():
            self.heard.append(line)
            self.came.set()
            word, number, *_ = line.split(b"\t")
            if word in (b"AUTH", b"CONT") and self.answers:
                answer = self.answers.pop(0)
                if answer == b"hang up":
                    writer.close()
                    return
                writer.write(answer.replace(b"%d", number.strip()))

    async def hears(self, word: bytes) -> bytes:
        while True:
            for line in self.heard:
                if line.startswith(word):
                    return line
            self.came.clear()
            await self.came.wait()


class House:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.log = Log()
        self.server = Server(folder / "auth")
        self.source = Dovecot(str(folder / "auth"), clock=self.clock, maillog=self.log)  # type: ignore[arg-type]
        self.offers: list[tuple[str, ...]] = []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.server.start()
    yield made
    await made.source.close()
    await made.server.stop()


async def told(house: House, answer: bytes) -> object:
    house.server.answers.append(answer)
    return await house.source.password(PLAIN, "alice", "secret")


async def test_what_it_offers_of_ours_is_offered(house: House) -> None:
    house.source.watch(house.offers.append)
    assert house.offers == [("PLAIN", "LOGIN")]
    assert await house.source.link() is not None
    assert house.offers == [("PLAIN", "LOGIN"), ("PLAIN", "LOGIN", "SCRAM-SHA-256")]
    assert house.log.of("auth_dovecot_connected")[0]["mechanisms"] == house.offers[1]
    assert house.server.connections == 1


async def test_passwords(house: House) -> None:
    assert await told(house, b"OK\t%d\tuser=alice@example.org\n") == Granted("alice@example.org")
    assert await told(house, b"FAIL\t%d\tuser=alice\n") is No.WRONG
    assert await told(house, b"FAIL\t%d\tuser=alice\ttemp\n") is No.UNSURE
    assert await told(house, b"CONT\t%d\teA==\n") is No.UNSURE
    assert await told(house, b"nonsense\nOK\t999\tuser=x\nOK\t%d\tuser=alice\n") == Granted("alice")
    assert house.server.connections == 1
    request = await house.server.hears(b"AUTH\t1\t")
    assert (
        request
        == b"AUTH\t1\tPLAIN\tservice=smtp\tnologin\tfinal-resp-ok\tsecured\trip=192.0.2.1\tresp=AGFsaWNlAHNlY3JldA==\n"
    )
    assert house.source.senders("alice") is None


async def test_login_goes_as_plain(house: House) -> None:
    house.server.answers.append(b"OK\t%d\tuser=alice\n")
    assert await house.source.password(Attempt("LOGIN"), "alice", "x") == Granted("alice")
    assert b"\tPLAIN\t" in await house.server.hears(b"AUTH")


async def test_an_exchange(house: House) -> None:
    house.server.answers += [b"CONT\t%d\tb25l\n", b"OK\t%d\tuser=bob\tresp=bGFzdA==\n"]
    exchange = house.source.exchange(Attempt("SCRAM-SHA-256"))
    assert await exchange.step(b"first") == b"one"
    assert await exchange.step(b"second") == b"last"
    assert await exchange.step(b"") == Granted("bob")
    assert await exchange.step(b"x") is No.MALFORMED
    assert await house.server.hears(b"CONT") == b"CONT\t1\tc2Vjb25k\n"


async def test_many_at_once_are_told_apart(house: House) -> None:
    exchanges = [house.source.exchange(Attempt("SCRAM-SHA-256")) for _ in range(20)]
    house.server.answers += [b"CONT\t%d\teA==\n"] * 20 + [b"OK\t%d\tuser=u%d\n"] * 20
    assert await asyncio.gather(*(exchange.step(b"a") for exchange in exchanges)) == [b"x"] * 20
    verdicts = await asyncio.gather(*(exchange.step(b"b") for exchange in exchanges))
    assert verdicts == [Granted(f"u{number}") for number in range(1, 21)]


async def test_a_socket_that_is_not_there_and_comes(house: House) -> None:
    await house.server.stop()
    house.source.watch(house.offers.append)
    for _ in range(3):
        assert await house.source.password(PLAIN, "alice", "x") is No.UNSURE
    (line,) = house.log.of("auth_dovecot_unavailable")
    assert line["reason"] == "No such file or directory"
    assert house.offers == [("PLAIN", "LOGIN")]
    await house.server.start()
    assert await told(house, b"OK\t%d\tuser=alice\n") == Granted("alice")


async def test_a_server_that_goes_fails_who_waits_and_is_found_again(house: House) -> None:
    assert await told(house, b"hang up") is No.UNSURE
    assert await told(house, b"OK\t%d\tuser=alice\n") == Granted("alice")
    assert house.server.connections == 2
    exchange = house.source.exchange(Attempt("SCRAM-SHA-256"))
    house.server.answers.append(b"CONT\t%d\teA==\n")
    assert await exchange.step(b"") == b"x"
    house.server.hang_up()
    link = exchange._link
    assert link is not None
    await house.clock.run_until(lambda: link.is_over)
    assert await exchange.step(b"") is No.UNSURE


async def test_no_answer_in_time_is_none_and_is_taken_back(house: House) -> None:
    waiting = asyncio.ensure_future(house.source.password(PLAIN, "alice", "x"))
    await house.server.hears(b"AUTH")
    house.clock.advance(TIMEOUT)
    assert await waiting is No.UNSURE
    assert await house.server.hears(b"CANCEL") == b"CANCEL\t1\n"
    assert await told(house, b"OK\t1\tuser=late\nOK\t%d\tuser=alice\n") == Granted("alice")


async def test_a_client_that_goes_takes_its_request_back(house: House) -> None:
    waiting = asyncio.ensure_future(house.source.password(PLAIN, "alice", "x"))
    await house.server.hears(b"AUTH")
    waiting.cancel()
    assert await house.server.hears(b"CANCEL") == b"CANCEL\t1\n"


async def test_more_than_it_is_asked_to_bear(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dovecot, "IN_FLIGHT", 1)
    waiting = asyncio.ensure_future(house.source.password(PLAIN, "alice", "x"))
    await house.server.hears(b"AUTH")
    assert await house.source.password(PLAIN, "bob", "x") is No.UNSURE
    waiting.cancel()


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", "version 2"),
        (b"MECH\tPLAIN\nDONE\n", "version 0"),
        (b"VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n", "no mechanism"),
        (b"VERSION\t1\t2\nMECH\tLOGIN\nDONE\n", "no mechanism"),
        (b"x" * 70_000, "without an end"),
    ],
)
async def test_greetings_of_somebody_else(house: House, greeting: bytes, reason: str) -> None:
    house.server.greeting = greeting
    assert await house.source.password(PLAIN, "alice", "x") is No.UNSURE
    assert reason in house.log.of("auth_dovecot_unavailable")[0]["reason"]


async def test_no_greeting_in_time(house: House) -> None:
    house.server.greeting = b"VERSION\t1\t2\n"
    waiting = asyncio.ensure_future(house.source.password(PLAIN, "alice", "x"))
    await house.server.hears(b"CPID")
    house.clock.advance(TIMEOUT)
    assert await waiting is No.UNSURE
    assert "greet" in house.log.of("auth_dovecot_unavailable")[0]["reason"]


async def test_closed_while_it_connects(house: House) -> None:
    house.server.greeting = b""
    waiting = asyncio.ensure_future(house.source.password(PLAIN, "alice", "x"))
    await house.server.hears(b"CPID")
    await house.source.close()
    assert await waiting is No.UNSURE
    assert await house.source.password(PLAIN, "alice", "x") is No.UNSURE


def test_on_the_other_loop(tmp_path: Path) -> None:
    """uvloop's transports are of no class of asyncio's."""

    async def scenario() -> None:
        house = House(tmp_path)
        await house.server.start()
        assert await told(house, b"OK\t%d\tuser=alice\n") == Granted("alice")
        await house.source.close()
        await house.server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())

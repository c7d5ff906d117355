"""A server that is proper but for one thing: at one step it does what the script says in place of its reply.

Keeps account of what it took (and of whom it told nothing of that), and says when it waits for time to pass; it never
looks at a clock itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Self, cast

from msgspec import Struct, field

from tests.faults.words import Act, Step, Then

EXTENSIONS = ("PIPELINING",)
PROPER = {
    Step.GREETING: b"220 odd.example ESMTP",
    Step.HELO: b"250 odd.example",
    Step.STARTTLS: b"220 2.0.0 go ahead",
    Step.AUTH: b"235 2.7.0 welcome",
    Step.RSET: b"250 2.0.0 reset",
    Step.MAIL: b"250 2.1.0 sender ok",
    Step.DATA: b"354 go on",
    Step.DOT: b"250 2.0.0 taken",
    Step.ANSWER_1: b"250 2.0.0 saved",
    Step.ANSWER_2: b"250 2.0.0 saved",
    Step.ANSWER_3: b"250 2.0.0 saved",
    Step.QUIT: b"221 2.0.0 bye",
    Step.RCPT_1: b"250 2.1.5 recipient ok",
    Step.RCPT_2: b"250 2.1.5 recipient ok",
    Step.RCPT_3: b"250 2.1.5 recipient ok",
    Step.EHLO: b"250 odd.example",
    Step.EHLO_AGAIN: b"250 odd.example",
}
ANSWERS = (Step.ANSWER_1, Step.ANSWER_2, Step.ANSWER_3)
RCPTS = (Step.RCPT_1, Step.RCPT_2, Step.RCPT_3)
ESTABLISHED = 1  # the state of a connection whose client is there, in Linux' tcp_info
MIDDLE = 50_000  # octets of content after which its middle is reached


class Manner(Struct, frozen=True):
    """What a server offers, and where it goes wrong. `at`: the step, and in which transaction of a session (0: in
    any; before the first MAIL there is none). `refuses`: whom it does not know apart from that. `answers`: what it says
    to these recipients, by local part, and to the dot. `gives_354_to_nobody`: also when no recipient was accepted.
    `leaves_after`: it closes so many turns of the loop after it has taken a message, without a word."""

    extensions: tuple[str, ...] = EXTENSIONS
    act: Act | None = None
    at: Step | None = None
    transaction: int = 0
    refuses_ehlo: bool = False
    refuses: str = "first@example.net"
    answers: Mapping[str, bytes] = field(default_factory=dict)
    gives_354_to_nobody: bool = False
    leaves_after: int = -1
    tls: ssl.SSLContext | None = None


class Taken(Struct):
    """A message that a server took."""

    recipients: tuple[str, ...]
    octets: int


class Account(Struct):
    """What happened at a server."""

    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    commands: list[str] = field(default_factory=list)
    stuck: int = 0  # how often it came to wait for time to pass
    waiting: int = 0  # in how many sessions it does so now, with a client that is still there
    empty: int = 0  # contents for nobody
    refused: set[str] = field(default_factory=set)  # whom it refused for good, in the place for that
    drips: list[Callable[[], None]] = field(default_factory=list)

    def copies(self, recipient: str) -> int:
        return sum(message.recipients.count(recipient) for message in self.taken)


class FaultyServer:
    """`manner` may be changed at any time; sessions look at it for each reply. `whim`: a manner for each connection,
    and another one for each transaction."""

    def __init__(self, ip: str = "127.0.0.1", port: int = 0, whim: Callable[[], Manner] | None = None) -> None:
        self.manner = Manner()
        self.whim = whim
        self.account = Account()
        self.ip = ip
        self.port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.ip, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.account.connections += 1
        self.account.open += 1
        session = _Session(self, reader, writer)
        try:
            await session.run()
        except (_Over, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.account.open -= 1
            writer.close()


class _Over(Exception):
    """The session is over."""


class _Session:
    def __init__(self, server: FaultyServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._chosen = server.whim() if server.whim is not None else None
        self._account = server.account
        self._reader = reader
        self._writer = writer
        self._transaction = 0
        self._asked = 0  # RCPTs of this transaction
        self._accepted: list[str] = []
        self._has_sender = False
        self._is_secure = False
        self._is_store = False

    @property
    def _manner(self) -> Manner:
        return self._server.manner if self._chosen is None else self._chosen

    async def run(self) -> None:
        await self._reply(Step.GREETING)
        while line := await self._reader.readline():
            text = line.decode("latin-1").strip()
            self._account.commands.append(text)
            verb = text.partition(" ")[0].upper()
            match verb:
                case "EHLO" | "LHLO":
                    self._is_store = verb == "LHLO"
                    await self._hello()
                case "HELO":
                    await self._reply(Step.HELO)
                case "STARTTLS":
                    await self._start_tls()
                case "AUTH":
                    await self._reply(Step.AUTH)
                case "RSET":
                    self._accepted.clear()
                    await self._reply(Step.RSET)
                case "MAIL":
                    self._transaction += 1
                    self._chosen = self._server.whim() if self._server.whim is not None else None
                    self._asked = 0
                    self._accepted.clear()
                    self._has_sender = await self._reply(Step.MAIL) == 250
                case "RCPT":
                    await self._recipient(text)
                case "DATA":
                    if not (self._accepted or self._manner.gives_354_to_nobody):
                        self._say(b"554 5.5.1 no valid recipients")
                    elif (code := await self._reply(Step.DATA)) == 354:
                        await self._content()
                    elif 500 <= code < 600:
                        self._account.refused.update(self._accepted)
                case "BDAT":
                    await self._chunk(int(text.split()[1]))
                case "QUIT":
                    await self._reply(Step.QUIT)
                    return
                case _:
                    self._say(b"500 5.5.2 what")

    async def _hello(self) -> None:
        step = Step.EHLO_AGAIN if self._is_secure else Step.EHLO
        manner = self._manner
        if manner.refuses_ehlo:
            self._say(b"502 5.5.1 what is EHLO")
        elif self._goes_wrong(step):
            await self._reply(step)
        else:
            extensions = [name for name in manner.extensions if not (self._is_secure and name == "STARTTLS")]
            lines = [b"odd.example", *(name.encode() for name in extensions)]
            last = len(lines) - 1
            self._writer.write(
                b"".join(b"250%c%s\r\n" % (b" " if at == last else b"-", line) for at, line in enumerate(lines))
            )

    async def _start_tls(self) -> None:
        if await self._reply(Step.STARTTLS) != 220:
            return
        if self._goes_wrong(Step.HANDSHAKE):
            await self._reader.read(65536)  # what the client says first
            await self._reply(Step.HANDSHAKE)
        assert self._manner.tls is not None
        await self._writer.start_tls(self._manner.tls)
        self._is_secure = True

    async def _recipient(self, text: str) -> None:
        self._asked += 1
        if not self._has_sender:
            self._say(b"503 5.5.1 MAIL first")
            return
        if self._manner.refuses in text:
            self._say(b"550 5.1.1 nobody of that name")
            return
        name = text[text.index("<") + 1 : text.index("@")]
        if (answer := self._manner.answers.get(name)) is not None:
            self._say(answer)
            if not answer.startswith(b"250"):
                return
            code = 250
        else:
            code = await self._reply(RCPTS[min(self._asked, 3) - 1])
        address = text[text.index("<") + 1 : text.index(">")]
        if code == 250:
            self._accepted.append(address)
        elif 500 <= code < 600:
            self._account.refused.add(address)

    async def _content(self) -> None:
        seen = 3
        while (line := await self._reader.readline()) != b".\r\n":  # behind it there may be commands (RFC 2920 3.1)
            if not line:
                return
            seen += len(line)
            if seen > MIDDLE and self._goes_wrong(Step.CONTENT):
                await self._reply(Step.CONTENT)
                seen = -1 << 60
        await self._take(seen)

    async def _chunk(self, size: int) -> None:
        seen = min(size, MIDDLE)
        await self._reader.readexactly(seen)
        if seen < size and self._goes_wrong(Step.CONTENT):
            await self._reply(Step.CONTENT)
        await self._reader.readexactly(size - seen)
        if self._accepted:
            await self._take(size)
        else:
            self._account.empty += 1
            self._say(b"554 5.5.1 no valid recipients")

    async def _take(self, size: int) -> None:
        """Whoever does not refuse what came has it, whatever he says."""
        manner = self._manner
        if not self._accepted:
            self._account.empty += 1
            self._say(b"554 5.5.1 no valid recipients")
            return
        if (answer := manner.answers.get("dot")) is not None:
            if answer.startswith(b"250"):
                self._account.taken.append(Taken(tuple(self._accepted), size))
            self._accepted.clear()
            self._say(answer)
            return
        if self._is_store:
            await self._take_for_each(size)
            return
        act = self._manner.act if self._goes_wrong(Step.DOT) else None
        if act is None or not 400 <= act.code < 600:
            self._account.taken.append(Taken(tuple(self._accepted), size))
        elif act.code >= 500:
            self._account.refused.update(self._accepted)
        self._accepted.clear()
        await self._reply(Step.DOT)
        if manner.leaves_after >= 0:
            for _ in range(manner.leaves_after):
                await asyncio.sleep(0)
            raise _Over
        if self._goes_wrong(Step.IDLE):
            await asyncio.sleep(0.005)  # so that the client has seen the reply, and rests
            await self._reply(Step.IDLE)

    async def _take_for_each(self, size: int) -> None:
        """RFC 2033 4.2: saved for one after the other, and answered for each."""
        accepted = tuple(self._accepted)
        self._accepted.clear()
        for step, recipient in zip(ANSWERS, accepted, strict=False):
            act = self._manner.act if self._goes_wrong(step) else None
            if act is None or not 400 <= act.code < 600:
                self._account.taken.append(Taken((recipient,), size))
            await self._reply(step)

    def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")

    def _goes_wrong(self, step: Step) -> bool:
        manner = self._manner
        return manner.act is not None and manner.at is step and manner.transaction in (0, self._transaction)

    async def _reply(self, step: Step) -> int:
        """Say what is to be said; the code that the client may take it for."""
        proper = PROPER.get(step, b"")
        if not self._goes_wrong(step):
            self._say(proper)
            return int(proper[:3])
        act = self._manner.act
        assert act is not None
        await self._perform(act)
        return act.code

    def _drip(self, octets: Iterator[int]) -> None:
        if not self._writer.is_closing():
            self._writer.write(bytes([next(octets)]))

    async def _perform(self, act: Act) -> None:
        if act.then is Then.DRIP:
            octets = iter(act.says)
            self._account.drips.append(lambda: self._drip(octets))
        else:
            self._writer.write(act.says)
        match act.then:
            case Then.CLOSE:
                raise _Over
            case Then.RESET:
                await asyncio.sleep(0.002)  # what was said before arrives, as it would over a real distance
                connection = self._writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._writer.transport.abort()
                raise _Over
            case Then.SILENCE | Then.DRIP | Then.DEAF:
                self._account.stuck += 1
                self._account.waiting += 1
                try:
                    await self._until_it_leaves(is_deaf=act.then is Then.DEAF)
                finally:
                    self._account.waiting -= 1
                raise _Over

    async def _until_it_leaves(self, *, is_deaf: bool) -> None:
        if not is_deaf:
            while await self._reader.read(65536):
                pass
            return
        cast(asyncio.ReadTransport, self._writer.transport).pause_reading()
        connection = self._writer.get_extra_info("socket")
        while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED:  # noqa: ASYNC110
            await asyncio.sleep(0.002)

"""`RawClient`: the client's end of an SMTP session for tests, which sends octets exactly as they are given.

Promises: nothing is added, corrected or held back; `split` decides where the octets are cut into segments, so that a
server can be asked whether it behaves the same at every split. Never: an opinion about replies, nor an extension that
is used by itself. RFC 5321 4.2.1 (replies of several lines).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from itertools import pairwise
from types import TracebackType
from typing import Self

from asyncmta.mail import wire
from asyncmta.mail.reply import Reply, parse_reply


class RawClient:
    """`async with RawClient(host, port) as client:` connects; the greeting is the first reply to read."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 10.0,
        source: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._source = source
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        host, port = self._address
        local = (self._source, 0) if self._source else None
        name = host if self._tls is not None else None
        async with asyncio.timeout(self._timeout):
            self._streams = await asyncio.open_connection(
                host, port, ssl=self._tls, server_hostname=name, local_addr=local, limit=1 << 20
            )
        connection = self._streams[1].get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a segment for each piece

    async def close(self) -> None:
        """Close the connection, without QUIT."""
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        writer.close()
        try:
            async with asyncio.timeout(self._timeout):
                await writer.wait_closed()
        except OSError:
            pass  # the other side was quicker

    def abort(self) -> None:
        """Let the connection be reset."""
        _, writer = self._connected()
        writer.transport.abort()

    async def send(self, octets: bytes, *, split: int | Iterable[int] = 0) -> None:
        """Send these octets; `split` is the size of the pieces, or the offsets at which they begin, or 0."""
        _, writer = self._connected()
        for piece in cut(octets, split):
            writer.write(piece)
            async with asyncio.timeout(self._timeout):
                await writer.drain()
            if split:
                await asyncio.sleep(0)

    async def send_eof(self) -> None:
        """Close our half."""
        _, writer = self._connected()
        writer.write_eof()

    async def read_reply(self) -> bytes:
        """The octets of the next reply, all its lines; b"" when the server has closed the connection."""
        reader, _ = self._connected()
        lines = []
        async with asyncio.timeout(self._timeout):
            while True:
                try:
                    line = await reader.readline()
                except ConnectionError:
                    line = b""
                lines.append(line)
                if line[3:4] != b"-":
                    return b"".join(lines)

    async def reply(self) -> Reply:
        """The next reply; ConnectionError when there is none any more."""
        raw = await self.read_reply()
        if not raw:
            raise ConnectionError("the server has closed the connection")
        return parse_reply(raw)

    async def command(self, line: str) -> Reply:
        """Send one command line, read its reply."""
        await self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def hello(self, name: str = "client.example") -> Reply:
        """Read the greeting, say EHLO; the reply to EHLO."""
        await self.reply()
        return await self.command(f"EHLO {name}")

    async def send_message(
        self, reverse_path: str, recipients: Iterable[str], content: bytes, *, parameters: str = ""
    ) -> list[Reply]:
        """One transaction in lock-step, after `hello`: the replies to MAIL, each RCPT, DATA and the content. It ends
        with the first refusal, but for recipients, of which one must be taken."""
        replies = [await self.command(f"MAIL FROM:<{reverse_path}>{parameters and ' ' + parameters}")]
        if not replies[-1].is_positive:
            return replies
        verdicts = [await self.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
        replies += verdicts
        if not any(verdict.is_positive for verdict in verdicts):
            return replies
        replies.append(await self.command("DATA"))
        if replies[-1].code == 354:
            await self.send(wire.stuff(wire.crlf(content)) + b".\r\n")
            replies.append(await self.reply())
        return replies

    async def start_tls(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """The handshake, once the server has answered STARTTLS with 220."""
        _, writer = self._connected()
        async with asyncio.timeout(self._timeout):
            await writer.start_tls(context, server_hostname=server_hostname or self._address[0])

    def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise ConnectionError("not connected")
        return self._streams


def cut(octets: bytes, split: int | Iterable[int]) -> list[bytes]:
    """The octets in pieces: of a size, or beginning at these offsets."""
    if isinstance(split, int):
        size = split or len(octets) or 1
        return [octets[at : at + size] for at in range(0, len(octets), size)]
    edges = sorted({0, len(octets), *(at for at in split if 0 < at < len(octets))})
    return [octets[start:end] for start, end in pairwise(edges)]

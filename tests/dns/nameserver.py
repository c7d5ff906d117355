"""A name server on loopback, over UDP and TCP, that does to each question what a test says: answers, lies, or silence.

Packets are made by hand, so that they can be as wrong as a test wants them. A name that the zone has in one type only
has no data of the others; a name that it does not have does not exist.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

KINDS = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 39: "DNAME"}
NUMBERS = {name: number for number, name in KINDS.items()}
FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH = 1, 2, 3, 4, 5, 9
ANSWER = 0x8180  # a response, recursion desired and available
TRUNCATED = 0x0200
MOST_OVER_UDP = 1232
QUESTION = b"\xc0\x0c"  # a pointer to the name in the question


def name_octets(name: str) -> bytes:
    """A name in wire form; `\\x00` and the like go in as they are."""
    labels = [label for label in name.removesuffix(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def raw(owner: str | bytes, kind: str, octets: bytes, ttl: int = 600) -> bytes:
    """A record whose data is given as octets."""
    name = owner if isinstance(owner, bytes) else name_octets(owner)
    return name + struct.pack(">HHIH", NUMBERS[kind], 1, ttl, len(octets)) + octets


def mx(owner: str | bytes, preference: int, host: str | bytes, ttl: int = 600) -> bytes:
    target = host if isinstance(host, bytes) else name_octets(host)
    return raw(owner, "MX", struct.pack(">H", preference) + target, ttl)


def cname(owner: str, target: str, ttl: int = 600) -> bytes:
    return raw(owner, "CNAME", name_octets(target), ttl)


def address(owner: str | bytes, ip: str, ttl: int = 600) -> bytes:
    if ":" not in ip:
        return raw(owner, "A", bytes(map(int, ip.split("."))), ttl)
    left, _, right = ip.partition("::")
    groups = [[int(group, 16) for group in part.split(":") if group] for part in (left, right)]
    filled = groups[0] + [0] * (8 - len(groups[0]) - len(groups[1])) + groups[1]
    return raw(owner, "AAAA", struct.pack(">8H", *filled), ttl)


def soa(owner: str, ttl: int = 600) -> bytes:
    return raw(
        owner, "SOA", name_octets("ns.test") + name_octets("root.test") + struct.pack(">5I", 1, 2, 3, 4, ttl), ttl
    )


class Says(Struct, frozen=True):
    """What happens to a question. `octets` come after the id instead of everything else; `udp` and `tcp` are words
    for what the transport does: "answers", "silent", "closes", "garbage"; `edns`: "taken", "refused" or "dropped"."""

    records: Sequence[bytes] = ()
    code: int = 0
    authority: Sequence[bytes] = ()
    additional: Sequence[bytes] = ()
    flags: int = ANSWER
    octets: bytes | None = None
    question: bytes | None = None
    counted: int | None = None
    lies_first: bool = False
    wrong_id: bool = False
    udp: str = "answers"
    tcp: str = "answers"
    edns: str = "taken"


SILENT = Says(udp="silent", tcp="silent")

Answer = Says | int | list[bytes]


class NameServer(asyncio.DatagramProtocol):
    """`zone` maps a name and a type to what happens; a list is records, a number a response code."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str]] = []
        self.over_tcp: list[tuple[str, str]] = []
        self.is_holding = False
        self._held: list[Callable[[], None]] = []
        self._tcp: asyncio.Server | None = None
        self._transport: Any = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0, *, with_tcp: bool = True) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
            if not with_tcp:
                return
            try:
                self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
                return
            except OSError:  # the port that is free for the one is not always free for the other
                self._transport.close()

    async def stop(self) -> None:
        self._transport.close()
        for writer in tuple(self._writers):
            writer.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def release(self) -> None:
        """Send what was held back."""
        self.is_holding = False
        for send in self._held:
            send()
        self._held.clear()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        says = self._asked(data, self.asked)
        if says.udp == "silent" or (says.edns == "dropped" and _has_edns(data)):
            return
        packets = [_lie(data)] if says.lies_first else []
        answer = _made(data, says)
        if len(answer) > MOST_OVER_UDP:
            answer = _made(data, Says(flags=says.flags | TRUNCATED, tcp=says.tcp))
        for packet in (*packets, answer):
            if self.is_holding:
                self._held.append(lambda packet=packet: self._transport.sendto(packet, addr))  # type: ignore[misc]
            else:
                self._transport.sendto(packet, addr)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
                data = await reader.readexactly(size)
                says = self._asked(data, self.over_tcp)
                if says.tcp == "silent":
                    continue
                answer = b"\x00\x05nope!" if says.tcp == "garbage" else _made(data, says, is_tcp=True)
                if says.tcp != "garbage":
                    answer = struct.pack(">H", len(answer)) + answer
                if says.tcp == "closes":
                    answer = answer[: len(answer) // 2]
                writer.write(answer)
                await writer.drain()
                if says.tcp == "closes":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _asked(self, data: bytes, log: list[tuple[str, str]]) -> Says:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += data[at] + 1
        (number,) = struct.unpack_from(">H", data, at + 1)
        name, kind = ".".join(labels).lower(), KINDS.get(number, str(number))
        log.append((name, kind))
        answer = self.zone.get((name, kind))
        if answer is None:
            # An alias is the answer to questions of all types.
            alias = self.zone.get((name, "CNAME"))
            if isinstance(alias, list):
                answer = alias
            else:
                answer = [] if any(name == known for known, _ in self.zone) else NXDOMAIN
        if isinstance(answer, Says):
            return answer
        return Says(code=answer) if isinstance(answer, int) else Says(records=answer)


def _has_edns(data: bytes) -> bool:
    return struct.unpack_from(">H", data, 10)[0] > 0


def _question(data: bytes) -> bytes:
    at = 12
    while data[at]:
        at += data[at] + 1
    return data[12 : at + 5]


def _lie(data: bytes) -> bytes:
    """What somebody would send who guesses the id, and guesses wrong."""
    return _made(data, Says(wrong_id=True, records=[mx(QUESTION, 1, "evil.test"), address(QUESTION, "8.8.6.6")]))


def _made(data: bytes, says: Says, *, is_tcp: bool = False) -> bytes:
    (number,) = struct.unpack_from(">H", data)
    number = number ^ 0x5555 if says.wrong_id else number
    head = struct.pack(">H", number)
    if says.octets is not None:
        return head + says.octets
    flags = says.flags & ~TRUNCATED if is_tcp else says.flags
    code = FORMERR if says.edns == "refused" and _has_edns(data) else says.code
    records = [] if code == FORMERR else says.records
    counted = len(records) if says.counted is None else says.counted
    question = says.question if says.question is not None else _question(data)
    counts = struct.pack(
        ">HHHHH", flags | code, 1 if question else 0, counted, len(says.authority), len(says.additional)
    )
    return head + counts + question + b"".join((*records, *says.authority, *says.additional))

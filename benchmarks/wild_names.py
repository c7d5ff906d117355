"""A name server that knows all domains: dN.test has the exchanger mxN.test, and that has the address number N of 127/8.

    wild_names.py ADDRESS PORT

For benchmarks with 100,000 destinations, which dnsmasq would search one by one. Answers MX and A, says "no data" to all
else and "no such name" to what is not its own. Never: TCP, truncation, names that need more than one question.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
from typing import cast

NAME = re.compile(rb"^(mx|d)(\d+)\.test$")
HEAD = struct.Struct(">HHHHHH")
RECORD = struct.Struct(">HHHIH")
MX, A = 15, 1
TTL = 3600


def address(number: int) -> str:
    """Of the exchanger with this number: 127.1.0.1 and on, each another."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def answer(packet: bytes) -> bytes:
    """To a packet with one question."""
    (number, flags, *_), at, labels = HEAD.unpack_from(packet), HEAD.size, []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]])
        at += 1 + packet[at]
    kind = int.from_bytes(packet[at + 1 : at + 3])
    found = NAME.match(b".".join(labels).lower())
    records = b""
    if found is not None and (found[1] == b"mx") == (kind == A) and kind in (MX, A):
        octets = socket.inet_aton(address(int(found[2]))) if kind == A else exchanger(found[2])
        records = RECORD.pack(0xC000 | HEAD.size, kind, 1, TTL, len(octets)) + octets
    code = 0 if found is not None else 3
    head = HEAD.pack(number, 0x8580 | flags & 0x0100 | code, 1, 1 if records else 0, 0, 0)
    return head + packet[HEAD.size : at + 5] + records


def exchanger(number: bytes) -> bytes:
    host = b"mx" + number
    return struct.pack(">HB", 10, len(host)) + host + b"\x04test\x00"


class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self._transport.sendto(answer(data), sender)


async def main(host: str, port: int) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Names, (host, port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))

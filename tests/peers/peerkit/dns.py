"""A DNS server for test zones: MX and A records from a dictionary, over UDP, in a thread."""

from __future__ import annotations

import socket
import struct
import threading

A, MX = 1, 15


class Dns:
    """`mx`: domain -> list of (preference, host); `a`: host -> list of addresses. What is in neither is NXDOMAIN."""

    def __init__(self, mx: dict[str, list[tuple[int, str]]], a: dict[str, list[str]]) -> None:
        self._mx = mx
        self._a = a
        self.asked: list[tuple[str, int]] = []

    def __enter__(self) -> Dns:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def _run(self) -> None:
        while True:
            try:
                query, peer = self._sock.recvfrom(4096)
                self._sock.sendto(self._answer(query), peer)
            except OSError:
                return

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        records = []
        if kind == MX:
            records = [struct.pack(">H", preference) + _name(host) for preference, host in self._mx.get(name, [])]
        elif kind == A:
            records = [socket.inet_aton(address) for address in self._a.get(name, [])]
        code = 0 if name in self._mx or name in self._a else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        answers = [struct.pack(">HHHIH", 0xC00C, kind, 1, 300, len(record)) + record for record in records]
        return head + question + b"".join(answers)


def _name(host: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0"

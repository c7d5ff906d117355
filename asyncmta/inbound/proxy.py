"""Where a PROXY protocol header ends, so that the library's parser is given just that and never waits for more.

Promises: a decision on every prefix; nothing longer than MAX_HEADER is ever collected. Never: what the header says.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 (text, at most 107 octets) and 2.2 (binary).
"""

from __future__ import annotations

MAX_V1 = 107
MAX_HEADER = 2048  # addresses and room for what a load balancer adds; the format itself would allow 64 KiB

_V1 = b"PROXY"
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16

NOT_YET = 0
NONE = -1


def header_length(octets: bytes) -> int:
    """How long the header at the start of `octets` is; NOT_YET when more has to come; NONE when there is none."""
    if octets.startswith(_V1):
        end = octets.find(b"\n", 0, MAX_V1)
        if end >= 0:
            return end + 1
        return NOT_YET if len(octets) < MAX_V1 else NONE
    if octets.startswith(_V2):
        if len(octets) < _V2_FIXED:
            return NOT_YET
        length = _V2_FIXED + int.from_bytes(octets[14:16], "big")
        if length > MAX_HEADER:
            return NONE
        return length if len(octets) >= length else NOT_YET
    return NOT_YET if _V1.startswith(octets) or _V2.startswith(octets) else NONE


class Octets:
    """A stream reader over octets that are all there, so that nothing ever waits."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    async def read(self, n: int = -1) -> bytes:
        taken, self._octets = self._octets[:n], self._octets[n:]
        return taken

    async def readexactly(self, n: int) -> bytes:
        return await self.read(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        return await self.read(self._octets.find(separator) + len(separator))

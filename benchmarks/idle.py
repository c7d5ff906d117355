"""What an idle session costs: 10,000 in clear text and 1,000 with TLS, which have said EHLO and then nothing.

    .venv/bin/python benchmarks/idle.py                  # the table goes into benchmarks/README.md
    .venv/bin/python benchmarks/idle.py --scale 0.01     # a glance; nothing is written

The sessions come from many loopback addresses, since one client may have fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import shutil
import ssl
import sys
import time

from msgspec import Struct

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from benchmarks import probe

TOGETHER = 100  # that are on their way in at a time
PLAIN, SECURE = 10_000, 1_000
LIMITS = {"plain": 256 * probe.MIB, "TLS": 128 * probe.MIB}


class Idle(Struct, frozen=True):
    """Of so many sessions: RSS of the server before, with them, and when they have gone; seconds to greet them all;
    CPU seconds of the server in each second in which they did nothing; descriptors before and after."""

    kind: str
    sessions: int
    greeted: int
    before: int
    there: int
    after: int
    seconds: float
    cpu: float
    descriptors: tuple[int, int]

    @property
    def each(self) -> float:
        return (self.there - self.before) / max(1, self.sessions)

    def rows(self) -> list[tuple[str, str]]:
        mib, name = probe.MIB, f"{self.sessions:,} idle {self.kind} sessions"
        return [
            (f"{name}: greeted", f"{self.greeted:,} in {self.seconds:.1f} s"),
            (f"{name}: RSS at the start, with them, afterwards",
             f"{self.before / mib:.0f}, {self.there / mib:.0f}, {self.after / mib:.0f} MiB"),
            (f"{name}: RSS on top of the start (limit {LIMITS[self.kind] // mib})",
             f"{(self.there - self.before) / mib:.0f} MiB"),
            (f"{name}: RSS for each", f"{self.each / 1024:.1f} KiB"),
            (f"{name}: CPU of the server while they are idle", f"{self.cpu * 100:.1f} %"),
            (f"{name}: descriptors before and after", f"{self.descriptors[0]}, {self.descriptors[1]}"),
        ]  # fmt: skip


async def enter(port: int, number: int, context: ssl.SSLContext | None) -> asyncio.StreamWriter | None:
    """One session, greeted, with EHLO answered; None where it was refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=probe.source(number), limit=2048)
    greeting = await reader.readline()
    if not greeting.startswith(b"220 "):
        writer.close()
        return None
    await say(reader, writer, b"EHLO idle.example\r\n")
    if context is not None:
        await say(reader, writer, b"STARTTLS\r\n")
        await writer.start_tls(context)
        await say(reader, writer, b"EHLO idle.example\r\n")
    return writer


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line)
    while True:
        reply = await reader.readline()
        if not reply or reply[3:4] != b"-":
            return reply


async def measure(served: probe.Served, kind: str, sessions: int, quiet: float) -> Idle:
    """Let them come, be quiet, and go."""
    context = probe.trusting_anybody() if kind == "TLS" else None
    warm = await enter(served.port, 0, context)
    assert warm is not None
    warm.close()
    await asyncio.sleep(0.2)
    before, descriptors, began = served.rss(), served.descriptors(), time.monotonic()
    writers: list[asyncio.StreamWriter] = []
    for at in range(0, sessions, TOGETHER):
        numbers = range(at, min(at + TOGETHER, sessions))
        found = await asyncio.gather(*(enter(served.port, number, context) for number in numbers))
        writers += [writer for writer in found if writer is not None]
    seconds = time.monotonic() - began
    used, began = served.cpu(), time.monotonic()
    await asyncio.sleep(quiet)
    cpu = (served.cpu() - used) / max(quiet, 0.01)
    there = served.rss()
    for writer in writers:
        writer.transport.abort()
    await settle(served, descriptors)
    return Idle(
        kind, sessions, len(writers), before, there, served.rss(), seconds, cpu, (descriptors, served.descriptors())
    )


async def settle(served: probe.Served, descriptors: int, patience: float = 20.0) -> None:
    """Until the server has as many descriptors as before, or has had its time."""
    end = time.monotonic() + patience
    while served.descriptors() > descriptors and time.monotonic() < end:
        await asyncio.sleep(0.1)
    await asyncio.sleep(2.5)  # a second in which nothing happens


def run(root: pathlib.Path, scale: float, quiet: float) -> list[Idle]:
    """Both kinds, each on a server of its own."""
    probe.allow_many_files()
    found = []
    for kind, sessions in (("plain", PLAIN), ("TLS", SECURE)):
        certificate, key = probe.certificate(root.with_name(f"{root.name}-tls"))
        more = ""
        if kind == "TLS":
            more = f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
        with probe.Served(root / kind, more, tls="starttls" if more else "none") as served:
            found.append(asyncio.run(measure(served, kind, max(1, int(sessions * scale)), quiet)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--quiet", type=float, default=5.0, help="seconds in which nobody says anything")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path("/var/tmp/asyncmta-idle"))
    parser.add_argument("--dry", action="store_true", help="leave benchmarks/README.md as it is")
    asked = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    try:
        rows = [row for each in run(asked.root, asked.scale, asked.quiet) for row in each.rows()]
        text = probe.page(rows, asked.root, load)
    finally:
        shutil.rmtree(asked.root, ignore_errors=True)
        shutil.rmtree(asked.root.with_name(f"{asked.root.name}-tls"), ignore_errors=True)
    print(text)
    if not asked.dry and asked.scale >= 1:
        probe.write("idle", text)


if __name__ == "__main__":
    main()

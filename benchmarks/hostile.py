"""Hostile clients at once, beside an honest one: 5,000 slow connections, a line of 1 GB, a million recipients, a
million header fields, and one that never reads.

    .venv/bin/python benchmarks/hostile.py                  # half a minute; the table goes into benchmarks/README.md
    .venv/bin/python benchmarks/hostile.py --scale 0.01 --seconds 3    # a glance; nothing is written

The server and the attackers (`attackers.py`) are processes of their own. The honest client is this one: a message of
1 KiB every 50 ms, each timed from MAIL to the 250 behind its dot.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pathlib
import shutil
import sys
import time
from typing import Any

from msgspec import Struct

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from benchmarks import probe
from benchmarks.idle import say, settle

EVERY = 0.05
PATIENCE = 10.0
SECONDS = 30.0
HONEST = 14_000 * 40  # an address that no attacker has
MESSAGE = (
    b"Subject: honest\r\n\r\n" + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\r\n" * 16 + b".\r\n"
)


class Found(Struct, frozen=True):
    """RSS and descriptors as (start, peak or afterwards); the honest client's times in seconds; what the attackers say
    of themselves; whether the loop's lag was said in the log."""

    before: int
    peak: int
    after: int
    descriptors: tuple[int, int]
    times: tuple[float, ...]
    refused: tuple[str, ...]
    attackers: dict[str, Any]
    lagged: int
    failed: int

    def rows(self) -> list[tuple[str, str]]:
        mib = probe.MIB
        rows = [
            ("RSS at the start, at most, afterwards",
             f"{self.before / mib:.0f}, {self.peak / mib:.0f}, {self.after / mib:.0f} MiB"),
            ("descriptors at the start, afterwards", f"{self.descriptors[0]}, {self.descriptors[1]}"),
            ("honest messages taken, refused", f"{len(self.times):,}, {len(self.refused)}"),
            ("honest client: 50 %, 99 %, slowest",
             ", ".join(f"{part(self.times, share) * 1000:.0f} ms" for share in (0.5, 0.99, 1.0))),
            ("lags of the loop that were logged, sessions that failed", f"{self.lagged}, {self.failed}"),
        ]  # fmt: skip
        for name, result in self.attackers.items():
            if name == "slow":
                rows += [(f"slow connections: {how}", f"{count:,}") for how, count in sorted(result.items())]
            else:
                rows.append((f"{name}: {result['how']}, {result['sent'] / mib:,.1f} MiB", f"`{result['last']}`"))
        return rows


def part(times: tuple[float, ...], share: float) -> float:
    """The time below which so large a share of them lies."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def be_honest(port: int, until: asyncio.Event) -> tuple[list[float], list[str]]:
    """One message after another, on a session that is opened anew where it has to be."""
    times: list[float] = []
    refused: list[str] = []
    reader = writer = None
    while not until.is_set():
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=probe.source(HONEST))
                    await reader.readline()
                    await say(reader, writer, b"EHLO honest.example\r\n")
                    began = time.monotonic()
                assert reader is not None
                reply = b""
                for line in (b"MAIL FROM:<a@honest.example>\r\n", b"RCPT TO:<b@example.net>\r\n", b"DATA\r\n", MESSAGE):
                    reply = await say(reader, writer, line)
                    if reply[:1] not in b"23" or not reply:
                        break
            if reply.startswith(b"250 "):
                times.append(time.monotonic() - began)
            else:
                refused.append(reply.decode(errors="replace").strip() or "closed")
                writer.close()
                writer = None
        except OSError as error:  # of which TimeoutError is one
            refused.append(type(error).__name__)
            if writer is not None:
                writer.close()
            writer = None
        await asyncio.sleep(max(0.0, EVERY - (time.monotonic() - began)))
    if writer is not None:
        writer.close()
    return times, refused


async def run(root: pathlib.Path, scale: float, seconds: float) -> Found:
    """All of them at once, for so many seconds."""
    probe.allow_many_files()
    with probe.Served(root) as served:
        warm = asyncio.Event()
        warming = asyncio.ensure_future(be_honest(served.port, warm))
        await asyncio.sleep(1.0)
        warm.set()
        await warming
        await asyncio.sleep(0.5)
        before, descriptors, over = served.rss(), served.descriptors(), asyncio.Event()
        with probe.Peak(served) as peak:
            honest = asyncio.ensure_future(be_honest(served.port, over))
            attackers = await asyncio.create_subprocess_exec(
                sys.executable, str(probe.PAGE.with_name("attackers.py")),
                str(served.port), str(scale), str(seconds), stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            said, _ = await attackers.communicate()
            over.set()
            times, refused = await honest
            await settle(served, descriptors)
            await asyncio.sleep(3.0)  # a second in which nothing happens
        return Found(
            before=before,
            peak=peak.rss,
            after=served.rss(),
            descriptors=(descriptors, served.descriptors()),
            times=tuple(times),
            refused=tuple(refused),
            attackers=json.loads(said),
            lagged=served.said.count('"loop_lags"'),
            failed=served.said.count('"session_failed"'),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path("/var/tmp/asyncmta-hostile"))
    parser.add_argument("--dry", action="store_true", help="leave benchmarks/README.md as it is")
    asked = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    try:
        found = asyncio.run(run(asked.root, asked.scale, asked.seconds))
        text = probe.page(found.rows(), asked.root, load)
    finally:
        shutil.rmtree(asked.root, ignore_errors=True)
    print(text)
    if not asked.dry and asked.scale >= 1:
        probe.write("hostile", text)


if __name__ == "__main__":
    main()

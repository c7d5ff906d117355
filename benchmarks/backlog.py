"""How much a backlog costs: N queued messages of one recipient and 1 KiB while the next hop refuses connections.

    .venv/bin/python benchmarks/backlog.py                        # 100,000; the table goes into benchmarks/README.md
    .venv/bin/python benchmarks/backlog.py --messages 1000000 --spool /var/tmp/backlog

This process fills the spool. A second one starts on it as `serve` does, is timed until it listens, and shows what a
waiting message costs; a third one is let drain to a sink in this process. The spool is removed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from asyncmta import Mta, Settings  # noqa: E402
from asyncmta.mail.address import parse_address  # noqa: E402
from asyncmta.mail.envelope import Content, Envelope, Recipient  # noqa: E402
from asyncmta.mail.wire import digest  # noqa: E402
from asyncmta.spool.records import Accepted  # noqa: E402
from asyncmta.spool.store import SpoolSettings, Store  # noqa: E402
from asyncmta.system.clock import SystemClock  # noqa: E402
from asyncmta.system.disk import PosixDisk  # noqa: E402
from asyncmta.testing.smtp_sink import SmtpSink  # noqa: E402
from benchmarks.machine import facts  # noqa: E402

PAGE = ROOT / "benchmarks" / "README.md"
MARKS = re.compile(r"(?<=<!-- backlog:begin -->\n).*(?=<!-- backlog:end -->)", re.DOTALL)
CONTENT = b"Subject: backlog\r\n\r\n" + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\r\n" * 16
AT_ONCE = 500


def rss() -> int:
    """Octets of this process in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10  # type: ignore[index]


def settings(spool: str, port: int) -> Any:
    return Settings.from_dict(
        {
            "hostname": "mta.example",
            "spool": spool,
            "listener": [{"address": "127.0.0.1", "port": 0}],
            "route": [{"recipient": "*", "via": "smarthost", "hosts": [f"127.0.0.1:{port}"], "tls": "none"}],
            "log": {"format": "json", "level": "error"},
        }
    )


async def fill(spool: str, messages: int) -> float:
    """Make them durable, as the intake does; seconds."""
    store = Store(
        disk=PosixDisk(), directory=spool, clock=SystemClock(), settings=SpoolSettings(),
        on_poisoned=lambda failure: sys.exit(str(failure)), on_event=print,
    )  # fmt: skip
    await store.open()
    content = Content(len(CONTENT), digest([CONTENT], False), False, len(CONTENT))
    sender, began = parse_address("sender@example.org"), time.monotonic()
    for at in range(0, messages, AT_ONCE):
        batch = []
        for each in range(at, min(at + AT_ONCE, messages)):
            envelope = Envelope(sender, (Recipient(parse_address(f"user{each}@example.net")),))
            queue_id = store.next_queue_id()
            batch.append(Accepted(queue_id, time.time(), envelope, content, "192.0.2.1", None, parts=(CONTENT,)))
        await store.commit(*batch)
        for record in batch:
            store.park(record.queue_id)
    seconds = time.monotonic() - began
    await store.close()
    return seconds


async def wait(spool: str, port: int, messages: int) -> dict[str, float]:
    """An MTA that starts on them and gets nothing away."""
    seconds = await fill(spool, messages)
    empty = await asyncio.to_thread(in_process, "rest", "--spool", f"{spool}-empty", "--port", port)
    found = await asyncio.to_thread(in_process, "rest", "--spool", spool, "--port", port)
    octets = sum(each.stat().st_size for each in Path(spool, "journal").iterdir())
    return {**found, "before": empty["waiting"], "seconds": seconds, "journal": octets}


async def rest(spool: str, port: int) -> dict[str, float]:
    began = time.monotonic()
    async with Mta(settings(spool, port)) as mta:
        listening, at_start = time.monotonic() - began, rss()
        scheduler = mta.rooms.scheduler
        while scheduler._is_loading:
            await asyncio.sleep(0.05)
        loaded = time.monotonic() - began
        await asyncio.sleep(1.0)
        while scheduler._agenda.in_hand or scheduler._waiting.overdue or scheduler._agenda.overdue:
            await asyncio.sleep(0.1)
        return {"listening": listening, "loaded": loaded, "at_start": at_start, "waiting": rss(),
                "settled": time.monotonic() - began}  # fmt: skip


async def drain(spool: str, port: int, messages: int) -> dict[str, float]:
    began = time.monotonic()
    mta = Mta(settings(spool, port))
    await mta.__aenter__()
    listening = time.monotonic() - began
    try:
        at_start = rss()
        scheduler, store = mta.rooms.scheduler, mta.rooms.store
        while scheduler._is_loading:
            await asyncio.sleep(0.1)
        loaded = time.monotonic() - began
        began = time.monotonic()
        peak = rss()
        goal = max(0, messages - 20_000)
        started_with = sum(1 for _ in store.ids())
        await mta.retry()
        while time.monotonic() - began < 60 and len(store._ledger) > goal:
            peak = max(peak, rss())
            await asyncio.sleep(0.1)
        drained, seconds = started_with - len(store._ledger), time.monotonic() - began
        return {
            "listening": listening, "loaded": loaded, "at_start": at_start, "peak": peak, "drained": drained,
            "seconds": seconds, "queued": started_with,
        }  # fmt: skip
    finally:
        await mta.drain(1.0)


def in_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stdout[-2000:] + ended.stderr[-4000:])
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


async def with_sink(port: int, *arguments: object) -> dict[str, float]:
    """While somebody takes everything at this port."""
    sink = SmtpSink(None, host="127.0.0.1", port=port)
    await sink.start()
    try:
        return await asyncio.to_thread(in_process, *arguments)
    finally:
        await sink.stop()


def table(messages: int, full: dict[str, float], after: dict[str, float], spool: str) -> str:
    mib = 1 << 20
    rows = [
        ("messages waiting", f"{messages:,}"),
        ("RSS of an empty MTA", f"{full['before'] / mib:.0f} MiB"),
        ("RSS with all waiting", f"{full['waiting'] / mib:.0f} MiB"),
        ("RSS for each waiting message", f"{(full['waiting'] - full['before']) / messages:.0f} octets"),
        ("journal", f"{full['journal'] / mib:,.0f} MiB, {full['journal'] / messages:,.0f} octets for each"),
        ("restart until listening", f"{full['listening']:.1f} s"),
        ("restart until all are laid out", f"{full['loaded']:.1f} s"),
        ("restart until all have met the dead next hop", f"{full['settled']:.1f} s"),
        ("RSS when listening after the restart", f"{full['at_start'] / mib:.0f} MiB"),
        (
            "drain after the restart",
            f"{after['drained'] / after['seconds']:,.0f} messages/s",
        ),
        ("RSS at most while draining", f"{after['peak'] / mib:.0f} MiB"),
    ]
    about = "; ".join(f"{name} {fact}" for name, fact in facts(Path(spool).parent).items())
    lines = ["| measured | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, "", f"Machine: {about}.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", nargs="?", choices=("rest", "drain"))
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--spool", default="/var/tmp/asyncmta-backlog")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="leave benchmarks/README.md as it is")
    asked = parser.parse_args()
    if asked.what:
        is_rest = asked.what == "rest"
        job = rest(asked.spool, asked.port) if is_rest else drain(asked.spool, asked.port, asked.messages)
        print(json.dumps(asyncio.run(job)))
        return
    with socket.socket() as probe:  # nobody listens there while the spool is filled
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shutil.rmtree(asked.spool, ignore_errors=True)
    common = ("--messages", asked.messages, "--spool", asked.spool, "--port", port)
    try:
        full = asyncio.run(wait(asked.spool, port, asked.messages))
        print(json.dumps(full), flush=True)
        after = asyncio.run(with_sink(port, "drain", *common))
        print(json.dumps(after), flush=True)
        text = table(asked.messages, full, after, asked.spool)
    finally:
        shutil.rmtree(asked.spool, ignore_errors=True)
        shutil.rmtree(f"{asked.spool}-empty", ignore_errors=True)
    print(text)
    if not asked.dry:
        PAGE.write_text(MARKS.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

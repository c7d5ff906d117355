"""What a child does: one MTA that is opened, asked, closed and opened again, as the laboratory says, line by line.

It is the Mta of `asyncmta serve` with its real disk, over loopback; a tiny segment size, so that a short script
rotates; and, where the laboratory wants to be caught, a disk that leaves out a sync.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import socket
import time
import traceback
from contextlib import suppress
from functools import partial
from typing import Any

import asyncmta.mta
from asyncmta.config import Settings
from asyncmta.mail.envelope import ContentUnavailable
from asyncmta.mta import Mta
from asyncmta.spool.store import JournalFailed, SpoolRefused, SpoolSettings
from asyncmta.testing.disk import PowerCut
from tests.crash.lab import letters, shim
from tests.crash.lab.faulty import MODEL, REAL
from tests.crash.lab.hurry import HurriedClock

REFUSALS = (OSError, JournalFailed, SpoolRefused)  # how a start may end; anything else is a bug

PASSING = 1.5
"""Seconds that are skipped at a time: more than compaction waits after a change, and a checkpoint for a batch."""
GIVING_UP = 0.15
"""Real seconds without a change after which compaction will not come any more: something has failed."""
LONGEST = 3.0


class Life:
    """`spec` says where and how; `control` is the line to the laboratory."""

    def __init__(self, spec: dict[str, Any], control: socket.socket) -> None:
        self._spec = spec
        self._control = control
        self._omit: str = spec.get("omit", "")
        self._is_model: bool = bool(spec.get("model"))
        self._disk: Any = (MODEL if self._is_model else REAL)[self._omit]()
        self._mta: Mta | None = None
        self._clock = HurriedClock()
        self._hurrying: asyncio.Task[None] | None = None
        self._bugs: list[str] = []
        self._opened = 0
        asyncmta.mta.SpoolSettings = partial(  # type: ignore[misc,assignment]
            SpoolSettings, **spec.get("spool_settings", {})
        )

    async def run(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_bug)
        reader, writer = await asyncio.open_unix_connection(sock=self._control, limit=1 << 28)
        while line := await reader.readline():
            order = json.loads(line)
            try:
                answer = await getattr(self, f"do_{order.pop('do')}")(**order)
            except Exception:
                answer = {"error": traceback.format_exc()}
            if answer is None:
                break
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, PowerCut):
            self._bugs.append(f"{context.get('message')}: {error!r}")

    def _settings(self) -> Settings:
        spec = self._spec
        root = "" if self._is_model else spec["root"]
        return Settings.from_dict(
            {
                "hostname": "mta.test",
                "spool": spec.get("spool") or f"{root}/spool",
                "listener": [{"address": "127.0.0.1", "port": 0}],
                "local": {
                    "domains": ["local.test"],
                    "maildir": (spec.get("mail") or f"{root}/mail") + "/{domain}/{local_part}",
                    "mailboxes": "any",
                },
                "route": [
                    {
                        "recipient": "*",
                        "via": "smarthost",
                        "hosts": [f"127.0.0.1:{spec['sink']}"],
                        "tls": "none",
                    }
                ],
                "limits": {"sessions_per_client": 200},
                "log": {"format": "json"},
                **spec.get("tables", {}),
            }
        )

    # -- orders ------------------------------------------------------------------------------------------------------

    async def do_open(self) -> dict[str, Any]:
        """Begin a life: where it listens and what it found, or why it does not want to."""
        if self._opened and self._spec.get("armed"):
            shim.forget()
        self._opened += 1
        began = time.monotonic()
        self._log = open(self._spec["log"], "ab")  # noqa: SIM115 - closed with the life
        self._mta = Mta(self._settings(), disk=self._disk, clock=self._clock, log_stream=self._log)
        try:
            await self._mta.__aenter__()
        except REFUSALS as error:
            self._mta = None
            return {"refused": f"{type(error).__name__}: {error}"}
        except Exception as error:
            self._mta = None
            return {"refused": repr(error), "bugs": [] if self._is_model else [f"start failed by {error!r}"]}
        found = self._mta.recovery
        assert found is not None
        return {
            "port": self._mta.addresses[0][1],
            "damaged": found.damaged,
            "torn": found.torn,
            "seconds": time.monotonic() - began,
            "pending": self._pending(),
        }

    def _pending(self) -> list[str]:
        assert self._mta is not None
        found: list[str] = []
        with suppress(PowerCut):  # what is parked is read from the disk; who has no power sends nothing again either
            for entry in self._mta.rooms.store.entries():
                if not entry.is_closed:
                    found += [str(entry.envelope.recipients[at].address).lower() for at in entry.pending()]
        return found

    async def do_hurry(self, every: float) -> dict[str, Any]:
        """From now on time passes faster, so that compaction goes on under load."""

        async def hurry() -> None:
            while True:
                await asyncio.sleep(every)
                self._clock.hurry(PASSING)

        self._hurrying = asyncio.get_running_loop().create_task(hurry())
        return {}

    async def do_carried(self) -> dict[str, Any]:
        assert self._mta is not None
        return {"carried": self._mta.rooms.store.facts().carried}

    async def do_idle(self, timeout: float = 15.0, patience: float = 60.0) -> dict[str, Any]:
        """Until nothing is due, or the disk has failed for good, or its power is gone. When `patience` is over, a
        minute and a half passes quickly: for so long a report waits whose write has failed."""
        assert self._mta is not None
        haste = asyncio.ensure_future(self._hasten(patience))
        try:
            return await self._until_idle(timeout)
        finally:
            haste.cancel()

    async def _hasten(self, patience: float) -> None:
        await asyncio.sleep(patience)
        for _ in range(60):
            await asyncio.sleep(0.01)
            self._clock.hurry(PASSING)

    async def _until_idle(self, timeout: float) -> dict[str, Any]:
        assert self._mta is not None
        waits = {asyncio.ensure_future(self._mta.idle(timeout)), asyncio.ensure_future(self._mta.wait_failed())}
        if self._is_model:
            waits.add(asyncio.ensure_future(self._cut()))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        said = await asyncio.gather(*waits, return_exceptions=True)
        return {
            "late": any(isinstance(each, TimeoutError) for each in said),
            "failed": "; ".join(self._mta.alive()),
            "cut": self._is_model and self._disk._faults.is_cut,
        }

    async def _cut(self) -> None:
        while not self._disk._faults.is_cut:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.002)

    async def do_queue(self) -> dict[str, Any]:
        """Every message that waits: its recipients, whose letter it is, and whether that is whole."""
        assert self._mta is not None
        rows = []
        for row in self._mta.queue():
            try:
                content = await self._mta.content(row.queue_id)
                if not isinstance(content, bytes):
                    content = b"".join([chunk async for chunk in content])
            except ContentUnavailable:
                content = b""
            recipients = [each.address.lower() for each in row.recipients]
            rows.append({"recipients": recipients, **letters.described(content)})
        return {"rows": rows, "damaged": len(self._mta.rooms.store.damaged())}

    async def do_retry(self) -> dict[str, Any]:
        assert self._mta is not None
        return {"count": await self._mta.retry()}

    async def do_refusal(self) -> dict[str, Any]:
        assert self._mta is not None
        return {"refusal": str(self._mta.rooms.store.refusal() or "")}

    async def do_compact(self) -> dict[str, Any]:
        """Let the seconds pass that compaction waits for, until something was carried and its old place given up, or
        nothing comes of it any more; what the spool says of itself then."""
        assert self._mta is not None
        store = self._mta.rooms.store
        began = store.facts()
        start = time.monotonic()
        seen, end = None, start
        with suppress(JournalFailed):
            while time.monotonic() < start + LONGEST and not (self._is_model and self._disk._faults.is_cut):
                await store.flush()
                self._clock.hurry(PASSING)
                facts = store.facts()
                now = (facts.carried, facts.freed, facts.segments)
                if facts.carried > began.carried and facts.freed > began.freed and now == seen:
                    break
                if now != seen:
                    seen, end = now, time.monotonic() + GIVING_UP
                elif time.monotonic() > end:
                    break
                await asyncio.sleep(0.001)
            await store.flush()
        after = store.facts()
        return {name: getattr(after, name) - getattr(began, name) for name in ("compactions", "carried", "freed")}

    async def do_close(self) -> dict[str, Any]:
        """End the life in peace, as SIGTERM does."""
        if self._mta is not None:
            mta, self._mta = self._mta, None
            try:
                await mta.__aexit__()
            except Exception as error:
                if not self._is_model:
                    self._bugs.append(f"drain failed by {error!r}")
            self._log.close()
        bugs, self._bugs = self._bugs, []
        return {"bugs": bugs}

    async def do_quit(self) -> None:
        await self.do_close()

    # -- the model disk ----------------------------------------------------------------------------------------------

    async def do_cut_at(self, step: int) -> dict[str, Any]:
        self._disk.cut_at(step)
        return {}

    async def do_steps(self) -> dict[str, Any]:
        return {"steps": self._disk.steps, "cut": self._disk._faults.is_cut}

    async def do_crash(self, seed: int | None) -> dict[str, Any]:
        """What this life still does it does on a dead disk; then another one finds what the seed has let survive."""
        after = self._disk.crash(seed)
        self._disk._faults.is_cut = False
        self._disk.fail_at(1, errno.EIO, for_good=True)
        if self._mta is not None:
            with suppress(Exception):
                await self._mta.drain(0.0)
            self._mta = None
        self._bugs.clear()
        sound = MODEL[self._omit]()
        sound.__dict__.update(after.__dict__)
        self._disk = sound
        return {}

    async def do_mail(self) -> dict[str, Any]:
        """What stands in the model's mailboxes."""
        return {
            "files": {
                path: base64.b64encode(octets).decode()
                for path, octets in self._disk.tree().items()
                if "/mail/" in f"/{path}" and "/tmp/" not in path
            }
        }

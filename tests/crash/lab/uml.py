"""Kind c again, with a whole machine: user-mode-linux runs the MTA and its clients over ext4 or XFS on an image, and is
killed. What its kernel had not written is gone, as it is when a real machine loses power. Bar 1; recipe 7.2.

Half of the mail is for Maildirs on the image, the rest is held in the queue. The guest prints a line for each 250; then
the image is mounted here, and a server that is all right says what it finds.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from tests.crash.lab import mounts, oracle
from tests.crash.lab.bench import Bench
from tests.crash.lab.client import Sent
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.mounts import SIZES, Mount
from tests.crash.lab.oracle import Account, Arrived
from tests.crash.lab.report import Row
from tests.crash.lab.yard import dying_with_us

HOLD = {"route": [{"recipient": "*", "via": "hold"}], "queue": {"min_free_space": "4MiB"}}
PATIENCE = 60.0


def missing() -> str:
    """Why this machine cannot do it; empty: it can."""
    if not shutil.which("linux.uml"):
        return "user-mode-linux is not installed: run make test-tools"
    return mounts.missing("ext4") or mounts.missing("xfs")


def addressed(number: int) -> tuple[str, ...]:
    return (f"held-{number}@next.test",) if number % 2 else (f"u{number % 14}@local.test",)


class Machine:
    """One boot, from its start to its violent end."""

    def __init__(self, image: pathlib.Path, kind: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", "TMPDIR": str(image.parent)}
        command = [
            *dying_with_us(["unshare"]),
            "-pf",
            "--kill-child",
            "linux.uml",
            "mem=384M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
        ]
        command += [f"init={image.with_suffix('.init')}", f"ubd0={image}", "con=null", "con0=null,fd:1", "ssl=null"]
        command += ["quiet", "random.trust_cpu=on"]
        script = image.with_suffix(".init")
        script.write_text(
            "#!/bin/sh\n"
            # Not over /tmp: the checkout itself may lie there.
            "mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /run; export TMPDIR=/run\n"
            f"cd {TOP} && export PYTHONDONTWRITEBYTECODE=1\n"
            f"exec {sys.executable} -m tests.crash.lab.guest {kind}\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self.said: list[str] = []

    def run(self, moment: float) -> list[Sent]:
        """Let it work for so many seconds after its first 250, then kill it. What it acknowledged."""
        out = self._process.stdout
        assert out is not None
        os.set_blocking(out.fileno(), False)
        buffer, end, began = b"", time.monotonic() + PATIENCE, None
        while time.monotonic() < end:
            piece = out.read() or b""
            buffer += piece
            if began is None and b"ACK " in buffer:
                began = time.monotonic()
                end = began + moment
            if not piece:
                time.sleep(0.002)
        self.kill()
        buffer += out.read() or b""
        out.close()
        self.said = buffer.decode(errors="replace").splitlines()
        letters = []
        for line in buffer.split(b"\n")[:-1]:  # the last line may be a part of one
            word, _, number = line.strip().decode(errors="replace").partition(" ")
            if word in ("ACK", "TRY") and number.isdigit():
                sent = Sent(f"g-{number}", addressed(int(number)), "sender@local.test")
                sent.code = 250 if word == "ACK" else 0
                letters.append(sent)
        done = {sent.identity for sent in letters if sent.acknowledged}
        return [sent for sent in letters if sent.acknowledged or sent.identity not in done]

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def cut_once(bench: Bench, kind: str, moment: float) -> Account:
    """A fresh image, a boot, a kill, and the judgement."""
    root = bench.root()
    image = root / "disk.img"
    with open(image, "wb") as file:
        file.truncate(SIZES[kind])
    mounts.run(f"mkfs.{kind}", "-q", str(image))
    machine = Machine(image, kind)
    try:
        sent = machine.run(moment)
    finally:
        machine.kill()
    if not any(each.acknowledged for each in sent):
        return Account(faults=[f"nothing was acknowledged: {machine.said[-15:]}"])
    with Mount(root / "mnt", kind, "loop", str(image)) as mount:
        spec = bench.spec(mount.path, tables=HOLD)
        with bench.hatchery.hatch(spec) as child:
            opened = child.tell("open")
            if "refused" in opened:
                return Account(faults=[f"start refused: {opened['refused']}"])
            child.tell("idle", timeout=30.0)
            arrived = Arrived()
            arrived.note_mailboxes(oracle.mailboxes(mount.path / "mail"))
            account = oracle.settle(sent, arrived, child.tell("queue")["rows"])
            if opened["damaged"]:
                account.faults.append(f"{opened['damaged']} places damaged")
            child.quit()
    return account


def row(kind: str, *, cuts: int, seed: int) -> Row:
    chance = random.Random(f"uml {kind} {seed}")
    said = Row(f"machine killed (user-mode-linux), {kind}")
    with Bench(shimmed=False) as bench:
        for _ in range(cuts):
            moment = chance.uniform(0.05, 1.0)
            said.add(cut_once(bench, kind, moment), f"{moment * 1000:.0f} ms after the first 250")
    return said

"""The one program of the guest (uml.py): process 1. It mounts the image, runs an MTA over it and clients against it,
and prints `TRY n` before and `ACK n` after each 250, until it is killed from outside.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from functools import partial

import asyncmta.mta
from asyncmta.config import Settings
from asyncmta.mta import Mta
from asyncmta.spool.store import SpoolSettings
from tests.crash.lab.client import Crowd, Sent
from tests.crash.lab.uml import HOLD, addressed

SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
IMAGE = "/mnt"


class Telling(Crowd):
    """Says what it does, on the console."""

    def took(self, sent: Sent) -> None:
        say("ACK", sent.identity)


def say(word: str, identity: str) -> None:
    os.write(1, f"{word} {identity.rpartition('-')[2]}\n".encode())


def addressed_and_said(number: int) -> tuple[str, ...]:
    say("TRY", str(number))
    return addressed(number)


def bring_up_loopback() -> None:
    with socket.socket() as sock:
        fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


async def serve() -> None:
    settings = Settings.from_dict(
        {
            "hostname": "mta.test",
            "spool": f"{IMAGE}/spool",
            "listener": [{"address": "127.0.0.1", "port": 0}],
            "local": {"domains": ["local.test"], "maildir": IMAGE + "/mail/{domain}/{local_part}", "mailboxes": "any"},
            "log": {"format": "json", "level": "critical"},
            **HOLD,
        }
    )
    async with Mta(settings) as mta:
        crowd = Telling(mta.addresses[0][1], addressed_and_said, prefix="g", sessions=8)
        threading.Thread(target=crowd.start, daemon=True).start()
        await mta.wait_failed()


def main() -> None:
    bring_up_loopback()
    subprocess.run(["mount", "-t", sys.argv[1], "/dev/ubda", IMAGE], check=True)
    asyncmta.mta.SpoolSettings = partial(SpoolSettings, segment_size=256 << 10)  # type: ignore[misc,assignment]
    asyncio.run(serve())


if __name__ == "__main__":
    main()

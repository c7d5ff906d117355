"""`account_server.py CONFIG`: `asyncmta serve` with one account, by the `authenticator` of the Python API."""

from __future__ import annotations

import asyncio
import hmac
import signal
import sys

from asyncmta.config import Settings
from asyncmta.mta import Mta

LOGIN, PASSWORD = "alice", "correct horse, battery"


async def authenticator(_mechanism: str, login: str, password: str) -> bool:
    return login == LOGIN and hmac.compare_digest(password, PASSWORD)


async def main(config: str) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with Mta(Settings.load(config, environ={}), authenticator=authenticator):
        await over.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

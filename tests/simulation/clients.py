"""The clients of a simulation: each has one message, and tries until it is taken, as clients do. Some leave before the
dot, some right behind it; some hand it in by the API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from asyncmta.operations import NotRunning, SubmitRefused
from tests.incidents.incidentkit import House
from tests.simulation.accounts import Letter

LETTERS = 14
USERS = [f"user{number}@a.example" for number in range(3)]
STRANGERS = [f"{name}@r{number}.example" for number in range(4) for name in ("x", "y")]
NOBODY = ["x@no-such-domain.example"]
SENDERS = ["alice@a.example", "alice@a.example", "sender@s.example", ""]
LINE = b"." + b"z" * 70 + b"\r\n"


class Clients:
    """What they know is in their letters."""

    def __init__(self, house: House, letters: dict[str, Letter], chance: random.Random) -> None:
        self._house = house
        self._letters = letters
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self) -> None:
        """One more message, and somebody who sends it."""
        chance = self._chance
        if len(self._letters) >= LETTERS:
            return
        name = f"m{len(self._letters)}"
        pool = USERS + STRANGERS + (NOBODY if chance.random() < 0.4 else [])
        recipients = tuple(chance.sample(pool, chance.choice([1, 1, 2, 3, 6])))
        body = LINE * chance.choice([0, 1, 3, 40]) if chance.random() < 0.9 else LINE * 5_000
        content = b"Subject: %s\r\n\r\n%s" % (name.encode(), body)
        letter = self._letters[name] = Letter(name, chance.choice(SENDERS), recipients, content)
        way = self._by_api if chance.random() < 0.3 else self._by_smtp
        letter.whim = chance.random()
        self._tasks.add(asyncio.create_task(self._send(letter, way)))

    async def finish(self) -> None:
        """Until each has been told that its message was taken, or has given up."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, letter: Letter, way: Callable[[Letter], Awaitable[None]]) -> None:
        for _ in range(200):
            with suppress(OSError, EOFError, NotRunning, SubmitRefused):
                if self._house.is_open:
                    await way(letter)
            if letter.promises or letter.tries > 3:
                return
            await asyncio.sleep(0.005)

    async def _by_api(self, letter: Letter) -> None:
        letter.tries += 1
        queue_id = await self._house.mta.submit(letter.sender, letter.recipients, letter.content)
        letter.promises.append((queue_id, letter.recipients))

    async def _by_smtp(self, letter: Letter) -> None:
        """`whim` below 0.2: gone before the dot, or right behind it, and in earnest the next time. It is spent where it
        is acted on: `tries` counts dots, so who left before the dot would do so for ever."""
        async with self._house.client() as client:
            await client.hello()
            if (await client.command(f"MAIL FROM:<{letter.sender}>")).code != 250:
                return
            verdicts = [(await client.command(f"RCPT TO:<{recipient}>")).code for recipient in letter.recipients]
            if set(verdicts) != {250} or (await client.command("DATA")).code != 354:
                return
            whim, letter.whim = letter.whim, 1.0
            await client.send(letter.content.replace(b"\r\n.", b"\r\n.."))
            if whim < 0.1:
                return
            letter.tries += 1
            await client.send(b".\r\n")
            if whim < 0.2:
                client.abort()
                return
            reply = await client.reply()
            if reply.code == 250:
                letter.promises.append((str(reply).split()[-1], letter.recipients))

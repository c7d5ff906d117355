"""Servers with moods: for a while they put mail off, send us away, hang up or fall silent at any step, and now and then
take a message without saying so.

What was taken and not said is noted, so that a second copy of it can be told from one without a reason. Never: a
refusal for good; whoever is not taken in the end was lost by us.
"""

from __future__ import annotations

import random

from asyncmta.delivery.session import Opened
from asyncmta.mail.outcome import Deferred, Failed, Place
from tests.internet.servers import Host, Server, refusal

LATER = {"MAIL": "451 4.3.0 Later", "RCPT": "450 4.2.1 Later", "DATA": "451 4.3.0 Later", "DOT": "451 4.3.0 Later"}
BUSY = "421 4.3.2 Busy"


class MoodyHost(Host):
    """`temper`: how likely a mood is at each step until `calm_at`, on the clock's monotonic scale."""

    chance: random.Random
    temper = 0.0
    calm_at = 0.0

    def mood(self, step: str) -> str:
        if self.network.clock.monotonic() >= self.calm_at or self.chance.random() > self.temper:
            return ""
        moods = ["later", "later", "later", "busy", "hang up", "mute"]
        if step == "DOT":
            moods += ["take and hang up", "take and mute"]
        return self.chance.choice(moods)

    async def let_in(self, place: Place, patience: float) -> Opened | Failed | Deferred:
        match self.mood("GREETING"):
            case "" | "later":
                return await super().let_in(place, patience)
            case "busy":
                self.dials += 1
                await self.network.wait(4 * self.latency)
                return refusal(BUSY.encode() + b"\r\n", place)
            case _:
                return await self.shut_out(place, patience)

    def serve(self) -> Server:
        return MoodyServer(self)


class MoodyServer(Server):
    sink: MoodyHost

    def __init__(self, host: MoodyHost) -> None:
        super().__init__(host)
        self._is_told = True

    def answer(self, step: str, line: str, usual: str) -> bool:
        mood = self.sink.mood(step) if step in LATER else ""
        if not mood:
            return super().answer(step, line, usual)
        self.sink.transactions += step == "MAIL"
        if mood == "later":
            self.say(LATER[step])
            return False
        if mood == "busy":
            self.say(BUSY)
        self.close(silently=mood.endswith("mute"))
        self._is_told = not mood.startswith("take")
        return not self._is_told

    def take_content(self, content: bytes) -> None:
        before = len(self.sink.taken)
        self._is_told = True
        super().take_content(content)
        if not self._is_told:
            self.sink.untold.update((each.name, each.recipient) for each in self.sink.taken[before:])

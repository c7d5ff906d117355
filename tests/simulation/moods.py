"""Next hops with moods: they put mail off, refuse it, hang up, fall silent, and now and then take a message without
saying so. And what they took, in order, with a note whether they said so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from msgspec import Struct

from asyncmta.testing.sink_session import SinkSession
from asyncmta.testing.sink_values import EXTENSIONS, SinkSettings
from asyncmta.testing.smtp_sink import SmtpSink, TakenMessage

LATER = {
    "GREETING": "421 4.3.2 Busy",
    "EHLO": "421 4.3.2 Busy",
    "MAIL": "451 4.3.0 Later",
    "RCPT": "450 4.2.1 Later",
    "DATA": "451 4.3.0 Later",
    "DOT": "451 4.3.0 Later",
}
NEVER = {"MAIL": "550 5.7.1 Not you", "RCPT": "550 5.1.1 Nobody here", "DOT": "554 5.6.0 Not this"}


class Taken(Struct, eq=False):
    """A message that a next hop took. `is_told`: it said so, and the one who said it was there to hear it."""

    message: TakenMessage
    life: int
    is_told: bool


class MoodySession(SinkSession):
    sink: MoodySink
    is_mute = False
    _is_told = True

    def answer(self, step: str, line: str, usual: str) -> bool:
        mood = self.sink.mood(step)
        match mood:
            case "later":
                return self._refuse(LATER[step])
            case "never":
                return self._refuse(NEVER[step])
            case "hang up":
                self.close()
                return False
            case "mute":
                self.is_mute = True
                self.close(silently=True)
                return False
            case "take and hang up":
                self._is_told = False
                self.close()
                return True
            case "take and mute":
                self._is_told, self.is_mute = False, True
                self.close(silently=True)
                return True
            case "last":
                consent = super().answer(step, line, usual)
                self.close()
                return consent
        return super().answer(step, line, usual)

    def _refuse(self, text: str) -> bool:
        self.say(text)
        if text.startswith("421"):
            self.close()
        return False

    def take_content(self, content: bytes) -> None:
        self._is_told = True
        before = len(self.sink.messages)
        super().take_content(content)
        if len(self.sink.messages) > before:
            self.sink.taken.append(Taken(self.sink.messages[-1], self.sink.life(), self._is_told))


class MoodySink(SmtpSink):
    """`temper`: how likely a mood is at each step; `life` tells in which life of the MTA something happens."""

    def __init__(self, host: str, port: int, *, chance: random.Random, life: Callable[[], int], kind: bool) -> None:
        without = () if chance.random() < 0.5 else ("CHUNKING",)
        offers = tuple(extension for extension in EXTENSIONS if extension not in without)
        super().__init__(SinkSettings(extensions=offers), host=host, port=port)
        self.chance = chance
        self.life = life
        self.kind = kind  # it never refuses anything for good
        self.temper = 0.12
        self.taken: list[Taken] = []

    async def start(self) -> None:
        host, port = self._wanted
        self._server = await asyncio.get_running_loop().create_server(lambda: MoodySession(self), host, port)

    def mood(self, step: str) -> str:
        if step not in LATER or self.chance.random() > self.temper:
            return ""
        moods = ["later", "later", "later", "hang up"]
        if step in NEVER and not self.kind:
            moods += ["never", "never"]
        if step == "DOT":
            moods += ["take and hang up", "take and mute", "last", "mute"]
        return self.chance.choice(moods)

    @property
    def is_busy(self) -> bool:
        """Is content on its way?"""
        return any(session.in_content and not session._silent for session in self._open)

    @property
    def is_mute(self) -> bool:
        """Does somebody wait for an answer that never comes?"""
        return any(isinstance(session, MoodySession) and session.is_mute for session in self._open)

"""The lines of an AUTH exchange for a coroutine that reads them as from a stream: the way out of sans-IO for AUTH.

Promises: one line at a time and none before it is asked for, within the limits of `Conversation.take_line`; what is no
line ends the exchange with the reply that says so. Never: what a line means.

RFC 4954 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncmta.inbound.conversation import Conversation
from asyncmta.mail.reply import Reply


class ExchangeOver(Exception):
    """The exchange cannot go on; `reply` is for the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class ExchangeLines:
    """The one method of a stream reader that the exchange needs. `came` is to be called when input has come."""

    def __init__(self, conversation: Conversation, *, on_line: Callable[[], None]) -> None:
        self._conversation = conversation
        self._on_line = on_line
        self._waiting: asyncio.Future[None] | None = None

    def came(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def readline(self) -> bytes:
        """The next line without its end; raises ExchangeOver."""
        while True:
            line = self._conversation.take_line()
            if isinstance(line, bytes):
                self._on_line()
                return line
            if line is not None:
                raise ExchangeOver(line)
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

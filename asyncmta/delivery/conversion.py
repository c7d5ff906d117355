"""Content made fit for a server that cannot take it as it is: read whole, and recoded in a thread.

Promises: one message at a time, so that memory holds one such message and its recoded form, whatever waits. Never: what
has to be done about a message (`remedy` says it), sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from asyncmta.delivery.remedy import Fitted, Remedy, fit
from asyncmta.mail.envelope import Content
from asyncmta.mail.reply import Reply


class Conversion:
    """`eight_bit` of the settings: "recode", "send" or "bounce"."""

    def __init__(self, eight_bit: str = "recode") -> None:
        self.eight_bit = eight_bit
        self._turn = asyncio.Lock()

    async def run(
        self, content: tuple[bytes, ...] | AsyncIterator[bytes], facts: Content, remedy: Remedy
    ) -> Fitted | Reply:
        """Raises ContentUnavailable."""
        async with self._turn:
            parts = content if isinstance(content, tuple) else [chunk async for chunk in content]
            return await asyncio.to_thread(fit, b"".join(parts), facts, remedy)

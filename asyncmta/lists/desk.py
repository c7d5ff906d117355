"""The one door to this room: whose address is it, and what does he say?

Our own lists and the subscriptions to those of others, as one. Never: a decision.
"""

from __future__ import annotations

from asyncmta.lists.lists import Answer, Asked, Lists
from asyncmta.lists.posting import Post
from asyncmta.lists.subscriptions import Send, Subscriptions
from asyncmta.mail.address import Address
from asyncmta.mail.outcome import Failed


class Desk:
    """One for an Mta that has either."""

    def __init__(self, *, lists: Lists, subscriptions: Subscriptions | None) -> None:
        self._lists = lists
        self._subscriptions = subscriptions

    async def open(self, send: Send) -> None:
        if self._subscriptions is not None:
            await self._subscriptions.open(send)

    async def close(self) -> None:
        if self._subscriptions is not None:
            await self._subscriptions.close()

    def claims(self, address: Address) -> bool:
        return self._lists.claims(address) or (self._subscriptions is not None and self._subscriptions.claims(address))

    def post(self, owner: Address, section: bytes, sender: Address | None) -> Post | Failed | None:
        return self._lists.post(owner, section, sender)

    async def take(self, asked: Asked) -> Answer:
        if self._subscriptions is not None and self._subscriptions.claims(asked.address):
            return await self._subscriptions.take(asked)
        return await self._lists.take(asked)

"""The sandbox of a staging system: who may get mail for real, and what becomes of mail for everybody else.

Promises: who is not named gets nothing, whoever asks and however an address came about; the target of a redirection is
named by that. Never: a look at aliases, the header, or the sender.

docs/sandbox.md; peers.md 2.17.
"""

from __future__ import annotations

from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.routing import Pattern


class Sandbox(Struct, frozen=True):
    """`redirect_to` gets what is for others (None: nobody does); `allow` get their mail; `refuses`: others are refused
    at RCPT and not discarded later."""

    redirect_to: Address | None = None
    allow: tuple[Pattern, ...] = ()
    refuses: bool = False

    def allows(self, address: Address) -> bool:
        """May it have mail for real?"""
        target = self.redirect_to
        if target is not None and target.mailbox_key.casefold() == address.mailbox_key.casefold():
            return True
        return any(pattern.covers(address) for pattern in self.allow)

    def __str__(self) -> str:
        """As people are told of it."""
        real = ", ".join(pattern.text for pattern in self.allow) or "nobody"
        if self.redirect_to is not None:
            others = f"is redirected to {self.redirect_to}"
        else:
            others = "is refused" if self.refuses else "is discarded"
        return f"sandbox: mail for real to {real}; mail for others {others}"

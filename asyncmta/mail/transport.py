"""The seam between scheduling and delivery: all that is known of how mail is delivered, by the scheduler and by whoever
stands before a transport.

Promises of a transport: it never blocks or raises; it calls `done` exactly once for each consignment, on the loop,
possibly before `deliver` returns; the outcomes hold one for each ordinal of the consignment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Result

Done = Callable[[Consignment, Result], None]


class Transport(Protocol):
    """Who delivers."""

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Deliver all that was taken of one message in one turn: one consignment for each destination."""
        ...

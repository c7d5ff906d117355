"""The consignments of one message while some of their destinations are still being looked up.

Domains that turn out to share a site are to share a transaction, so that what is found first waits for the rest; but
for a second at most: one slow zone must not hold up the others. Never: look-ups, sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from asyncmta.delivery.transaction import Done, Leg, Parcel
from asyncmta.delivery.way import Way
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Outcome, Postponed
from asyncmta.system.clock import Clock, Timer

PATIENCE = 1.0

Where = Way | Outcome | Postponed


class Gathering(Struct, eq=False):
    """`found` is called once for each of `left` consignments; then, or after PATIENCE, they set out together."""

    done: Done
    set_out: Callable[[Sequence[Leg]], None]
    left: int
    ready: list[Leg] = []
    is_released: bool = False
    timer: Timer | None = None

    def wait(self, clock: Clock) -> None:
        """All that are known have been found; set a bound to the time that they wait for the others."""
        if self.left:
            self.timer = clock.call_at(clock.monotonic() + PATIENCE, self.release)

    def found(self, consignment: Consignment, where: Where) -> None:
        self.left -= 1
        if isinstance(where, Postponed):
            self.done(consignment, where)
        elif not isinstance(where, Way):
            self.done(consignment, dict.fromkeys(consignment.ordinals, where))
        else:
            self.ready.append(Leg(Parcel(consignment, where, self.done), consignment.ordinals))
            if self.is_released:
                self.release()
        if not self.left:
            self.release()

    def release(self) -> None:
        """Go, those that are ready."""
        self.is_released = True
        if self.timer is not None:
            self.timer.cancel()
        ready, self.ready = self.ready, []
        if ready:
            self.set_out(ready)

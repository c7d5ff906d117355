"""Looking on at a running MTA: a tap for every session that is meant, also for those that began before.

A part of the composition root, which `Mta` has this from. Never: what is shown (`tracing`).
"""

from __future__ import annotations

from asyncmta.delivery.dialer import Dialer
from asyncmta.inbound.entrance import Entrance
from asyncmta.inbound.listener import Listener
from asyncmta.tracing.looking import Looker, Tracing
from asyncmta.tracing.wanted import Wanted


class Traced:
    """The part of `Mta` that is about those who look on."""

    tracing: Tracing
    _dialer: Dialer
    _listeners: list[Listener]

    def trace(self, wanted: Wanted) -> Looker:
        """Look on, until what this gives is closed. Raises TooMany."""
        looker = self.tracing.look(wanted)
        for listener in self._listeners:
            for session in listener.sessions.live:
                if isinstance(session, Entrance):
                    session.look_on()
        self._dialer.taps.look_on()
        return looker

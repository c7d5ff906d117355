"""What stands between SMTP and a transaction: the rate of connections, the rule table, and whom to ask beside it.

One object for all listeners of an Mta; None where nothing is configured, so that it costs nothing then. Promises: rules
are asked before anybody who has to be waited for; clients of `relay.networks` have no rate of connections, no block
lists and no greet delay. Never: waiting (what has to be waited for is handed on), sockets, a clock of its own.

docs/policy.md; rows D-01, P-33, P-85.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

from asyncmta.inbound.limits import client_key
from asyncmta.inbound.throttle import Rate, Throttle
from asyncmta.policy.rules import Rules
from asyncmta.policy.verdict import Ask, Inspect, Peer, Verdict

Screen = Callable[[Peer], Awaitable[object]]
"""What DNS says of a client, as `Findings`. Never raises, and has a deadline."""


class Gate:
    """`screens_everybody`: clients that may relay too, for a rule about names. `stages`: at which of them `ask` has
    anything to say. `inspect`: looks at content, where somebody wants to."""

    def __init__(
        self,
        *,
        rules: Rules,
        now: Callable[[], float],
        connections: Rate | None = None,
        screen: Screen | None = None,
        screens_everybody: bool = False,
        ask: Ask | None = None,
        stages: frozenset[str] = frozenset(),
        inspect: Inspect | None = None,
    ) -> None:
        self.rules = rules
        self.screen = screen
        self.screens_everybody = screens_everybody
        self.ask = ask
        self.stages = stages
        self.inspect = inspect
        self._now = now
        self._connections = None if connections is None else Throttle(connections)
        self._instances = count(1)

    def connects(self, ip: str) -> bool:
        """May this stranger open one more session now?"""
        return self._connections is None or self._connections.take(client_key(ip), self._now())

    def new_instance(self) -> str:
        """A name for a transaction, for policy services that put its questions together."""
        return f"{next(self._instances):x}"


def verdicts_of(found: object) -> tuple[Verdict, ...]:
    """What `ask` and `inspect` gave. Whatever else it is comes of a bug, and there is a log line about that."""
    return found if isinstance(found, tuple) else ()

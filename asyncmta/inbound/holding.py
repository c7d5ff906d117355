"""What all sessions together keep in memory: counted, and whose part of it is too large when it is too much.

Promises: at most twice `limit` and one piece from each session, however many sessions there are; a session is asked to
go only where the sum is above `limit` and its own part above what each would have if all that hold something shared it
equally. So small mail goes on while big mail is turned away. Never: octets, sessions.

reliability.md bar 9.
"""

from __future__ import annotations

LIMIT = 64 << 20  # octets
WORTH = 8 << 20  # octets that are given back when nobody needs them any more
SESSION = 16 << 10  # octets, about, of a session that holds nothing: 3 KiB in clear text, 30 with TLS
RECIPIENT = 1024  # octets that one recipient of an open transaction is counted for: somewhat more than it needs


class Holding:
    """The sum over all sessions of all listeners."""

    __slots__ = ("_most_octets", "_most_sessions", "holders", "limit", "octets")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.octets = 0
        self.holders = 0  # sessions that hold something
        self._most_octets = self._most_sessions = 0  # since memory was given back

    def change(self, before: int, now: int) -> bool:
        """A session holds this much now. Is it too much?"""
        octets = self.octets = self.octets + now - before
        if not now:
            self.holders -= before > 0
        elif not before:
            self.holders += 1
        if octets > self._most_octets:  # noqa: PLR1730 - a call of max costs more than the rest of it
            self._most_octets = octets
        return octets > self.limit and now > before and now * self.holders > self.limit

    def entered(self, sessions: int) -> None:
        """There are so many now."""
        if sessions > self._most_sessions:  # noqa: PLR1730 - as above
            self._most_sessions = sessions

    def is_worth_giving_back(self, sessions: int) -> bool:
        """Was so much more in use since the last time, by content or by sessions, that most of it must be free now?"""
        return self._most_octets - self.octets + SESSION * (self._most_sessions - sessions) > WORTH

    def gave_back(self) -> None:
        self._most_octets = self.octets
        self._most_sessions = 0

"""Are the name servers there? From what look-ups met with: that they are gone is noticed once, and that they are back.

A single name whose own servers are silent looks the same from here, so it takes three names without any answer between
them; a connection that is refused is enough at once. Any answer at all, a failure told included, means that they are
there. Never: the log, the time, sockets.
"""

from __future__ import annotations

NAMES_NEEDED = 3


class DnsHealth:
    def __init__(self) -> None:
        self.is_down = False
        self._silent: set[str] = set()

    def answered(self) -> bool:
        """A name server said something; True when that ends a time without them."""
        self._silent.clear()
        was_down, self.is_down = self.is_down, False
        return was_down

    def silent(self, name: str, *, is_certain: bool) -> bool:
        """Nobody said anything about this name; True when that begins a time without them."""
        if self.is_down:
            return False
        self._silent.add(name)
        self.is_down = is_certain or len(self._silent) >= NAMES_NEEDED
        return self.is_down

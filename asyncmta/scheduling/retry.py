"""When a message is tried again, and when that ends: a pure function of its age, never of a counter.

The schedule is quadratic: equal steps in the square root of the age, so that an hour weighs for a message of one day
what ten minutes weigh for one of an hour. Promises: a due time lies behind the attempt before it and never behind the
end of the lifetime; the jitter is computed from the message and its last attempt, so that a restart gives the same
time again. Never: the clock, and nothing that is stored.

RFC 5321 4.5.4.1 (give up after 4 to 5 days); seeds D-81, D-82 (the schedule and its constants), W-315 (jitter).
"""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

_WORD = 0xFFFF_FFFF_FFFF_FFFF


class RetrySchedule(Struct, frozen=True):
    """Lifetimes in seconds, of messages and of DSNs; `k` and `local_k` are steps in the square root of the age."""

    lifetime: float = 5 * 86_400.0
    bounce_lifetime: float = 86_400.0
    k: float = 20.0
    local_k: float = 10.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if not (self.lifetime > 0 and self.bounce_lifetime > 0):
            raise ValueError("a lifetime is longer than nothing")
        if not (self.k >= 1 and self.local_k >= 1):
            raise ValueError("a step of the retry schedule is at least 1 (in square roots of seconds)")
        if not 0 <= self.jitter <= 0.5:
            raise ValueError("jitter is a share of the delay, from 0 to 0.5")

    def next_due(
        self,
        accepted_at: float,
        last_attempt: float,
        *,
        salt: int,
        local: bool = False,
        bounce: bool = False,
        end: float | None = None,
    ) -> float:
        """When it is tried again after an attempt at `last_attempt`; at the latest when its lifetime ends, or at `end`.

        `salt` names message and attempt: the same salt gives the same time, another one another jitter.
        """
        step = self.local_k if local else self.k
        age = max(0.0, last_attempt - accepted_at)  # a wall clock set back makes it negative
        delay = 2 * step * sqrt(age) + step * step  # (sqrt(age) + step)^2 - age
        due = last_attempt + delay * (1 + self.jitter * _lot(salt))
        return min(due, self.expires_at(accepted_at, bounce=bounce) if end is None else end)

    def expires_at(self, accepted_at: float, *, bounce: bool) -> float:
        """From then on a deferral is a failure. `bounce`: the reverse-path is null, which nobody waits for."""
        return accepted_at + (self.bounce_lifetime if bounce else self.lifetime)


def _lot(salt: int) -> float:
    """A number from -1 to 1 drawn from the salt: SplitMix64's last steps, since neighbours must differ widely."""
    word = ((salt & _WORD) + 0x9E37_79B9_7F4A_7C15 + (salt >> 64)) & _WORD
    word = ((word ^ word >> 30) * 0xBF58_476D_1CE4_E5B9) & _WORD
    word = ((word ^ word >> 27) * 0x94D0_49BB_1331_11EB) & _WORD
    word ^= word >> 31
    return word / (_WORD / 2) - 1

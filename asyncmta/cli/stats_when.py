"""What `--since` and `--until` may be: a time as `2026-11-21`, `2026-11-21T10:00` or with seconds and a zone, or how
long ago it was (`24h`). Pure: the time it is now is handed in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_AGO = re.compile(r"([0-9]{1,9})([smhdw])\Z")
_LAST = 253_402_300_799_999  # the end of the year 9999
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class NoTime(ValueError):
    """It is neither; the message says what is allowed."""


def moment(text: str, now: float) -> int:
    """Milliseconds since 1970. A time without a zone is UTC, as those of the log are. What is before all logs, or after
    them, is their beginning and their end."""
    if found := _AGO.match(text):
        return _bounded(now - int(found[1]) * _SECONDS[found[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NoTime(
            f"{text!r} is no time; allowed: 2026-11-21, 2026-11-21T10:00:00, with Z or +01:00, or how long ago: 24h, 7d"
        ) from None
    return _bounded((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())


def _bounded(seconds: float) -> int:
    return min(max(0, round(seconds * 1000)), _LAST)

"""Browsers that have shown the token, and what proves that a form is one of ours.

Promises: a cookie is random and not the token; it is forgotten after a day, after hours without use, at the log-out,
and when too many others came; a form counts only with the mark that belongs to its cookie. Never: the token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict

DAY, IDLE = 86_400.0, 4 * 3_600.0
MOST = 200
COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """In memory alone: a restart asks everybody again. Times are of a clock that does not jump."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()  # when it began, and was used last

    def begin(self, now: float) -> str:
        """A session; its cookie."""
        cookie = fresh()
        self._known[cookie] = (now, now)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return cookie

    def knows(self, cookie: str, now: float) -> bool:
        """Is it one of those, and is it used within its time?"""
        times = self._known.pop(cookie, None)
        if times is None or now - times[0] > DAY or now - times[1] > IDLE:
            return False
        self._known[cookie] = (times[0], now)
        return True

    def end(self, cookie: str) -> None:
        self._known.pop(cookie, None)

    def mark(self, cookie: str, text: str = "") -> str:
        """What only we can have written for this browser."""
        return hmac.new(self._key, f"{cookie} {text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]

    def is_mark(self, given: str, cookie: str, text: str = "") -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.mark(cookie, text).encode())


def fresh() -> str:
    """A cookie of a browser that has not said anything yet."""
    return secrets.token_urlsafe(32)

"""How TLS went with each host: counted, and what people should know said once for each host and not for each message.

Promises: bounded (the host that was not heard of for the longest is forgotten first). A host that falls back to clear,
or no longer offers the TLS that it had, is in the log once, until TLS works there again. Never: a decision.

RFC 7435; reliability.md T04.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

MOST_HOSTS = 10_000


class _Best(Enum):
    """What is known of a host."""

    SECURED = "TLS works"
    FELL_BACK = "TLS is offered and fails"
    DROPPED = "TLS worked once and is not offered now"


class TlsRecord:
    """One for a transport; the counts are of handshakes, and of sessions that went on in clear after a failed one.
    `note` is that of the log."""

    def __init__(self, note: Callable[..., None] | None = None) -> None:
        self.handshakes = 0
        self.resumed = 0
        self.fallbacks = 0
        self._log = note
        self._hosts: OrderedDict[str, _Best] = OrderedDict()

    def secured(self, host: str, *, is_resumed: bool) -> None:
        self.handshakes += 1
        self.resumed += is_resumed
        self._keep(host, _Best.SECURED)

    def fell_back(self, host: str, ip: str, reason: str) -> None:
        """The handshake failed, and mail goes there in clear."""
        self.fallbacks += 1
        if self._keep(host, _Best.FELL_BACK) is not _Best.FELL_BACK:
            self._note("tls_fallback", host, ip, reason)

    def not_offered(self, host: str, ip: str) -> None:
        """No news of a host that never had it."""
        if self._hosts.get(host) is _Best.SECURED:
            self._keep(host, _Best.DROPPED)
            self._note("tls_dropped", host, ip, "STARTTLS is no longer offered")

    def _keep(self, host: str, best: _Best) -> _Best | None:
        before = self._hosts.get(host)
        self._hosts[host] = best
        self._hosts.move_to_end(host)
        if len(self._hosts) > MOST_HOSTS:
            self._hosts.popitem(last=False)
        return before

    def _note(self, event: str, host: str, ip: str, reason: str) -> None:
        if self._log is not None:
            self._log("warning", event, host=host, ip=ip, reason=reason)

"""What some events of the process come to as plain numbers: handshakes, logins, recipients that were stopped. Pure.

Promises: as `tally`: nothing that a peer says becomes a key, and what is not counted costs one look-up. Never: a line.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncmta.mail import replies
from asyncmta.mail.reply import Reply
from asyncmta.tally import OTHER, VERSIONS, Counts, version_of

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2")
STOPPED = (
    *(("sandbox", "redirected"), ("sandbox", "refused"), ("sandbox", "discarded")),
    *(("suppression", "refused"), ("suppression", "stopped")),
)
_REFUSALS = {replies.SUPPRESSED: ("suppression", "refused"), replies.NOT_IN_SANDBOX: ("sandbox", "refused")}


class Noted:
    """Of one log. Keys: of `handshakes` the TLS version, or "failed"; of `logins` the mechanism; of `stopped` who
    stopped a recipient, and how."""

    def __init__(self) -> None:
        self.handshakes: Counts = dict.fromkeys((("TLSv1.2",), ("TLSv1.3",), ("failed",)), 0)
        self.logins: Counts = {}
        self.stopped: Counts = dict.fromkeys(STOPPED, 0)

    def note(self, event: str, facts: Mapping[str, object]) -> None:
        match event:
            case "tls_began":
                version = version_of(str(facts.get("tls", "")))
                _add(self.handshakes, version if version in VERSIONS else OTHER)
            case "tls_failed":
                _add(self.handshakes, "failed")
            case "logged_in":
                mechanism = str(facts.get("mechanism", ""))
                _add(self.logins, mechanism if mechanism in MECHANISMS else OTHER)
            case "sandboxed":
                _add(self.stopped, "sandbox", "discarded")
            case "suppressed":
                _add(self.stopped, "suppression", "stopped")
            case "rewritten" if facts.get("by") == "sandbox":
                _add(self.stopped, "sandbox", "redirected")

    def refused(self, reply: Reply) -> None:
        key = _REFUSALS.get(reply)
        if key is not None:
            _add(self.stopped, *key)


def _add(counts: Counts, *key: str) -> None:
    counts[key] = counts.get(key, 0) + 1

"""Events of the process as numbers, and that nobody can make up keys."""

from __future__ import annotations

import io

import pytest

from asyncmta.counted_log import CountedLog
from asyncmta.mail import replies
from asyncmta.mail.reply import reply
from asyncmta.noted import Noted
from asyncmta.testing.clock import FakeClock


def some(noted: Noted) -> dict[tuple[str, ...], int]:
    """Those that are not 0."""
    return {key: n for counts in (noted.handshakes, noted.logins, noted.stopped) for key, n in counts.items() if n}


@pytest.mark.parametrize(
    ("event", "facts", "found"),
    [
        ("tls_began", {"tls": "TLSv1.3 TLS_AES_256_GCM_SHA384"}, ("TLSv1.3",)),
        ("tls_began", {"tls": "SSLv3"}, ("other",)),
        ("tls_began", {}, ("other",)),
        ("tls_failed", {"reason": "x"}, ("failed",)),
        ("logged_in", {"mechanism": "PLAIN"}, ("PLAIN",)),
        ("logged_in", {"mechanism": "MADE-UP"}, ("other",)),
        ("sandboxed", {}, ("sandbox", "discarded")),
        ("suppressed", {}, ("suppression", "stopped")),
        ("rewritten", {"by": "sandbox"}, ("sandbox", "redirected")),
        ("rewritten", {"by": "srs"}, None),
        ("webhook_failed", {}, None),
    ],
)
def test_noted(event: str, facts: dict[str, object], found: tuple[str, ...] | None) -> None:
    noted = Noted()
    noted.note(event, facts)
    assert some(noted) == ({found: 1} if found else {})


def test_refusals() -> None:
    noted = Noted()
    for said in (replies.SUPPRESSED, replies.NOT_IN_SANDBOX, reply(550, "5.1.1", "nobody")):
        noted.refused(said)
    assert some(noted) == {("suppression", "refused"): 1, ("sandbox", "refused"): 1}


def test_the_log_counts_what_it_does_not_write() -> None:
    log = CountedLog(clock=FakeClock(), stream=io.BytesIO(), format="json", level="error")
    log.note("debug", "tls_began", tls="TLSv1.3", client="192.0.2.1")
    log.refused(client="192.0.2.1", stage="RCPT", reply=replies.SUPPRESSED)
    log.close()
    assert some(log.noted) == {("TLSv1.3",): 1, ("suppression", "refused"): 1}

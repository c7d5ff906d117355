"""Which rule or limit decides about a recipient: one answer, and the nearest."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from asyncmta.delivery.equipment import SiteView
from asyncmta.reasons import COMMAND, MAILBOX, NETWORK, Facts, decide

NOW, END = 10_000.0, 90_000.0
FACTS = Facts(
    state="deferred",
    rule="route 0 (recipient *, sender *): matches, smarthost",
    pause="",
    way=NETWORK,
    is_held=False,
    release="",
    next_due=NOW + 400,
    ends_at=END,
    is_crowded=False,
    sites=(),
)
SITE = SiteView("mx.example.net", ("mx.example.net",), 0, 0, 0, 0, 5, None, "")
AWAY = replace(SITE, suspended_until=NOW + 400, last_failure="421 4.3.2 Not now")


@pytest.mark.parametrize(
    ("by", "says", "changed"),
    [
        ("hold", "queue release", {"state": "held", "is_held": True}),
        ("route", "route 0", {"state": "held"}),
        ("pause", "domain x.example is paused", {"state": "held", "pause": "domain x.example is paused"}),
        ("hold", "queue release", {"state": "held", "is_held": True, "pause": "domain x.example is paused"}),
        ("pause", "output is paused", {"pause": "output is paused"}),
        ("session", "on a session", {"state": "active", "sites": (SITE,), "pause": "output is paused"}),
        ("pause", "output is paused", {"state": "ready", "is_crowded": True, "pause": "output is paused"}),
        ("report", "sender is being told", {"state": "failed"}),
        ("sender", "to be released at", {"release": "to be released at noon"}),
        ("schedule", "retry schedule", {}),
        ("schedule", "retry schedule", {"sites": (SITE,)}),
        ("suspended", "421 4.3.2 Not now", {"sites": (AWAY,)}),
        ("suspended", "mx.example.net", {"sites": (AWAY, replace(AWAY, key="far", suspended_until=NOW + 900))}),
        ("schedule", "retry schedule", {"sites": (AWAY,), "next_due": NOW + 500}),  # it has its own time, a later one
        ("schedule", "retry schedule", {"sites": (AWAY, SITE)}),  # the other one is tried
        ("lifetime", "once more", {"next_due": END}),
        ("lifetime", "once more", {"next_due": None}),
        ("turn", "as soon as there is room", {"state": "ready"}),
        ("share", "as many recipients", {"state": "ready", "is_crowded": True}),
        ("mailbox", "mailbox", {"state": "active", "way": MAILBOX}),
        ("command", "command", {"state": "active", "way": COMMAND}),
        ("delivery", "looked up", {"state": "active"}),
        ("opening", "being opened", {"state": "active", "sites": (replace(SITE, opening=1),)}),
        ("window", "7 transactions", {"state": "active", "sites": (replace(SITE, waiting=7, sessions=5),)}),
        ("session", "on a session", {"state": "active", "sites": (replace(SITE, waiting=1, sessions=2),)}),
        ("session", "busy", {"state": "active", "sites": (SITE, replace(SITE, key="busy", sessions=1))}),
    ],
)
def test_what_decides(by, says, changed):
    decision = decide(replace(FACTS, **changed))
    assert decision.by == by
    assert says in decision.says

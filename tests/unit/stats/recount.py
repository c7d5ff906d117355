"""The same figures counted in the plainest way: `json`, dictionaries and `sorted`.

Shares no line with asyncmta.stats; texts of replies are compared by code and status, which need no masking.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any


def recount(lines: Iterable[bytes], top: int) -> dict[str, Any]:
    """Keys and forms are those of the report."""
    by_event: Counter[str] = Counter()
    delays: list[float] = []
    domains: dict[str, Counter[str]] = defaultdict(Counter)
    hours: dict[str, Counter[str]] = defaultdict(Counter)
    senders: Counter[str] = Counter()
    octets: Counter[str] = Counter()
    reasons: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)
    clients: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for text in lines:
        line = json.loads(text)
        event = line["event"]
        by_event[event] += 1
        if event == "delivered":
            delays.append(line["delay"])
        hour = hours[line["ts"][:13] + "Z"]
        if event in ("delivered", "deferred", "failed", "expired"):
            domains[line["recipient"].split("@")[-1].lower()][event] += 1
        if event in ("deferred", "failed", "expired", "refused"):
            cause = line["stage"] if event == "refused" else line["cause"]
            reasons[event][cause, line["enhanced"], line["reply"][0] + "xx"] += 1
        if event in ("accepted", "delivered", "deferred", "refused"):
            hour[event] += 1
        if event in ("failed", "expired"):
            hour["failed"] += 1
        if event == "refused":
            clients[line["client"]] += 1
        if event == "attempt":
            attempts[line["destination"]] += 1
        if event == "accepted":
            sender = line["reverse_path"].replace("@Sender", "@sender")
            senders[sender] += 1
            octets[sender] += line["size"]

    delays.sort()

    def most(counts: Counter[Any]) -> list[tuple[Any, int]]:
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]

    order = sorted(
        domains.items(),
        key=lambda item: (-item[1]["delivered"], -(item[1].total() - item[1]["delivered"]), item[0]),
    )
    return {
        "events": dict(by_event),
        "percentiles": [delays[math.ceil(len(delays) * part) - 1] for part in (0.5, 0.9, 0.99, 1.0)] if delays else [],
        "domains": [
            (name, *(found[key] for key in ("delivered", "deferred", "failed", "expired")))
            for name, found in order[:top]
        ],
        "senders": [(name, times, octets[name]) for name, times in most(senders)],
        "clients": most(clients),
        "destinations": most(attempts),
        "deferrals": most(reasons["deferred"]),
        "failures": most(reasons["failed"] + reasons["expired"]),
        "refusals": most(reasons["refused"]),
        "hours": [
            (name, *(hours[name][key] for key in ("accepted", "delivered", "deferred", "failed", "refused")))
            for name in sorted(hours)
        ],
    }

"""Why a recipient is still in the queue: the one rule or limit that decides about it now. Pure.

Promises: one answer for each recipient that is not done, and the nearest: what stands in the way now, and not what may
stand there later. `by` is for programs and stays as it is (docs/api.md has the list), `says` for people. Never: a look
at a queue or a site; what is known of them is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

MAILBOX, COMMAND, NETWORK = "mailbox", "command", "network"
SLACK = 1.0  # seconds; due times are on two scales, and what is parked is due to a second

REPORT = "its attempts have failed, and its sender is being told"


class SiteFacts(Protocol):
    """What is asked of a site; a `SiteView` is such."""

    @property
    def key(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def sessions(self) -> int: ...
    @property
    def opening(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def suspended_until(self) -> float | None: ...
    @property
    def last_failure(self) -> str: ...


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one recipient. `state`: as a row of the queue has it; `rule`: the route that has chosen its next
    hop; `pause`: what an operator has paused that keeps it back, "" for nothing; `way`: MAILBOX, COMMAND or NETWORK;
    `release`: when its sender wants it to go, if that is why it waits; `is_crowded`: its next hop has its share in
    hand; `sites`: those of its next hop, as far as they are known."""

    state: str
    rule: str
    pause: str
    way: str
    is_held: bool
    release: str
    next_due: float | None
    ends_at: float
    is_crowded: bool
    sites: Sequence[SiteFacts]


class Decision(Struct, frozen=True):
    """What decides."""

    by: str
    says: str


def decide(facts: Facts) -> Decision:
    """Which rule or limit it is."""
    match facts.state:
        case "held":
            return _held(facts)
        case "deferred" | "ready" if facts.pause:
            return _paused(facts)
        case "deferred":
            return _deferred(facts)
        case "ready":
            return _due(facts)
        case "failed":
            return Decision("report", REPORT)
    return _in_hand(facts)


def _held(facts: Facts) -> Decision:
    if facts.is_held:
        return Decision("hold", "an operator holds the message, or a rule did when it came: `asyncmta queue release`")
    if facts.pause:
        return _paused(facts)
    return Decision("route", f"a route holds it: {facts.rule}")


def _paused(facts: Facts) -> Decision:
    return Decision("pause", f"{facts.pause}: `asyncmta resume`")


def _deferred(facts: Facts) -> Decision:
    if facts.release:
        return Decision("sender", f"{facts.release}, as its sender wishes")
    due = facts.next_due if facts.next_due is not None else facts.ends_at
    suspended = [site for site in facts.sites if site.suspended_until is not None]
    if suspended and len(suspended) == len(facts.sites):
        first = min(suspended, key=_until)
        if _until(first) >= due - SLACK:
            return Decision("suspended", f"{first.key} is suspended, whatever mail it is: {first.last_failure}")
    if due >= facts.ends_at - SLACK:
        return Decision("lifetime", "its lifetime is nearly over: it is tried once more at the end")
    return Decision("schedule", "the retry schedule: the older it is, the longer the pause after an attempt")


def _until(site: SiteFacts) -> float:
    return site.suspended_until or 0.0


def _due(facts: Facts) -> Decision:
    if facts.is_crowded:
        return Decision("share", "its next hop has as many recipients in hand as one may have")
    return Decision("turn", "it is due, and has its turn as soon as there is room")


def _in_hand(facts: Facts) -> Decision:
    if facts.way == MAILBOX:
        return Decision("mailbox", "it is being written into its mailbox")
    if facts.way == COMMAND:
        return Decision("command", "a command has it, or is about to")
    if not facts.sites:
        return Decision("delivery", "it is in hand: its exchangers are being looked up, or talked to")
    site = max(facts.sites, key=lambda each: each.waiting + each.sessions + each.opening)
    if site.waiting and site.sessions >= site.window:
        return Decision("window", f"{site.waiting} transactions wait for the {site.sessions} sessions with {site.key}")
    if site.opening and not site.sessions:
        return Decision("opening", f"a session with {site.key} is being opened")
    return Decision("session", f"it is on a session with {site.key}, or next for one")

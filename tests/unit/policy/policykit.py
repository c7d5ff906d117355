"""A log that is a list, and questions, for the tests of this room."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from asyncmta.mail.address import parse_address
from asyncmta.policy.verdict import About, Peer, Stage


class KitLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def note(self, level: str, event: str, /, **facts: Any) -> None:
        self.lines.append((event, facts))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


def peer(ip: str = "192.0.2.7", **facts: Any) -> Peer:
    return Peer(ip=ip, address=ip_address(ip) if ip else None, **facts)


def about(stage: Stage = "RCPT", **facts: Any) -> About:
    given = {"peer": peer(), "reverse_path": parse_address("bob@example.com")}
    return About(stage=stage, **(given | facts))  # type: ignore[arg-type]

"""The JSON of the paths about the MTA itself and about the suppression list, as types: like `shapes`. Pure.

Promises: requests are strict; an answer always has all its keys. Never: a value of a running MTA.

docs/life.md, docs/suppression.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from asyncmta.admin.shapes import Age

What = Literal["input", "output", "site", "domain"]
HostAndPort = Annotated[
    str,
    Meta(
        description='"relay.example:25", "192.0.2.1:25", "[2001:db8::1]:25".',
        extra_json_schema={"pattern": r"^[^\s]+:[0-9]{1,5}$"},
    ),
]


class Pause(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to pause. `name`: of a site or domain; `for`: so long, and not until it is resumed."""

    what: What
    name: str = ""
    for_: Age | None = field(default=None, name="for")


class Resume(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to pause no more. `name`: of a site or domain."""

    what: What
    name: str = ""


class PauseEnd(Struct, forbid_unknown_fields=True):
    """When a pause ends by itself, in Unix seconds. `name` is "" where the whole of input or output is meant."""

    what: What
    name: str
    at: float


class Pauses(Struct, forbid_unknown_fields=True):
    """What is paused, and in words. `handing_over`: to whom the queue goes, "" for nobody; `ends`: of those pauses that
    have an end."""

    input: bool
    output: bool
    handing_over: str
    sites: list[str]
    domains: list[str]
    ends: list[PauseEnd]
    reasons: list[str]


class HandOver(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """To whom the queue goes."""

    to: HostAndPort
    tls: Literal["none", "opportunistic", "require", "verify"] = "opportunistic"


class HandOverShown(Struct, forbid_unknown_fields=True):
    """How a hand-over stands. `taken`: recipients that the other relay has taken; `left`: messages that are queued
    here, of which `held` are held by an operator and do not go; `reasons`: the replies, and to how many recipients."""

    to: str
    total: int
    left: int
    held: int
    taken: int
    reasons: dict[str, int]


class Reloaded(Struct, forbid_unknown_fields=True):
    """Keys of config.toml that differ from those in force: those that are in force now, and those that are not."""

    changed: list[str]
    needs_restart: list[str]


class Added(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be added. `expires` in Unix seconds; null or 0: never."""

    addresses: list[str]
    reason: str = ""
    added: float = 0.0
    expires: float | None = None


class SuppressionShown(Struct, forbid_unknown_fields=True):
    """An entry. `address` is one, or "@domain"; `expires` null: it never ends."""

    address: str
    reason: str
    added: float
    expires: float | None


class SuppressionPage(Struct, forbid_unknown_fields=True):
    """By address; `next` is the cursor of the page that follows, and null at the end."""

    suppressions: list[SuppressionShown]
    next: str | None

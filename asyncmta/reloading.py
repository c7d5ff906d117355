"""New settings beside those in force: what a running MTA takes over, and what has to wait for a restart. Pure.

Promises: each key that differs is in one of two lists; the settings that result have the new values of the first list
and the old ones of the second, so that what is said to be in force is in force. Never: a value (some are secrets);
how anything is taken over (`mta_reload`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

S = TypeVar("S", bound=Struct)

ALL = frozenset({"*"})

TAKEN_OVER: Mapping[str, frozenset[str]] = {
    "auth": ALL,
    "bounce": ALL,
    "certificates": ALL,
    "dnsbl": ALL,
    "domains": ALL,
    "hooks": ALL,
    "limits": ALL,
    "local": ALL,
    "log": frozenset({"level"}),
    "policy": ALL,
    "queue": frozenset({"lifetime", "bounce_lifetime", "delay_warning", "drain_timeout"}),
    "relay": ALL,
    "rewrites": ALL,
    "routes": ALL,
    "rules": ALL,
    "smarthost": ALL,
    "srs": ALL,
    "tls": ALL,
}
"""Fields of the settings, with the keys in them; what is not here needs a restart."""

TEXTS = frozenset({"postmaster"})
"""Fields that are no tables, although their values have fields of their own."""

UNSPOKEN = frozenset({"source"})
"""Where settings came from is none of them."""


class Change(Struct, Generic[S], frozen=True):
    """`settings`: what is in force with it. `changed` and `needs_restart`: keys, as config.toml names them."""

    settings: S
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


def compare(old: S, new: S) -> Change[S]:
    """From the settings in force to those that somebody wants."""
    changed: list[str] = []
    needs_restart: list[str] = []
    kept: dict[str, object] = {}
    for field in old.__struct_fields__:
        before, wanted = getattr(old, field), getattr(new, field)
        if field in UNSPOKEN or before == wanted:
            continue
        if (
            field in TEXTS
            or not isinstance(before, Struct)
            or not isinstance(wanted, Struct)
            or type(before) is not type(wanted)
        ):
            if field in TAKEN_OVER:
                changed.append(_name(field, before))
            else:
                needs_restart.append(_name(field, before))
                kept[field] = before
            continue
        stays = {}
        for key in before.__struct_fields__:
            if getattr(before, key) == getattr(wanted, key):
                continue
            if is_taken_over(field, key):
                changed.append(f"{field}.{key}")
            else:
                needs_restart.append(f"{field}.{key}")
                stays[key] = getattr(before, key)
        kept[field] = replace(wanted, **stays)
    return Change(replace(new, **kept), tuple(sorted(changed)), tuple(sorted(needs_restart)))


def is_taken_over(field: str, key: str) -> bool:
    """By a running MTA, without a restart."""
    taken = TAKEN_OVER.get(field, frozenset())
    return taken is ALL or key in taken


def _name(field: str, value: object) -> str:
    """Arrays of tables are `routes` here and `[[route]]` there."""
    return field.removesuffix("s") if isinstance(value, tuple) else field

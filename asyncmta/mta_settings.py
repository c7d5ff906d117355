"""The settings in force, key by key, with where each came from and whether another value needs a restart. Pure.

Promises: every key of every table is there; a secret is masked. Never: what a key means (`config_tables`), or how new
settings are put in force (`mta_reload`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncmta.config import Settings
from asyncmta.config_tables import ARRAYS, TABLES
from asyncmta.reloading import is_taken_over


def told(settings: Settings, waiting: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """In the order of config.toml. `waiting`: keys whose new value waits for a restart, as a reload has said."""
    source = settings.source
    for path, field, key, value in _flat(settings.effective()):
        variable, head = source.variables.get(path), path.partition(".")[0]
        given = "file" if source.file is not None else "program"
        yield {
            "key": path,
            "value": value,
            "source": "environment" if variable else given if path in source.given else "default",
            "variable": variable,
            "needs_restart": not is_taken_over(field, key),
            "waits_for_restart": any(each in (path, head) or each.partition(".")[0] == path for each in waiting),
        }


def _flat(effective: dict[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """Path in the file, field of the settings, key in it, value."""
    for name, value in effective.items():
        if name in ARRAYS:
            for index, table in enumerate(value):
                yield from ((f"{name}.{index}.{key}", f"{name}s", key, one) for key, one in table.items())
        elif name in TABLES:
            yield from ((f"{name}.{key}", name, key, one) for key, one in value.items())
        else:
            yield name, name, "", value

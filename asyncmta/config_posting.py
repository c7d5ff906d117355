"""The few settings that `sendmail`, `mailq` and `newaliases` need, read without the rest.

They are run by users who may read neither our key files nor those of passwords, so that nothing but these keys is
judged, and no file is opened but config.toml. Promises: a wrong value of one of these keys is told as `Settings` does.
Never: whether we could serve with the whole of it.

contract.md sections 2 and 3; docs/sendmail.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from asyncmta.config import InvalidConfig, own_hostname
from asyncmta.config_kinds import Text, Unfit
from asyncmta.config_sources import Sources
from asyncmta.config_tables import ARRAYS, TABLES, General, kinds

ALIAS_KEYS = ("aliases", "virtual", "relocated")


class Posting(Struct, frozen=True, kw_only=True):
    """`socket`: the control socket. `drop`: the drop directory, "" where there is none. `alias_files`: by their key,
    as `local.aliases`."""

    hostname: str
    spool: str
    socket: str
    drop: str
    message_size: int
    recipients: int
    alias_files: dict[str, str]


def read_posting(path: str | None, *, environ: Mapping[str, str] | None = None) -> Posting:
    """Of this file and the environment, which wins; raises InvalidConfig."""
    sources = Sources("defaults" if path is None else path)
    if path is not None:
        sources.read_file(Path(path))
        if sources.faults:
            raise InvalidConfig(sources.faults)
    sources.read_environment(os.environ if environ is None else environ)
    keys = _Keys(sources, os.path.abspath(Path() if path is None else Path(path).parent))
    spool = keys.read("", "spool")
    hostname = keys.read("", "hostname")
    socket = keys.read("admin", "socket")
    enabled, mode = keys.read("drop", "enabled"), keys.read("", "mode")
    size, recipients = keys.read("limits", "message_size"), keys.read("limits", "recipients")
    aliases = {f"local.{key}": keys.read("local", key) for key in ALIAS_KEYS}
    aliases |= keys.read_all("domain", "aliases")
    if keys.faults:
        raise InvalidConfig(keys.faults)
    return Posting(
        hostname=hostname or own_hostname(),
        spool=spool,
        socket=socket or os.path.join(spool, "control.sock"),
        drop=drop_directory(spool) if enabled and mode == "queue" else "",
        message_size=size,
        recipients=recipients,
        alias_files={key: file for key, file in aliases.items() if file},
    )


def drop_directory(spool: str) -> str:
    """Where mail is left for the MTA of this spool."""
    return os.path.join(spool, "drop")


class _Keys:
    """Single keys of a tree of raw values."""

    def __init__(self, sources: Sources, folder: str) -> None:
        self._sources = sources
        self._folder = folder
        self.faults: list[str] = []

    def read(self, table: str, key: str) -> Any:
        """Its value, or its default."""
        tree = self._sources.tree
        raw = tree.get(table, {}) if table else tree
        return self._value(raw, TABLES[table] if table else General, f"{table}.{key}" if table else key)

    def read_all(self, array: str, key: str) -> dict[str, Any]:
        """That of each of its tables, by path."""
        tables = self._sources.tree.get(array, [])
        found = enumerate(tables if isinstance(tables, list) else [])
        return {(path := f"{array}.{at}.{key}"): self._value(raw, ARRAYS[array], path) for at, raw in found}

    def _value(self, raw: object, declared: type[Struct], path: str) -> Any:
        key = path.rpartition(".")[2]
        kind = kinds(declared)[key]
        value = getattr(declared(), key)
        if path in self._sources.faulty:  # a variable; its fault has been said
            self.faults += [fault for fault in self._sources.faults if fault.startswith(self._sources.where(path))]
        elif isinstance(raw, dict) and key in raw:
            try:
                value = kind.parse(raw[key])
            except Unfit as error:
                self.faults.append(f"{self._sources.where(path)}: {error}")
        if isinstance(kind, Text) and kind.is_path and value:
            value = os.path.normpath(os.path.join(self._folder, value))
        return value

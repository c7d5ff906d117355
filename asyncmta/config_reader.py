"""Raw values of config.toml and the environment, read into the tables of `config_tables`.

Promises: every fault is told, with the key that it is about; a key with a fault keeps its default, so that the rest can
be judged, and a pair is not judged when one of its keys had a fault of its own; relative paths become absolute. Never:
a default or a rule (`config_tables`, `config_checks`).

contract.md section 3.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import msgspec

from asyncmta.config_kinds import Text, Unfit, named
from asyncmta.config_local import DomainTable, LocalTable, anchored, with_domains
from asyncmta.config_sources import Sources
from asyncmta.config_tables import ARRAYS, TABLES, General, Tables, kinds, nearest

T = TypeVar("T", bound=msgspec.Struct)


class Reader:
    """Makes tables of raw values; a key with a fault keeps its default, so that the rest can be judged."""

    def __init__(self, sources: Sources, folder: str) -> None:
        self._sources = sources
        self._folder = folder
        self.faults = list(sources.faults)
        self.given: set[str] = set()
        self._faulty = set(sources.faulty)

    def report(self, path: str, text: str) -> None:
        self._faulty.add(path)
        self.faults.append(f"{self._sources.where(path)}: {text}")

    def report_pair(self, path: str, text: str, *others: str) -> None:
        if self._faulty.isdisjoint((path, *others)):
            self.report(path, text)

    def read(self) -> Tables:
        tree = self._sources.tree
        general = {key: tree[key] for key in kinds(General) if key in tree}
        found: dict[str, Any] = {"general": self._read_table(General, "", general)}
        for name, table in ARRAYS.items():
            found[name] = self._read_array(name, table, tree.get(name, [{}] if name == "listener" else []))
        for name, table in TABLES.items():
            found[name] = self._read_table(table, f"{name}.", tree.get(name, {}))
        for key in tree:
            if key not in TABLES and key not in ARRAYS and key not in general:
                self.report(key, f"unknown key or table{nearest(key, '')}")
        found["local"] = with_domains(found["local"], found["domain"])
        return Tables(**found)

    def _read_array(self, name: str, table: type[T], raw: Any) -> tuple[T, ...]:
        if not isinstance(raw, list):
            self.report(name, f"expected an array of tables, written [[{name}]], got {named(raw)}")
            return ()
        return tuple(self._read_table(table, f"{name}.{index}.", entry) for index, entry in enumerate(raw))

    def _read_table(self, table: type[T], prefix: str, raw: Any) -> T:
        if not isinstance(raw, dict):
            self.report(prefix.removesuffix("."), f"expected a table, got {named(raw)}")
            return table()
        known = kinds(table)
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if key not in known:
                self.report(f"{prefix}{key}", f"unknown key{nearest(key, prefix)}")
                continue
            self.given.add(f"{prefix}{key}")
            try:
                values[key] = known[key].parse(value)
            except Unfit as error:
                self.report(f"{prefix}{key}", str(error))
        read = table(**values)
        paths = {key: getattr(read, key) for key, kind in known.items() if isinstance(kind, Text) and kind.is_path}
        absolute: dict[str, Any] = {key: self._absolute(text) for key, text in paths.items() if text}
        if isinstance(read, LocalTable | DomainTable):
            absolute["mailboxes"] = anchored(read.mailboxes, self._absolute)
        return msgspec.structs.replace(read, **absolute)

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._folder, path))

"""Where settings come from: the TOML file, and the environment, which wins. Puts both into one tree of raw values.

Promises: each raw value knows its origin, so that a fault names the file and key or the variable; every fault is
collected and none ends the reading; an `ASYNCMTA_` variable that means nothing is a fault, since it is a slip of
the pen; the value of a secret is never part of a fault. Never: what a value means (`config_kinds`).

contract.md section 3: `ASYNCMTA_QUEUE__LIFETIME`, `ASYNCMTA_LISTENER__0__PORT`, and `_FILE` for secrets.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from asyncmta.config_compat import COMPAT_VARIABLE, CompatNote, read_compat
from asyncmta.config_kinds import Unfit
from asyncmta.config_tables import ARRAYS, kind_of, known_paths

PREFIX = "ASYNCMTA_"
CONFIG_VARIABLE = "ASYNCMTA_CONFIG"
BUILD_VARIABLE = "ASYNCMTA_PURE"  # hatch_build.py's; whoever exports it may start what was built
NOT_KEYS = (CONFIG_VARIABLE, COMPAT_VARIABLE, BUILD_VARIABLE)
MAX_SECRET_FILE = 64 * 1024

# What Kubernetes puts into every container beside a service that is named asyncmta.
_SERVICE_LINK = re.compile(r"ASYNCMTA_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP)(?:_\w+)?)\Z")


class Sources:
    """Raw values by table, with their origins and the faults met so far. `label` names the file in faults."""

    def __init__(self, label: str, tree: Mapping[str, Any] | None = None) -> None:
        self.label = label
        self.tree: dict[str, Any] = _copied(tree or {})
        self.faults: list[str] = []
        self.faulty: set[str] = set()
        self.notes: tuple[CompatNote, ...] = ()
        self._variables: dict[str, str] = {}

    def where(self, path: str) -> str:
        """The beginning of a fault about `queue.lifetime`: its file and key, or the variable it came from."""
        variable = self._variables.get(path)
        return f"environment: {variable}" if variable else f"{self.label}: {path}"

    def variables(self) -> dict[str, str]:
        """Which keys the environment gave: path -> variable."""
        return dict(self._variables)

    def read_file(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self.tree = tomllib.load(file)
        except OSError as error:
            self.faults.append(f"{self.label}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.faults.append(f"{self.label}: not UTF-8, as TOML must be")
        except tomllib.TOMLDecodeError as error:
            self.faults.append(f"{self.label}: not TOML: {error}")

    def read_environment(self, environ: Mapping[str, str]) -> None:
        ours = [name for name in environ if name.startswith(PREFIX) and name not in NOT_KEYS]
        for name in sorted(ours, key=_by_number):
            if not _is_service_link(name, environ[name]):
                self._read_variable(name, environ)
        self._read_other_image(environ)

    def _read_other_image(self, environ: Mapping[str, str]) -> None:
        """Variables of another program's image, where ours say nothing."""
        compat = read_compat(environ, self.tree)
        self.faults += compat.faults
        self.notes = compat.notes
        for said in compat.said:
            text = self._read_secret(said.variable, said.text) if said.is_file else said.text
            if text is not None:
                self._take(said.path, said.variable, text)

    def _read_variable(self, name: str, environ: Mapping[str, str]) -> None:
        text: str | None = environ[name]
        path = _path_of(name)
        kind = kind_of(path)
        if kind is None and name.endswith("_FILE"):
            plain = name.removesuffix("_FILE")
            path = _path_of(plain)
            kind = kind_of(path)
            if kind is not None and plain in environ:
                self.faults.append(f"environment: {name}: {plain} is set too; only one of the two is allowed")
                return
            text = self._read_secret(name, environ[name]) if kind is not None else None
        if kind is None:
            self.faults.append(f"environment: {name}: unknown variable{_nearest_variable(name)}")
        elif text is not None:
            self._take(path, name, text)

    def _take(self, path: tuple[str, ...], variable: str, text: str) -> None:
        """Put what a variable says of a key that is there."""
        kind = kind_of(path)
        assert kind is not None
        self._variables[".".join(path)] = variable
        try:
            self._put(path, kind.from_text(text))
        except Unfit as error:
            self.faulty.add(".".join(path))
            self.faults.append(f"environment: {variable}: {error}")

    def _read_secret(self, name: str, file: str) -> str | None:
        try:
            with Path(file).open("rb") as stream:
                octets = stream.read(MAX_SECRET_FILE + 1)
            if len(octets) > MAX_SECRET_FILE:
                raise ValueError(f"longer than {MAX_SECRET_FILE} octets")
            text = octets.decode("utf-8")
        except OSError as error:
            self.faults.append(f"environment: {name}: {file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.faults.append(f"environment: {name}: {file}: not UTF-8")
        except ValueError as error:
            self.faults.append(f"environment: {name}: {file}: {error}")
        else:
            return text.removesuffix("\n").removesuffix("\r")
        return None

    def _put(self, path: tuple[str, ...], value: Any) -> None:
        """A table of the wrong type in the file is left alone: whoever reads the tree reports it."""
        if len(path) == 1:
            self.tree[path[0]] = value
            return
        table: Any
        if path[0] in ARRAYS:
            tables = self.tree.setdefault(path[0], [])
            index = int(path[1])
            if not isinstance(tables, list):
                return
            if index > len(tables):
                raise Unfit(f"there is no {path[0]} {len(tables)}; the numbers begin at 0 and none is left out")
            if index == len(tables):
                tables.append({})
            table = tables[index]
        else:
            table = self.tree.setdefault(path[0], {})
        if isinstance(table, dict):
            table[path[-1]] = value


def _path_of(name: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(PREFIX).lower().split("__")) if name == name.upper() else ()


def _by_number(name: str) -> list[tuple[int, str]]:
    """ASYNCMTA_LISTENER__10__PORT comes after ASYNCMTA_LISTENER__9__PORT."""
    return [(int(part), "") if part.isascii() and part.isdigit() else (0, part) for part in name.split("__")]


def _is_service_link(name: str, value: str) -> bool:
    if name == "ASYNCMTA_PORT":
        return value.startswith(("tcp://", "udp://"))
    return _SERVICE_LINK.match(name) is not None


def _nearest_variable(name: str) -> str:
    index = next((part for part in name.split("__") if part.isascii() and part.isdigit()), "0")
    known = [PREFIX + path.replace(".0.", f".{index}.").replace(".", "__").upper() for path in known_paths()]
    near = get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    return f"; the nearest known one is {near[0]}" if near else f"; it must be {CONFIG_VARIABLE} or name a key"


def _copied(value: Any) -> Any:
    """A copy that may be written to. Tuples become lists, since a Python caller may give either."""
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value

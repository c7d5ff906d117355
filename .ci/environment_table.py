"""Writes the table of variables in docs/container.md from the tables of config.toml: every key, its kind, its default.

`make docs` runs it; tests/unit/test_container_files.py fails when the table is not what this would write.
"""

import re
from pathlib import Path
from typing import Any

from msgspec import Struct

from asyncmta.config_kinds import Choice, Duration, Flag, Kind, RateOf, Size, Text, Whole, WholeList
from asyncmta.config_tables import ARRAYS, TABLES, General, kinds

PAGE = Path(__file__).parents[1] / "docs" / "container.md"
MARKS = re.compile(r"(?<=<!-- variables:begin -->\n).*(?=<!-- variables:end -->)", re.DOTALL)
KINDS: dict[type, str] = {
    Duration: "duration",
    Flag: "`true`, `false`",
    RateOf: "rate",
    Size: "size",
    Whole: "number",
    WholeList: "numbers",
}


def kind_name(kind: Kind) -> str:
    if isinstance(kind, Choice):
        return ", ".join(f"`{word}`" for word in kind.words if word)
    if isinstance(kind, Text):
        return "secret" if kind.secret else "path" if kind.is_path else "text"
    return KINDS.get(type(kind), "list" if isinstance(kind.from_text("x,y"), list) else "text")


def default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"`{text}`" if text else ""


def rows(title: str, prefix: str, table: type[Struct]) -> list[str]:
    lines = [f"**{title}**", "", "| variable | kind | default |", "|---|---|---|"]
    silent = table()
    for key, kind in kinds(table).items():
        shown = default(kind.show(getattr(silent, key)))
        lines.append(f"| `ASYNCMTA_{prefix}{key.upper()}` | {kind_name(kind)} | {shown} |")
    return [*lines, ""]


def table() -> str:
    lines = rows("The keys outside of any table", "", General)
    for name, one in TABLES.items():
        lines += rows(f"`[{name}]`", f"{name.upper()}__", one)
    for name, one in ARRAYS.items():
        lines += rows(f"`[[{name}]]`", f"{name.upper()}__0__", one)
    return "\n".join(lines)


def page() -> str:
    """docs/container.md as it should be."""
    return MARKS.sub(lambda _: table(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Writes the table of docs/life.md that says of every key of config.toml if a reload takes it over.

`make docs` runs it; tests/unit/test_reloading.py fails when it is not up to date, and tests/peers/test_reload_keys.py
asks a running MTA about each key of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asyncmta.config_tables import ARRAYS, TABLES, General, kinds
from asyncmta.reloading import TAKEN_OVER

PAGE = Path(__file__).parents[1] / "docs" / "life.md"
BEGIN = "<!-- keys: written by `python .ci/reload_table.py` -->\n"
END = "<!-- end -->\n"


def rows() -> Iterable[tuple[str, list[str], list[str]]]:
    """Of each table its name, the keys that are taken over, and those that need a restart."""
    general = list(kinds(General))
    yield "", [key for key in general if key in TAKEN_OVER], [key for key in general if key not in TAKEN_OVER]
    for name, table in TABLES.items():
        taken = TAKEN_OVER.get(name, frozenset())
        keys = list(kinds(table))
        now = [key for key in keys if "*" in taken or key in taken]
        yield f"[{name}]", now, [key for key in keys if key not in now]
    for name, table in ARRAYS.items():
        keys = list(kinds(table))
        yield f"[[{name}]]", *((keys, []) if f"{name}s" in TAKEN_OVER else ([], keys))


def table() -> str:
    lines = ["| table | taken over | needs a restart |", "|---|---|---|"]
    for name, now, later in rows():
        cells = (
            f"`{name}`" if name else "(top)",
            *(", ".join(f"`{key}`" for key in keys) or "-" for keys in (now, later)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))

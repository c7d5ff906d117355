"""A table for a terminal of some width: columns side by side where there is room, else each row on some lines.

Promises: the first column and what is short (a state, an age) is whole as far as there is room, and rows and columns
keep their order; no line is wider than the terminal, if that has room for the first column. Never: where the texts
come from; they are printable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

SHORT = 18  # cells: a column that is never wider is shown whole
LEAST = 14  # cells that are worth a column
GAP = "  "
INDENT = "    "
HEAD = "bold"


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    """The rows below their heads."""
    natural = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    widths = side_by_side(natural, width)
    if widths is not None:
        yield Text(_joined(head, widths), style=HEAD)
        for row in rows:
            yield Text(_joined(row, widths))
        return
    short = whole(natural, width)
    long = [at for at in range(len(natural)) if at not in short]
    sizes = [natural[at] for at in short]
    yield Text(_joined([head[at] for at in short], sizes), style=HEAD)
    yield Text(_cut(f"{INDENT}{GAP.join(head[at] for at in long)}", width), style="dim")
    for row in rows:
        yield Text(_joined([row[at] for at in short], sizes))
        yield from (
            Text(_cut(f"{INDENT}{text}", width), style="dim") for text in _below([row[at] for at in long], width)
        )


def whole(natural: Sequence[int], width: int) -> list[int]:
    """The columns of the first line: the first one, and short ones as far as there is room, the shortest first."""
    found, room = [0], width - natural[0]
    for at in sorted(range(1, len(natural)), key=lambda at: natural[at]):
        room -= len(GAP) + natural[at]
        if room >= 0 and natural[at] <= SHORT:
            found.append(at)
    return sorted(found)


def side_by_side(natural: Sequence[int], width: int) -> list[int] | None:
    """How wide each column is; None where there is no room for that."""
    room = width - len(GAP) * (len(natural) - 1)
    if sum(natural) <= room:
        return list(natural)
    long = [at for at, size in enumerate(natural) if size > (SHORT if at else width // 2)]
    left = room - sum(size for at, size in enumerate(natural) if at not in long)
    if not long or left < LEAST * len(long):
        return None
    widths = list(natural)
    for at in sorted(
        long, key=lambda at: natural[at]
    ):  # who wants little first, so that the rest is for who wants much
        widths[at] = min(natural[at], left // len(long))
        left -= widths[at]
        long = long[1:]
    return widths


def _below(cells: Sequence[str], width: int) -> Iterator[str]:
    """Long texts on as few lines as they fit on, what says nothing left out."""
    line = ""
    for cell in cells:
        if cell in ("", "-"):
            continue
        longer = f"{line}{GAP}{cell}" if line else cell
        if line and cell_len(INDENT + longer) > width:
            yield line
            longer = cell
        line = longer
    if line:
        yield line


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(_cut(cell, size, fills=True) for cell, size in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, size: int, *, fills: bool = False) -> str:
    if cell_len(text) <= size:
        return set_cell_size(text, size) if fills else text
    return set_cell_size(text, size - 1) + "…" if size > 0 else ""

"""Writes the table of files in docs/architecture.md from the files themselves: the first sentence of each docstring.

`make docs` runs it; tests/test_architecture.py fails when the table is not what this would write.
"""

import ast
import re
import tomllib
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
MARKS = re.compile(r"(?<=<!-- files:begin -->\n).*(?=<!-- files:end -->)", re.DOTALL)
ORDER = [
    "mail",
    "system",
    ".",
    "spool",
    "bounce",
    "mailboxes",
    "lists",
    "policy",
    "tracing",
    "auth",
    "inbound",
    "scheduling",
    "delivery",
    "admin",
    "web",
    "stats",
    "cli",
    "testing",
]


def sentence(path: Path) -> str:
    """The first sentence of the file's docstring, on one line."""
    paragraph = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    line = " ".join(paragraph.split())
    return re.split(r"(?<=[^.]\.) (?=[A-Z`])", line, maxsplit=1)[0].rstrip(".").replace("|", "\\|")


def table() -> str:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pure = settings["tool"]["asyncmta"]["pure"]
    package = ROOT / "asyncmta"
    files = sorted(package.rglob("*.py"), key=lambda path: (path.relative_to(package).parent.as_posix(), path.name))
    rooms = {
        room: list(paths)
        for room, paths in groupby(files, key=lambda path: path.relative_to(package).parent.as_posix())
    }
    lines = []
    for room in sorted(rooms, key=lambda room: ORDER.index(room) if room in ORDER else len(ORDER)):
        about = sentence(rooms[room][0])  # __init__.py
        title = "The top of the package" if room == "." else f"`{room}/`: {about[0].lower()}{about[1:]}"
        lines += [f"**{title}**", "", "| file | |", "|---|---|"]
        for path in rooms[room]:
            name = path.relative_to(package).as_posix()
            if path.name != "__init__.py":
                star = " \\*" if name in pure else ""
                lines.append(f"| `{name}`{star} | {sentence(path)} |")
        lines.append("")
    return "\n" + "\n".join(lines)


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    new = MARKS.sub(lambda _: table(), page)
    PAGE.write_text(new, encoding="utf-8")

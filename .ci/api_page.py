"""Writes the table of paths in docs/api.md from the declarations in asyncmta/admin/paths.py.

tests/unit/admin/test_openapi.py fails when it is not up to date.
"""

from __future__ import annotations

from pathlib import Path

from asyncmta.admin.openapi import page

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
BEGIN = "<!-- paths: written by `python .ci/api_page.py` -->\n"
END = "<!-- end -->\n"


def renewed(text: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{page()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))

"""Writes the commands in docs/cli.md from the commands themselves: what `--help` says, for each, at 80 columns.

tests/unit/cli/test_cli_page.py fails when it is not up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from asyncmta.cli.main import cli

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BEGIN = "<!-- commands: written by `python .ci/cli_page.py` -->\n"
END = "<!-- end -->\n"
WIDTH = 80


def helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Each command with its whole name and its help, a group before what is in it."""
    settings = command.context_settings | {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, parent, info_name=name, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from helps(found, each, context)


def commands() -> str:
    parts = []
    for name, text in helps(cli, "asyncmta"):
        level = "##" if name.count(" ") < 2 else "###"
        parts.append(f"{level} {name}\n\n```text\n{text.rstrip()}\n```\n\n")
    return "".join(parts)


def renewed(text: str) -> str:
    """The page with the commands as they are."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{commands()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

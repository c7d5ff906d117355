"""docs/cli.md is what the commands say of themselves, and what they say fits on 80 columns."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def script():
    return runpy.run_path(str(ROOT / ".ci" / "cli_page.py"))


def test_the_page_is_up_to_date():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert script()["renewed"](page) == page, "run make docs"


def test_help_fits_on_80_columns_and_no_summary_is_cut_off():
    helps = script()["commands"]()
    lines = helps.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage:")] == []
    assert helps.count("\n## asyncmta ") == len(script()["cli"].list_commands(None))


def test_every_option_says_what_it_is_for():
    wordless = [
        (name, parameter.name)
        for name, command in every(script()["cli"], "asyncmta")
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.help
    ]
    assert wordless == []


def every(command, name):
    yield name, command
    for each in getattr(command, "list_commands", lambda _: ())(None):
        yield from every(command.get_command(None, each), f"{name} {each}")

"""bounce/dsn_template: templates as text, and all that can be wrong in one, with its line."""

from __future__ import annotations

import pytest

from asyncmta.bounce.dsn_template import Fault, Template, parse_template
from asyncmta.bounce.templates import ENGLISH, TEXTS


def faults(text: str) -> list[tuple[int, str]]:
    read = parse_template(text, ENGLISH)
    assert not isinstance(read, Template)
    return [(fault.line, fault.text) for fault in read]


def test_a_section_replaces_that_of_the_base_and_comments_are_none_of_it() -> None:
    read = parse_template("\ufeff# mine\n[failed]\n\n\\# not a comment\n# a comment\n\\[x]\nHi {hostname}\n\n", ENGLISH)
    assert isinstance(read, Template)
    assert read.words["failed"] == "# not a comment\n[x]\nHi {hostname}"
    assert read.words["delayed"] == ENGLISH.words["delayed"]
    assert parse_template("", ENGLISH) == ENGLISH


def test_values_are_filled_in_once() -> None:
    assert ENGLISH.fill("said", host="{host}{at} \\1") == "{host}{at} \\1 said:"
    assert ENGLISH.fill("times", host="x") == "{count} times"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello\n\n[once]\n1\n", [(1, "words before the first section; a section begins with its name, as [failed]")]),
        ("[once]\nx\n[times]\n{count}x\n[once]\ny\n", [(5, "[once] is there before, in line 1")]),
        ("\n[once]\n", [(2, "[once] must not be empty")]),
        ("[once]\na\nb\n", [(1, "[once] must be one line")]),
        ("[from]\n" + "x" * 201, [(1, "[from] has 201 letters; allowed are 200")]),
        ("[failed]\n" + "x" * 4001, [(1, "[failed] has 4001 letters; allowed are 4000")]),
        ("[language]\nenglish please\n", [(1, '[language] must be a tag such as "en" or "pt-BR"')]),
        ("[said]\n{host} {ip} {ip}\n", [(1, "[said] has no placeholder {ip}; allowed: {host}")]),
        ("[at]\n{} {host}\n", [(1, "[at] has no placeholder {}; allowed: {host}")]),
        ("[once]\n{count}\n", [(1, "[once] has no placeholder {count}; allowed: none")]),
    ],
)  # fmt: skip
def test_faults_have_their_line(text: str, found: list[tuple[int, str]]) -> None:
    assert faults(text) == found


def test_unknown_section_is_told_with_those_that_are_known() -> None:
    ((line, text),) = faults("# x\n[faild]\nx\n")
    assert line == 2
    assert text.startswith("there is no section [faild]; allowed are language, from, subject.failed, ")


def test_without_a_base_all_sections_must_be_there() -> None:
    read = parse_template("[once]\nx\n")
    assert isinstance(read, tuple)
    assert read[0] == Fault(2, read[0].text)
    assert read[0].text.startswith("these sections are missing: language, from, ")


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_template_of_ours_is_whole_and_says_its_language(language: str) -> None:
    read = parse_template(TEXTS[language])
    assert isinstance(read, Template)
    assert read.words["language"] == language

"""Folders by detail: which one is meant, and what one is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mailboxes.folder_names import decoded, encoded, folder_for, folder_name

THERE = (".Lists", ".Lists.Python", ".&ANw-bung", ".A&-B", "cur", "new", "tmp", ".lists2", ".&bad", "..", ".")


@pytest.mark.parametrize(
    ("detail", "folder"),
    [
        ("lists", ".Lists"),
        ("lists.python", ".Lists.Python"),
        ("übung", ".&ANw-bung"),
        ("a&b", ".A&-B"),
        ("other", None),
        ("cur", None),
        ("", None),
        (".", None),
        ("..", None),
        (".lists", None),
        ("lists.", None),
        ("lists..python", None),
        ("../lists", None),
        ("lists/python", None),
        ("&bad", ".&bad"),
        ("a\nb", None),
        ("x" * 300, None),
    ],
)
def test_which_folder_is_meant(detail: str, folder: str | None) -> None:
    assert folder_for(detail, THERE) == folder


def test_the_same_case_is_best() -> None:
    assert folder_for("lists", [".Lists", ".lists", ".LISTS"]) == ".lists"
    assert folder_for("lists", [".Lists", ".LISTS"]) == ".LISTS"


@pytest.mark.parametrize(
    ("detail", "name"),
    [("lists", ".lists"), ("a.b", ".a.b"), ("日本語", ".&ZeVnLIqe-"), ("a&", ".a&-"), ("a/b", None), ("x" * 255, None)],
)
def test_what_it_is_called(detail: str, name: str | None) -> None:
    assert folder_name(detail) == name


@pytest.mark.parametrize(("name", "text"), [("&", "&"), ("&!!-", "&!!-"), ("&AA-", "&AA-"), ("&2D8-", "&2D8-")])
def test_what_is_no_encoding_stays(name: str, text: str) -> None:
    assert decoded(name) == text


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_what_is_encoded_is_decoded(text: str) -> None:
    name = encoded(text)
    assert name.isascii()
    assert decoded(name) == text


@given(st.text())
def test_no_name_climbs(detail: str) -> None:
    name = folder_name(detail)
    assert name is None or (
        name[0] == "." and all(name[1:].split(".")) and "/" not in name and "\0" not in name and len(name) <= 255
    )

"""The pages, read: links lead somewhere, blocks say what they are, and nothing to type stands where nobody tries it.

What they say is executed by tests/peers/test_documented.py. docs/writing.md tells authors what to do.
"""

from __future__ import annotations

import ast
import json
import re

import pytest

from tests.docs import pages
from tests.docs.pages import TOP

HOW = "docs/writing.md says how pages are written"
PAGES = pages.pages()


@pytest.fixture(params=PAGES, ids=[pages.name_of(page) for page in PAGES])
def page(request):
    return request.param


def test_every_block_is_a_fence_that_says_its_language(page):
    faults = [
        f"{pages.name_of(page)}:{line}: indented; make it a fence with a language" for line in pages.indented(page)
    ]
    for block in pages.blocks(page):
        if block.language not in pages.LANGUAGES:
            faults.append(f"{block.place}: language {block.language!r}; there are {', '.join(pages.LANGUAGES)}")
        if block.language == "text" and (typed := pages.TYPED.search(block.text)):
            faults.append(
                f"{block.place}: {typed[0]!r} is for typing; call the block sh or console, so that it is tried"
            )
    assert not faults, "\n".join([*faults, HOW])


def test_every_link_and_anchor_leads_somewhere(page):
    faults = []
    for line, target in pages.links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            faults.append(f"{pages.name_of(page)}:{line}: {target}: no such file")
        elif anchor and there.suffix == ".md" and anchor not in pages.anchors(there):
            faults.append(f"{pages.name_of(page)}:{line}: {target}: no such heading")
    assert not faults, "\n".join(faults)


def test_what_is_data_can_be_read(page):
    for block in pages.blocks(page):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "python":
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            compile(block.text, block.place, "exec", flags)


def test_every_page_is_in_the_index():
    """README.md links each page of docs/, or a page that it links does."""
    linked = {target.partition("#")[0] for _, target in pages.links(TOP / "README.md")}
    index = TOP / "docs" / "README.md"
    if index.exists():
        linked |= {f"docs/{target.partition('#')[0]}" for _, target in pages.links(index)}
    lost = [name for page in PAGES if (name := pages.name_of(page)) not in linked | {"README.md", "docs/README.md"}]
    assert not lost, f"no newcomer finds {', '.join(lost)}: link them in docs/README.md, with one line each"


def test_what_is_not_run_says_why_and_who_checks_it_instead(page):
    for block in pages.blocks(page):
        if (why := block.notes.get("not run")) is not None:
            match = re.fullmatch(r"needs (.+); checked by (\S+?)(::(\w+))?", why)
            assert match, f"{block.place}: say `not run: needs WHAT; checked by PATH` or `PATH::test`"
            file = TOP / match[2]
            assert file.exists(), f"{block.place}: {match[2]} is not there"
            assert not match[4] or f"def {match[4]}(" in file.read_text(), f"{block.place}: no {match[4]} in {match[2]}"


class TestForms:
    def test_what_differs_from_run_to_run_does_not_count(self):
        assert (
            pages.shows(
                "0006xq4c0g000001  3 KiB  2026-11-21T10:00:00Z", "0008aa4c0g00002z   512 B  2027-01-01T00:00:00Z\n"
            )
            == ""
        )

    def test_other_words_do(self):
        assert pages.shows("delivered  3", "deferred  3") == "delivered  3"
        assert pages.shows("450 4.2.1 Later", "550 5.2.1 Later") == "450 4.2.1 Later"

    def test_more_than_the_page_shows_is_a_fault(self):
        assert "second" in pages.shows("first", "first\nsecond")

    def test_dots_stand_for_lines_and_for_the_rest_of_one(self):
        assert pages.shows("first\n...\nlast", "first\nany\nlast\n") == ""
        assert pages.shows("refused: ...", "refused: 450 4.2.1 Later") == ""
        assert pages.shows("...", "any\nthing") == ""
        assert pages.shows("first\n...\nlast", "first\nany\n") == "last"

    def test_commands_and_their_output(self):
        assert pages.console("$ a\nx\ny\n$ b \\\n> c\n") == [("a", "x\ny\n"), ("b c", "")]

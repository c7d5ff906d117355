"""The pages as tests see them: README.md and docs/*.md with their fenced blocks, and the notes that stand before these.

A note is an HTML comment, `<!-- docs: WORD ... -->`, directly before its block (docs/writing.md has the words). Never:
running anything; that is tests/peers/test_documented.py.
"""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass, field

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
COMMANDS = ("sh", "console", "cron")
CHECKED = (*COMMANDS, "toml", "env", "json", "yaml", "python", "dockerfile")
LANGUAGES = (*CHECKED, "text")
WORDS = ("before", "settings", "types", "exits", "piped", "lasts", "not run", "no server", "checkout")
FENCE = re.compile(r"^ *(```+)(.*)$")
COMMENT = re.compile(r"<!-- docs: (.*?) *-->", re.DOTALL)
# What somebody would type; in a block of `text` it would stand there unproven.
TYPED = re.compile(
    r"^ *(\$ |asyncmta [a-z-]+( \S|$)|(sudo )?(docker|kubectl|systemctl|apt|apt-get|pip|curl|swaks|make) [a-z-])", re.M
)


@dataclass
class Block:
    """One fence. `line`: of the fence itself, from 1; `notes`: word and rest of each."""

    page: str
    line: int
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[pathlib.Path]:
    return [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(TOP))


def note(text: str, place: str) -> tuple[str, str]:
    """Word and rest of a note."""
    for word in WORDS:
        if text == word or re.match(rf"{word}[:\s]", text):
            return word, text[len(word) :].removeprefix(":").strip("\n ")
    raise ValueError(f"{place}: {text[:40]!r} is no note; there are {', '.join(WORDS)} (docs/writing.md)")


def blocks(page: pathlib.Path) -> list[Block]:
    """All fences of a page, in their order."""
    lines = page.read_text().splitlines()
    found: list[Block] = []
    notes: dict[str, str] = {}
    at = 0
    while at < len(lines):
        place = f"{name_of(page)}:{at + 1}"
        if lines[at].startswith("<!-- docs:"):
            end = next(number for number in range(at, len(lines)) if "-->" in lines[number])
            match = COMMENT.match("\n".join(lines[at : end + 1]))
            assert match is not None, place
            word, rest = note(match[1], place)
            notes[word] = rest
            at = end + 1
        elif fence := FENCE.match(lines[at]):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == fence[1]), None)
            assert end is not None, f"{place}: a fence that is not closed"
            margin = len(lines[at]) - len(lines[at].lstrip())
            text = "\n".join(line[margin:] for line in lines[at + 1 : end])
            found.append(Block(name_of(page), at + 1, fence[2].strip(), text, notes))
            notes = {}
            at = end + 1
        else:
            if lines[at].strip() and notes and not set(notes) & {"checkout"}:
                raise ValueError(f"{place}: a note for a block stands directly before it (docs/writing.md)")
            at += 1
    return found


def without_fences(page: pathlib.Path) -> str:
    """The page with its fences blanked, so that line numbers stay."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        is_fence = bool(FENCE.match(line))
        lines.append("" if inside or is_fence else line)
        inside ^= is_fence
    return "\n".join(lines)


def indented(page: pathlib.Path) -> list[int]:
    """The lines at which blocks begin that are made by indenting, which nobody can name a language for."""
    lines = without_fences(page).splitlines()
    found = []
    for at, line in enumerate(lines):
        before = lines[at - 1] if at else ""
        in_list = any(re.match(r" *([-*]|\d+\.) ", each) for each in lines[max(0, at - 12) : at])
        if line.startswith("    ") and line.strip() and not before.strip() and not in_list:
            found.append(at + 1)
    return found


def anchors(page: pathlib.Path) -> set[str]:
    """What `page.md#...` may name: the headings, as GitHub writes them."""
    found: set[str] = set()
    for line in without_fences(page).splitlines():
        if match := re.match(r"#+ +(.*)", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            number = 0
            while (slug if not number else f"{slug}-{number}") in found:
                number += 1
            found.add(slug if not number else f"{slug}-{number}")
    return found


def links(page: pathlib.Path) -> list[tuple[int, str]]:
    """Every link to a place of ours: line and target."""
    found = []
    for number, line in enumerate(without_fences(page).splitlines(), 1):
        for target in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            if not re.match(r"[a-z]+:", target):
                found.append((number, target))
    return found


def console(text: str) -> list[tuple[str, str]]:
    """Of a block of `console`: each command with the output that the page shows for it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\") and line.startswith("> "):
            found[-1] = (f"{found[-1][0][:-1]}{line[2:]}", "")
        else:
            assert found, f"console begins with a command behind '$ ', not with {line!r}"
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


VOLATILE = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d+ \w{3} \d{4} [\d:]+ [+-]\d{4}", "DATE"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\b(?=[0-9a-z]*\d)[0-9a-z]{16}\b", "ID"),
    (r"\b\d+(\.\d+)*(ms|[smhd]|[KMGT](iB|B)?|B| ([KMG]i)?B)?\b", "0"),
    (r"(\b0 )+0\b", "0"),
    (r"[─━═╌]+", "─"),
    (r"-{2,}", "--"),
    (r"[ \t]+", " "),
)


REPLY = re.compile(r"\b([245]\d\d )?[245]\.\d{1,3}\.\d{1,3}\b")  # no number: 450 4.2.1 is not 550 5.1.1
LETTERS = str.maketrans("0123456789", "oitefvsxgn", ". ")


def form(line: str) -> str:
    """A line without what differs from run to run: ids, times, numbers, widths."""
    line = REPLY.sub(lambda found: found[0].translate(LETTERS), line)
    for pattern, instead in VOLATILE:
        line = re.sub(pattern, instead, line)
    return line.strip()


def shows(expected: str, real: str) -> str:
    """ "" when the output has the form that the page shows; else the first line of the page that is missing.

    A line of `...` stands for any lines, and ` ...` at the end of one for the rest of it.
    """
    there = [form(line) for line in real.splitlines() if form(line)]
    at, loose = 0, False
    for line in expected.splitlines():
        if line.strip() == "...":
            loose = True
            continue
        wanted = form(line)
        if not wanted:
            continue
        stem = wanted.removesuffix("...").strip() if wanted.endswith("...") else None
        fits = [
            n for n in range(at, len(there)) if there[n] == wanted or (stem is not None and there[n].startswith(stem))
        ]
        if not fits or (fits[0] != at and not loose):
            return line
        at, loose = fits[0] + 1, False
    if at < len(there) and not loose:
        return f"(the page ends, and the output goes on with) {there[at]}"
    return ""

"""The words of a report: a template as text, read into a value, and its sentences with their placeholders filled.

A template is a text of sections, `[name]` on a line and the words below it; lines that begin with `#` are comments. It
has a say in words and in nothing else: the order of the text is fixed, and so is the part for machines. Promises:
reading gives a template that can be filled without an error, or all that is wrong, line by line; a value that is filled
in is never read as a placeholder. Never: a file; harmlessness of values (`dsn_lines`).

Seeds W-030, P-51, D-120.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

MAX_SECTION = 4000  # letters
MAX_LINE = 200  # of a section that is one line

_SECTION = re.compile(r"\[([^\]]*)\]\s*\Z")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}\Z")  # RFC 5646, as far as its shape goes


class Section(Struct, frozen=True):
    """What may be in a section. many: several lines and paragraphs; empty: nothing at all, which leaves it out."""

    placeholders: tuple[str, ...] = ()
    many: bool = False
    empty: bool = False


_HOUSE = ("hostname", "postmaster")
_SENTENCE = Section(_HOUSE, many=True)
_OPTIONAL = Section(_HOUSE, many=True, empty=True)
_HINT = Section(many=True, empty=True)
_WORD, _COUNT, _TRIED = Section(), Section(("count",)), Section(("age", "attempts"), many=True)

SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "language": _WORD,
        "from": _WORD,
        **dict.fromkeys(("subject.failed", "subject.delayed", "subject.success", "subject.double"), _WORD),
        "greeting": _OPTIONAL,
        "double": _SENTENCE,
        **dict.fromkeys(("failed", "delayed", "delivered", "relayed", "expanded"), _SENTENCE),
        "sent_to": Section(("original",)),
        "expired": _TRIED,
        "late": _TRIED,
        "until": Section(("until",), empty=True),
        "said": Section(("host",)),
        "at": Section(("host",)),
        **dict.fromkeys(("hint.address", "hint.domain", "hint.moved", "hint.no_mail", "hint.full"), _HINT),
        **dict.fromkeys(("hint.size", "hint.refused"), _HINT),
        "once": _WORD,
        **dict.fromkeys(("times", "days", "hours", "minutes", "seconds"), _COUNT),
        "help": _OPTIONAL,
        **dict.fromkeys(("label.id", "label.subject", "label.received", "label.recipients", "label.delivered"), _WORD),
        **dict.fromkeys(("label.reported", "label.failed", "label.delayed", "label.success", "label.pending"), _WORD),
        "closing": _OPTIONAL,
    }
)


class Fault(Struct, frozen=True):
    """Something wrong in a template. `line` counts from 1."""

    line: int
    text: str


class Template(Struct, frozen=True):
    """The words of each of SECTIONS."""

    words: Mapping[str, str]

    def fill(self, section: str, **values: str) -> str:
        """Its words with these values. A placeholder that has no value here stays as it is."""
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), self.words[section])


def parse_template(text: str, base: Template | None = None) -> Template | tuple[Fault, ...]:
    """`base` has the words of the sections that are not there; without it they all must be."""
    found: dict[str, tuple[int, list[str]]] = {}
    faults: list[Fault] = []
    lines: list[str] | None = None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.startswith("#"):
            continue
        section = _SECTION.match(line)
        if section is not None:
            name, lines = section[1].strip(), []
            faults += _faults_of_name(name, number, found)
            found.setdefault(name, (number, lines))
        elif lines is not None:
            lines.append(line[1:] if line.startswith(("\\#", "\\[")) else line)
        elif line.strip():
            faults.append(Fault(number, "words before the first section; a section begins with its name, as [failed]"))
            lines = []
    words = dict(base.words) if base is not None else {}
    for name, (number, body) in found.items():
        if name in SECTIONS:
            words[name] = "\n".join(body).strip()
            faults += _faults_of_words(name, words[name], number)
    missing = [name for name in SECTIONS if name not in words]
    if missing:
        faults.append(Fault(max(1, text.count("\n")), f"these sections are missing: {', '.join(missing)}"))
    return tuple(sorted(faults, key=lambda fault: fault.line)) if faults else Template(MappingProxyType(words))


def _faults_of_name(name: str, number: int, found: Mapping[str, tuple[int, list[str]]]) -> list[Fault]:
    if name not in SECTIONS:
        return [Fault(number, f"there is no section [{name[:40]}]; allowed are {', '.join(SECTIONS)}")]
    return [Fault(number, f"[{name}] is there before, in line {found[name][0]}")] if name in found else []


def _faults_of_words(name: str, words: str, number: int) -> list[Fault]:
    section, wrong = SECTIONS[name], []
    if not words and not section.empty:
        wrong.append(f"[{name}] must not be empty")
    most = MAX_SECTION if section.many else MAX_LINE
    if len(words) > most:
        wrong.append(f"[{name}] has {len(words)} letters; allowed are {most}")
    if "\n" in words and not section.many:
        wrong.append(f"[{name}] must be one line")
    if name == "language" and words and not _LANGUAGE.match(words):
        wrong.append('[language] must be a tag such as "en" or "pt-BR"')
    allowed = ", ".join(f"{{{each}}}" for each in section.placeholders) or "none"
    strange = dict.fromkeys(f"{{{each}}}" for each in _PLACEHOLDER.findall(words) if each not in section.placeholders)
    wrong += [f"[{name}] has no placeholder {each[:40]}; allowed: {allowed}" for each in strange]
    return [Fault(number, text) for text in wrong]

"""Files of aliases, as text: the aliases(5) format and the tables of virtual(5), read into entries.

A name may be a local part, an address, or `@domain`; a target an address, a local part (of the domain that asked),
`\\name` (the mailbox itself, no further alias), `:include:FILE`, or `@domain` (the same local part there). Promises:
every line that cannot be taken is a fault with its number, and a name with a fault is "cannot be told" and never
"nobody". Programs (`|command`) and files (`/path`) are faults: an address never starts a program here (reliability.md
R06). Never: a look at the disk; what an include names is read by `alias_file.py`.

aliases(5) and virtual(5) of Postfix; RFC 5322 3.2.2 (comments), 3.2.4 (quoted strings).
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.mail.address import InvalidAddress, domain_key, parse_address, quote, unquote
from asyncmta.mailboxes.path import mailbox_name

INCLUDE = ":include:"
LONGEST_TARGET = 1000


class Somebody(Struct, frozen=True):
    """An address, or, with the domain "", a local part of the domain that asked. `is_final`: its mailbox, no alias."""

    local_part: str
    domain: str = ""
    is_final: bool = False


class Everybody(Struct, frozen=True):
    """`@domain` as a target: the same local part there."""

    domain: str


class Include(Struct, frozen=True):
    """`:include:FILE`: more targets are in there."""

    path: str


class Broken(Struct, frozen=True):
    """A target that cannot be taken; whoever is led to it cannot be told."""

    reason: str


Target = Somebody | Everybody | Include | Broken


class Fault(Struct, frozen=True):
    """A line that cannot be taken, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class AliasText(Struct, frozen=True):
    """What a file says. Keys are "name", "name@domain" or "@domain" in normal form (`bare_key`)."""

    entries: dict[str, tuple[Target, ...]]
    faults: tuple[Fault, ...] = ()


class _Wrong(ValueError):
    """Why a key or a target cannot be taken."""


_KEY = re.compile(r'\s*("(?:[^"\\]|\\.)*"(?:@\S+?)?|[^\s:"]\S*?|@\S+?)\s*:\s*(.*)\Z', re.DOTALL)
_SPECIAL = re.compile(r'["\\(<#]')  # what makes a line more than names between commas
_SEPARATOR = re.compile(r"[,\n]")
_VIRTUAL_KEY = re.compile(r'("(?:[^"\\]|\\.)*"(?:@\S+)?|\S+)\s+(.*)\Z', re.DOTALL)


def parse_aliases(text: str) -> AliasText:
    """`name: target, target`; a line that begins with white space goes on with the one before; `#` begins a comment."""
    return _parse(text, _KEY, "not NAME: TARGET, TARGET")


def parse_virtual(text: str) -> AliasText:
    """`name target, target`, else as `parse_aliases`."""
    return _parse(text, _VIRTUAL_KEY, "not NAME TARGET, TARGET")


def parse_include(text: str) -> tuple[tuple[Target, ...], tuple[Fault, ...]]:
    """Targets alone, one or more on each line; an include within an include is taken."""
    targets: list[Target] = []
    faults: list[Fault] = []
    for number, line in _logical_lines(text, joined=False):
        _take_targets(line, number, targets, faults)
    return tuple(targets), tuple(faults)


def alias_key(text: str) -> str:
    """A name of a table in normal form; raises InvalidAddress."""
    if text.startswith("@"):
        return "@" + domain_key(text[1:])
    address = parse_address(text if _has_domain(text) else f"{text}@localhost", smtputf8=True)
    name = mailbox_name(address.local_part)
    if name is None:
        raise InvalidAddress(f"cannot be the name of a mailbox: {text!r}")
    return f"{name}@{address.domain_key}" if _has_domain(text) else bare_key(name)


def bare_key(name: str) -> str:
    """A name of a table that is for each domain: never the same as that of an address, whatever stands in quotes."""
    return f"{name}@" if "@" in name else name


def is_at_a_domain(key: str) -> bool:
    """Is this key of a table for one domain alone?"""
    return "@" in key and not key.endswith("@")


def _has_domain(text: str) -> bool:
    """Is there an @ behind the quotes, if there are any?"""
    return "@" in (text[text.rfind('"') + 1 :] if text.startswith('"') else text)


def _parse(text: str, key_of: re.Pattern[str], otherwise: str) -> AliasText:
    entries: dict[str, tuple[Target, ...]] = {}
    faults: list[Fault] = []
    for number, line in _logical_lines(text, joined=True):
        match = key_of.match(line)
        if match is None:
            faults.append(Fault(number, otherwise))
            continue
        try:
            key = alias_key(_name(match[1]))
        except InvalidAddress as error:
            faults.append(Fault(number, f"{match[1]}: {error}"))
            continue
        targets: list[Target] = []
        _take_targets(match[2], number, targets, faults)
        if key in entries:
            faults.append(Fault(number, f"{match[1]}: is there already"))
            targets = [*entries[key], Broken(f"{match[1]} stands in the table twice")]
        elif not targets:
            faults.append(Fault(number, f"{match[1]}: has no target"))
            targets = [Broken(f"{match[1]} has no target")]
        entries[key] = tuple(targets)
    return AliasText(entries, tuple(faults))


def _logical_lines(text: str, *, joined: bool) -> list[tuple[int, str]]:
    """Lines that say something, each with its number; those that go on joined to what they go on with."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if joined and line[0] in " \t" and lines:
            first, before = lines[-1]
            lines[-1] = first, f"{before}\n{line}"
        else:
            lines.append((number, line))
    return lines


def _name(text: str) -> str:
    """A key as an address writes it: quotes only where they are needed."""
    if not text.startswith('"'):
        return text
    end = text.rindex('"') + 1
    return quote(unquote(text[:end])) + text[end:]


def _take_targets(text: str, number: int, targets: list[Target], faults: list[Fault]) -> None:
    pieces, open_end = _split(text)
    for at, piece in enumerate(pieces, 1):
        try:
            if open_end and at == len(pieces):
                raise _Wrong(f"{open_end} that does not end")
            targets.append(_target(piece))
        except (_Wrong, InvalidAddress) as error:
            faults.append(Fault(number, f"{piece[:80]}: {error}"))
            targets.append(Broken(f"{piece[:80]}: {error}"))


def _split(text: str) -> tuple[list[str], str]:
    """At commas and line ends that are neither quoted nor within angle brackets; comments are dropped. Then what the
    last piece begins and does not end, or nothing."""
    if not _SPECIAL.search(text):
        return [found for piece in _SEPARATOR.split(text) if (found := piece.strip())], ""
    pieces: list[str] = []
    piece: list[str] = []
    quoted = angled = False
    depth = 0
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            if not depth:
                piece.append(text[at : at + 2])
            at += 2
            continue
        at += 1
        if depth:
            depth += (letter == "(") - (letter == ")")
        elif letter == '"':
            quoted = not quoted
            piece.append(letter)
        elif quoted:
            piece.append(letter)
        elif letter == "(":
            depth = 1
        elif letter in ",\n" and not angled:
            pieces.append("".join(piece).strip())
            piece = []
        elif letter == "#" and (not piece or piece[-1].isspace()):
            at = end if (end := text.find("\n", at)) >= 0 else len(text)
        else:
            angled = (angled or letter == "<") and letter != ">"
            piece.append(letter)
    open_end = "a comment" if depth else "a quote" if quoted else "an angle bracket" if angled else ""
    last = "".join(piece).strip()
    pieces.append(last or (open_end and "("))
    return [found for found in pieces if found], open_end


def _target(piece: str) -> Target:
    """One target; raises _Wrong or InvalidAddress."""
    if len(piece) > LONGEST_TARGET:
        raise _Wrong("too long")
    bare = _unquoted(piece)
    if bare.lower().startswith(INCLUDE):
        path = bare[len(INCLUDE) :].strip()
        if not path.startswith("/") or "\0" in path:
            raise _Wrong("an include names a file by its whole path")
        return Include(path)
    if piece.endswith(">") and "<" in piece:
        piece = piece[piece.rindex("<") + 1 : -1].strip()
    is_final = piece.startswith("\\")
    text = piece[1:] if is_final else piece
    bare = _unquoted(text)
    if bare.startswith("|"):
        raise _Wrong('programs are not started by an alias (a route with via = "pipe" can)')
    if bare.startswith("/"):
        raise _Wrong("files are not written by an alias")
    if text.startswith("@"):
        return Everybody(domain_key(text[1:]))
    if not _has_domain(text):
        if "@" not in bare:
            return Somebody(parse_address(f"{_name(text)}@localhost", smtputf8=True).local_part, "", is_final)
        text = bare  # the whole of an address in quotes, as Postfix takes it
    address = parse_address(text, smtputf8=True)
    return Somebody(address.local_part, address.domain, is_final)


def _unquoted(piece: str) -> str:
    """What stands within quotes, if the whole piece does."""
    return unquote(piece).strip() if len(piece) > 1 and piece[0] == piece[-1] == '"' else piece

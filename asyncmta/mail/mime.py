"""The structure of a MIME entity, as far as recoding needs it: what it is, how it is encoded, where its parts lie.

Octets are looked at and cut, never written anew: the pieces of a multipart joined are the multipart. Promises: linear
in what is read; whatever is not plainly readable (two types, a line that is no field, a boundary that never comes)
is not understood, which is an answer. Never: content decoded, charsets, values for people.

RFC 2045 (fields), RFC 2046 5.1 (boundaries), RFC 5322 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")
_KIND = re.compile(r"\s*([!#$&^_.+a-z0-9-]+)/([!#$&^_.+a-z0-9-]+)\s*(?=;|\Z)")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))\s*(?=;|\Z)', re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)")
_WORD = re.compile(r"\s*([a-z0-9-]+)\s*\Z")

NOT_UNDERSTOOD = "?"


class Field(Struct, frozen=True, gc=False):
    """One header field: its name in lower case, and where it lies in its section with its line end."""

    name: bytes
    start: int
    end: int
    value: bytes


class Head(Struct, frozen=True):
    """The header section of an entity. `kind`: "text/plain", or NOT_UNDERSTOOD; `encoding`: "7bit" where nothing is
    said; `boundary` of a multipart, b"" when it has none that can be read."""

    section: bytes
    fields: tuple[Field, ...]
    kind: str
    encoding: str
    boundary: bytes

    def has(self, name: bytes) -> bool:
        return any(field.name == name for field in self.fields)


def cut(entity: bytes) -> tuple[bytes, bytes, bytes]:
    """Header section with the line end of its last field, the empty line, the body; joined they are the entity."""
    if entity.startswith(b"\r\n"):
        return b"", b"\r\n", entity[2:]
    end = entity.find(b"\r\n\r\n")
    return (entity, b"", b"") if end < 0 else (entity[: end + 2], b"\r\n", entity[end + 4 :])


def read_head(section: bytes, usual: str) -> Head | None:
    """None when it cannot be read as fields, or says twice what it is. `usual`: the kind where none is given."""
    fields = tuple(_fields(section))
    if (fields[-1].end if fields else 0) != len(section):
        return None
    types = [field.value for field in fields if field.name == b"content-type"]
    encodings = [field.value for field in fields if field.name == b"content-transfer-encoding"]
    if len(types) > 1 or len(encodings) > 1:
        return None
    kind, boundary = _kind(_text(types[0])) if types else (usual, b"")
    word = _WORD.match(_text(encodings[0]).lower()) if encodings else None
    encoding = word[1] if word is not None else NOT_UNDERSTOOD if encodings else "7bit"
    return Head(section, fields, kind, encoding, boundary)


def pieces(body: bytes, boundary: bytes) -> list[bytes] | None:
    """A multipart body in pieces: preamble, delimiter, part, delimiter, part ..., closing delimiter, epilogue. Each
    part begins with the line end of its delimiter, if it has anything; None when no delimiter comes."""
    found: list[bytes] = []
    at = 0
    for start, end, is_last in _delimiters(body, b"--" + boundary):
        found += (body[at:start], body[start:end])
        at = end
        if is_last:
            break
    if not found:
        return None
    found.append(body[at:])
    return found


def _delimiters(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Start (with the line end before it), end (without the one behind it), and whether it is the closing one."""
    start, skip = (0, 0) if body.startswith(mark) else (body.find(b"\r\n" + mark), 2)
    while start >= 0:
        end = start + skip + len(mark)
        is_last = body.startswith(b"--", end)
        line_end = body.find(b"\r\n", end)
        if line_end < 0:
            line_end = len(body)
        if not body[end + 2 * is_last : line_end].strip(b" \t"):
            yield start, line_end, is_last
        start, skip = body.find(b"\r\n" + mark, end), 2


def _fields(section: bytes) -> Iterator[Field]:
    at = 0
    while (match := _FIELD.match(section, at)) is not None:
        at = match.end()
        yield Field(match[1].lower(), match.start(), at, match[2])


def _kind(value: str) -> tuple[str, bytes]:
    """Type and subtype in lower case, and the boundary."""
    match = _KIND.match(value.lower())
    if match is None:
        return NOT_UNDERSTOOD, b""
    boundary = b""
    at = match.end()
    while (parameter := _PARAMETER.match(value, at)) is not None:
        at = parameter.end()
        if parameter[1].lower() == "boundary":
            text = parameter[3] if parameter[2] is None else _ESCAPE.sub(r"\1", parameter[2])
            boundary = text.rstrip().encode("ascii", "replace")
            break
    return f"{match[1]}/{match[2]}", boundary


def _text(value: bytes) -> str:
    """Unfolded, without comments."""
    text = value.replace(b"\r\n", b"").decode("ascii", "replace")
    return _without_comments(text) if "(" in text else text


def _without_comments(text: str) -> str:
    kept: list[str] = []
    depth = 0
    is_quoted = is_escaped = False
    for letter in text:
        if is_escaped:
            is_escaped = False
        elif letter == "\\":
            is_escaped = True
        elif letter == '"' and not depth:
            is_quoted = not is_quoted
        elif letter == "(" and not is_quoted:
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
            continue
        if not depth:
            kept.append(letter)
    return "".join(kept)

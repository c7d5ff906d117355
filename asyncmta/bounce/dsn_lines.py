"""The small print of a report: harmless text, folded lines, words in a header field, one part of the whole.

Promises: no line longer than 998 octets, no control character, no line that a value begins by itself. Never: facts.

RFC 5322 2.1.1 (lines), 3.2.3 and 3.2.5 (phrases), RFC 2047 (other letters in fields), RFC 2045 6.7 (quoted-printable).
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp

TEXT_WIDTH = 76
MAX_WORD = 240  # letters; at four octets each, a line still stays below 998
MAX_HOST = 255

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000)], "?") | {9: " "}
_NOT_HOST = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")
_ENCODED_OCTETS = 42  # in base64 and with its frame, an encoded word stays below 75


def safe(text: str) -> str:
    return text.translate(_CONTROLS)


def host(text: str) -> str:
    return _NOT_HOST.sub("?", text)[:MAX_HOST]


def wrapped(text: str, indent: str = "", fold: str | None = None) -> list[str]:
    """Harmless lines, at most TEXT_WIDTH long where the words allow it, broken within a word above MAX_WORD. `fold`
    begins every line but the first, where that is not `indent`."""
    lines: list[str] = []
    line = ""
    for word in safe(text).split():
        for at in range(0, len(word), MAX_WORD):
            piece = word[at : at + MAX_WORD]
            if line and (at or len(line) + len(piece) >= TEXT_WIDTH):
                lines.append(line)
                line = (indent if fold is None else fold) + piece
            else:
                line = f"{line} {piece}" if line else indent + piece
    return [*lines, line] if line else lines


def paragraphs(text: str) -> list[str]:
    """Lines of a text whose paragraphs are parted by empty lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        folded = wrapped(paragraph.replace("\n", " "))
        lines += ["", *folded] if lines and folded else folded
    return lines


def shortened(text: str, width: int) -> str:
    """One harmless line of at most `width` letters."""
    text = " ".join(safe(text).split())
    return text if len(text) <= width else f"{text[: width - 3]}..."


def unstructured(text: str) -> str:
    """The value of a field such as Subject."""
    text = " ".join(safe(text).split())
    return text if text.isascii() and "=?" not in text else _encoded(text)


def phrase(text: str) -> str:
    """A display name: as it is, quoted, or encoded."""
    text = " ".join(safe(text).split())
    if not text.isascii() or "=?" in text:
        return _encoded(text)
    if _ATOMS.match(text):
        return text
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _encoded(text: str) -> str:
    words: list[bytes] = [b""]
    for letter in text:
        octets = letter.encode()
        if len(words[-1]) + len(octets) > _ENCODED_OCTETS:
            words.append(b"")
        words[-1] += octets
    return "\r\n ".join(f"=?utf-8?b?{b2a_base64(word, newline=False).decode()}?=" for word in words)


def part(kind: str, text: str, *, raw: bool, language: str = "") -> bytes:
    """A part of our own making: as it is when it is ASCII or may be more (`raw`), else in quoted-printable."""
    body, encoding = text.encode(), "7bit"
    if not text.isascii():
        body, encoding = (body, "8bit") if raw else (b2a_qp(body, istext=True), "quoted-printable")
    if kind == "text/plain":
        kind += "; charset=us-ascii" if text.isascii() else "; charset=utf-8"
    spoken = f"Content-Language: {language}\r\n" if language else ""
    return f"Content-Type: {kind}\r\n{spoken}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body

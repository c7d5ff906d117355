"""Replies of SMTP servers, ours and theirs: `EnhancedStatus`, `Reply`, and a strict reader for what a peer sent.

Promises: whatever a peer sends either becomes a `Reply` or raises `InvalidReply`; a `Reply` never holds a CR, LF or
NUL, so printing it can neither end a line early nor start a second one. The basic code decides; an enhanced status
of another class than the code is dropped (RFC 3463, CVE-2026-43964). Never: sockets, and no text about our inside.

RFC 5321 4.2 (replies), RFC 2034 and RFC 3463 (enhanced status), RFC 5248 (registry).
"""

from __future__ import annotations

import re
from typing import Self

from msgspec import Struct

MAX_LINES = 100
MAX_TEXT = 2048
MAX_OWN_LINE = 480  # octets of text; with code, status and line end below the 512 of RFC 5321 4.5.3.1.5

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)
# What nearly every reply is: one line, printable, most with a status. It is read four times for each message.
_COMMON = re.compile(rb"([2-5][0-9]{2}) (?:([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |(?=\r)))?([ -~]{0,480})\r\n\Z")
_STATUS = r"([245])\.([0-9]{1,3})\.([0-9]{1,3})"
_ENHANCED = re.compile(rf"{_STATUS}\Z")
_ENHANCED_PREFIX = re.compile(rf"{_STATUS}(?: |\Z)")
# A tab is legal in a reply's text; a lone surrogate could not be printed.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000)], "?") | {9: " "}


class InvalidReply(ValueError):
    """What came is no SMTP reply (RFC 5321 4.2)."""


class EnhancedStatus(Struct, frozen=True, gc=False, array_like=True):
    """x.y.z of RFC 3463: class 2, 4 or 5; subject and detail up to three digits each."""

    class_: int
    subject: int
    detail: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"5.1.1"` -> value; raises ValueError for anything else."""
        match = _ENHANCED.match(text)
        if match is None:
            raise ValueError(f"not an enhanced status: {text!r}")
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"


class Reply(Struct, frozen=True, gc=False, array_like=True):
    """One reply: code 200..599, an enhanced status or none, and its text, a line per element (without the status)."""

    code: int
    enhanced: EnhancedStatus | None
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    @property
    def wire(self) -> bytes:
        """The reply as octets, each line ended by CR LF."""
        enhanced = self.enhanced
        status = "" if enhanced is None else f"{enhanced.class_}.{enhanced.subject}.{enhanced.detail} "
        last = len(self.lines) - 1
        if not last:
            return f"{self.code} {status}{self.lines[0]}\r\n".encode("utf-8", "replace")
        return "".join(
            f"{self.code}{' ' if at == last else '-'}{status}{line}\r\n" for at, line in enumerate(self.lines)
        ).encode("utf-8", "replace")

    def __str__(self) -> str:
        enhanced, lines = self.enhanced, self.lines
        status = "" if enhanced is None else f" {enhanced.class_}.{enhanced.subject}.{enhanced.detail}"
        return f"{self.code}{status} {lines[0] if len(lines) == 1 else self.text}".rstrip()


def reply(code: int, enhanced: str | None, *lines: str) -> Reply:
    """Make a reply of ours: `reply(250, "2.1.0", "sender ok")`. Control characters in the text become `?`, and a line
    too long for SMTP is cut. ValueError for a code outside 200..599 or a status of another class."""
    status = EnhancedStatus.parse(enhanced) if enhanced else None
    if not 200 <= code <= 599 or (status is not None and status.class_ != code // 100):
        raise ValueError(f"not a reply: {code} {enhanced}")
    return Reply(code, status, tuple(map(_own_line, lines)) or ("",))


def _own_line(text: str) -> str:
    text = text.translate(_CONTROLS)
    if len(text) > MAX_OWN_LINE >> 2:  # shorter than that, it fits whatever its letters are
        text = text.encode()[:MAX_OWN_LINE].decode("utf-8", "ignore")
    return text


def parse_reply(raw: bytes) -> Reply:
    """Read one whole reply (all its lines, with their line ends); raise `InvalidReply` when it is none.

    Refused: codes outside 200..599, codes that change within the reply, more than MAX_LINES lines. Text is cut at
    MAX_TEXT characters in all, decoded as UTF-8 with replacement, and its control characters become `?`.
    """
    common = _COMMON.match(raw)
    if common is not None and (common[2] is None or raw[0] == common[2][0]):
        digits, class_, subject, detail, rest = common.groups()
        shared = None if class_ is None else EnhancedStatus(int(class_), int(subject), int(detail))
        return Reply(int(digits), shared, (rest.decode("ascii"),))
    lines: list[str] = []
    code = b""
    room = MAX_TEXT
    rows = raw.split(b"\n")
    if not rows[-1]:
        rows.pop()
    if not 0 < len(rows) <= MAX_LINES:
        raise InvalidReply("a reply of no line, or of too many")
    for at, row in enumerate(rows):
        match = _LINE.match(row.removesuffix(b"\r"))
        if match is None or (code and match[1] != code):
            raise InvalidReply(f"not a reply line: {row[:64]!r}")
        if (match[2] == b"-") != (at < len(rows) - 1):
            raise InvalidReply("a continuation where the reply ends, or none where it goes on")
        code = match[1]
        text = (match[3] or b"").decode("utf-8", "replace")[:room]
        if not text.isprintable():  # mostly it is, and the table costs more than all the rest
            text = text.translate(_CONTROLS)
        room -= len(text)
        lines.append(text)
    number = int(code)
    status = _shared_status(number, lines)
    return Reply(number, status, tuple(lines))


def _shared_status(code: int, lines: list[str]) -> EnhancedStatus | None:
    """Take the enhanced status off the lines, in place; the first line's counts, if its class agrees with the code."""
    status: EnhancedStatus | None = None
    for at, line in enumerate(lines):
        match = _ENHANCED_PREFIX.match(line)
        if match is None:
            continue
        lines[at] = line[match.end() :]
        if at == 0 and int(match[1]) == code // 100:
            status = EnhancedStatus(*map(int, match.groups()))
    return status

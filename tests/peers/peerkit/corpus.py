"""Messages with odd bodies and odd headers, from a seed: what a relay must carry octet for octet.

Number n of a seed is always the same message. All of it is text as RFC 5321 has it (CRLF lines, no bare CR or LF, no
NUL), but for the lines above 998 octets and the eight bits where they are not announced, which half the world sends.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

CRLF = b"\r\n"
# Sizes of buffers: of sockets, of readers, of the joined write, of the chunks of a large content, of its threshold.
BORDERS = (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
CONTROLS = bytes(octet for octet in range(1, 32) if octet not in b"\r\n") + b"\x7f"
DOTS = (b".", b"..", b"...", b". ", b".\t", b".x", b"..x", b".QUIT", b" .", b".=", b".\x80")
SPOKEN = (
    b"QUIT",
    b"RSET",
    b"DATA",
    b"MAIL FROM:<>",
    b"BDAT 0 LAST",
    b"250 ok",
    b"From here on",
    b">From there",
    b"\xff\xf4",
)
WORDS = ["Grüße", "aus", "Köln", "žluťoučký", "кот", "猫", "ありがとう", "naïve", "🐈", "plain", "words", "too"]


@dataclass(frozen=True)
class Odd:
    """One message: what to say in MAIL, and the octets after DATA, not stuffed."""

    number: int
    kind: str
    content: bytes
    body: str = "8BITMIME"
    smtputf8: bool = False

    @property
    def longest_line(self) -> int:
        return max(map(len, self.content.split(CRLF)))


class Corpus:
    """What `longest_line` and `smtputf8` say is what the receiver takes."""

    def __init__(self, seed: int, *, longest_line: int, smtputf8: bool) -> None:
        self._seed = seed
        self._longest = longest_line
        self._smtputf8 = smtputf8

    def message(self, number: int) -> Odd:
        chance = random.Random(f"{self._seed} {number}")
        kind, make = KINDS[number % len(KINDS)]
        header, text = make(chance, self._longest)
        content = header + text
        asks_utf8 = kind == "utf8 header" and self._smtputf8
        return Odd(number, kind, content, "7BIT" if content.isascii() and not asks_utf8 else "8BITMIME", asks_utf8)


Parts = tuple[bytes, bytes]


def _header(chance: random.Random, *fields: bytes) -> bytes:
    """A header section with its empty line."""
    more = [b"Subject: odd %d" % chance.randrange(1000), b"From: a@source.test", b"To: b@next.test", *fields]
    chance.shuffle(more)
    return CRLF.join(more) + CRLF * 2


def _lines(*lines: bytes) -> bytes:
    return b"".join(line + CRLF for line in lines)


def _octets(chance: random.Random, length: int, low: int = 0x20) -> bytes:
    """Any octet from `low` (above the controls) on."""
    return chance.randbytes(length).translate(bytes(low + octet % (256 - low) for octet in range(256)))


def _fill(chance: random.Random, size: int, line: int) -> bytes:
    """Lines of about `line` octets, `size` octets in all, and never a CR without its LF."""
    made = []
    while size > 0:
        length = min(size, line)
        if size - length == 1:
            length -= 1  # no line has one octet
        if length < 2:
            break
        text = chance.choice((b".", b"x", b"\xe9", b" ")) * (length - 2)
        made.append(text + CRLF)
        size -= length
    return b"".join(made)


def dots(chance: random.Random, _: int) -> Parts:
    return _header(chance), _lines(*chance.choices((*DOTS, b"", b"text"), k=chance.randint(1, 60)))


def eight_bit(chance: random.Random, _: int) -> Parts:
    lines = [_octets(chance, chance.randrange(0, 200), 0x80) for _ in range(chance.randint(1, 30))]
    return _header(chance, b"Content-Type: text/plain; charset=iso-8859-1"), _lines(*lines)


def broken_utf8(chance: random.Random, _: int) -> Parts:
    words = [" ".join(chance.choices(WORDS, k=9)).encode()[: chance.randint(1, 80)] for _ in range(20)]
    return _header(chance), _lines(*words)


def longest_lines(chance: random.Random, _: int) -> Parts:
    """Up to the 998 octets of RFC 5322, with dots where they are doubled."""
    lines = [chance.choice((b"x", b".", b"\xe4", b" ")) * chance.choice((996, 997, 998)) for _ in range(8)]
    return _header(chance), _lines(*lines)


def longer_lines(chance: random.Random, longest: int) -> Parts:
    lengths = [n for n in (999, 1000, 1001, 2047, 2048, 2049, 4095, 4096, 8191, 65536, 300_000) if n <= longest]
    if not lengths:
        return longest_lines(chance, longest)
    return _header(chance), _lines(*(_octets(chance, length, 0x21) for length in chance.choices(lengths, k=2)), b".")


def controls(chance: random.Random, _: int) -> Parts:
    lines = [bytes(chance.choices(CONTROLS + b" ab", k=chance.randrange(0, 120))) for _ in range(20)]
    return _header(chance), _lines(*lines)


def no_body(chance: random.Random, _: int) -> Parts:
    return _header(chance), b""


def blank_lines(chance: random.Random, _: int) -> Parts:
    blank = lambda: CRLF * chance.randrange(0, 9)  # noqa: E731
    return _header(chance), blank() + chance.choice((b"", b".\r\n", b"text\r\n", b"  \r\n")) + blank()


def no_header(chance: random.Random, _: int) -> Parts:
    """RFC 5322 wants Date and From; RFC 5321 does not look. The empty line makes it a body."""
    return CRLF, chance.choice((b"", CRLF, _lines(b"Subject: not one"), _lines(b".", b"..", b"text")))


def long_header(chance: random.Random, _: int) -> Parts:
    folded = b"X-Long: " + (CRLF + b"\t").join([b"y" * chance.randint(1, 90)] * chance.randint(100, 900))
    return _header(chance, folded, b"X-Line: " + b"z" * 990), _lines(b"text")


def many_fields(chance: random.Random, _: int) -> Parts:
    return _header(chance, *(b"X-Field-%d: %d" % (n, n) for n in range(chance.randint(200, 900)))), _lines(b".")


def odd_fields(chance: random.Random, _: int) -> Parts:
    odd = [
        b"x-EMPTY:",
        b"X-Colons: a:b::c",
        b"X-Tab:\tvalue",
        b"X-Space:   value   ",
        b"X-Fold:\r\n folded at once",
        b"X-Fold: one\r\n  \r\n\tthree",
        b"X-Twice: 1",
        b"X-Twice: 2",
        b"!#$%&'*+-/=?^_`{|}~.9: every sign",
        b"Resent-From: c@source.test",
        b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=dGVzdA==;\r\n        bh=dGVzdA==",
        b"Message-ID: <x@y>",
        b"Date: yesterday",
        b"MIME-Version: 1.0 (of a kind)",
    ]
    return _header(chance, *chance.sample(odd, chance.randint(1, len(odd)))), _lines(b"text")


def utf8_header(chance: random.Random, _: int) -> Parts:
    words = " ".join(chance.choices(WORDS, k=chance.randint(1, 8)))
    fields = (f"X-Words: {words}".encode(), f"Comments: {words}\r\n {words}".encode())
    return _header(chance, *fields), _lines(words.encode())


def multipart(chance: random.Random, _: int) -> Parts:
    boundary = b"=_%x" % chance.randrange(1 << 60)
    parts = []
    for _part in range(chance.randint(1, 5)):
        parts += [b"--" + boundary, b"Content-Transfer-Encoding: 8bit", b"", _octets(chance, 60, 0x80), b".", b""]
    fields = (b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="' + boundary + b'"')
    return _header(chance, *fields), _lines(b"before", *parts, b"--" + boundary + b"--")


def spoken(chance: random.Random, _: int) -> Parts:
    """What a careless receiver would take for commands, or an mbox for the next message."""
    return _header(chance), _lines(*chance.choices(SPOKEN + DOTS, k=chance.randint(5, 80)))


def _at_a_border(chance: random.Random, borders: tuple[int, ...]) -> int:
    """A size about there, or some octets less, since a relay puts a field of its own before it."""
    return chance.choice(borders) + chance.choice((-2, -1, 0, 1, 2, -chance.randint(100, 250)))


def of_a_size(chance: random.Random, _: int) -> Parts:
    header = _header(chance)
    size = _at_a_border(chance, BORDERS[:6] if chance.random() < 0.75 else BORDERS)  # large ones take their time
    return header, _fill(chance, size - len(header), chance.choice((3, 80, 998)))


def border_in_a_line_end(chance: random.Random, _: int) -> Parts:
    """CR before a border and LF behind it, or the dot of a line of its own there."""
    header = _header(chance)
    before = _at_a_border(chance, BORDERS[:5]) - len(header) - chance.randrange(4)
    return header, _fill(chance, before, 76) + _lines(b".", b"", b".", b"..") * chance.randint(1, 50)


def of_everything(chance: random.Random, longest: int) -> Parts:
    makers = (dots, eight_bit, longest_lines, controls, blank_lines, multipart, spoken)
    texts = [chance.choice(makers)(chance, longest)[1] for _ in range(chance.randint(2, 6))]
    return odd_fields(chance, longest)[0], b"".join(texts)


KINDS: tuple[tuple[str, Callable[[random.Random, int], Parts]], ...] = (
    ("dots", dots),
    ("8 bit", eight_bit),
    ("broken UTF-8", broken_utf8),
    ("longest lines", longest_lines),
    ("longer lines", longer_lines),
    ("controls", controls),
    ("no body", no_body),
    ("blank lines", blank_lines),
    ("no header", no_header),
    ("long header", long_header),
    ("many fields", many_fields),
    ("odd fields", odd_fields),
    ("utf8 header", utf8_header),
    ("multipart", multipart),
    ("spoken", spoken),
    ("of a size", of_a_size),
    ("border in a line end", border_in_a_line_end),
    ("of everything", of_everything),
)

"""The text of `maildirsize`: what a mailbox may hold, and what it holds, as Maildir++ writes it down.

The first line is the limit (`1000000S,1000C`: octets and messages), each one behind it a change (`4096 1`). Promises:
what is no such text is None, and never an exception; a limit of nothing is none. Never: files, and no count of a
mailbox (`quota.py`). Maildir++ (quota), Dovecot's "maildir" quota.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

MOST_OCTETS = 5120
"""A file that is longer is to be written anew."""
MOST_DIGITS = 18


class Limit(Struct, frozen=True):
    """Octets and messages that a mailbox may hold; 0: as many as come."""

    octets: int = 0
    messages: int = 0

    def __bool__(self) -> bool:
        return bool(self.octets or self.messages)


class Usage(Struct, frozen=True):
    """What a mailbox holds, as the lines sum up; `changes`: how many there are behind the first count."""

    limit: Limit
    octets: int = 0
    messages: int = 0
    changes: int = 0

    def admitted(self, sizes: Sequence[int]) -> list[bool]:
        """Which of these find room, when they come one after the other. One that is refused takes none."""
        octets, messages = self.octets, self.messages
        found = []
        for size in sizes:
            fits = not (
                (self.limit.octets and octets + size > self.limit.octets)
                or (self.limit.messages and messages >= self.limit.messages)
            )
            found.append(fits)
            if fits:
                octets, messages = octets + size, messages + 1
        return found

    @property
    def is_full(self) -> bool:
        """No message at all finds room."""
        return self.admitted((1,)) == [False]


def parse(text: bytes) -> Usage | None:
    """The file's octets; None: no such file, to be made anew. A last line without its end is still being written."""
    lines = text.split(b"\n")[:-1]
    limit = _limit(lines[0]) if lines else None
    if limit is None or len(text) > MOST_OCTETS:
        return None
    octets = messages = 0
    for line in lines[1:]:
        fields = line.split()
        if len(fields) != 2:
            return None
        change = [_number(field) for field in fields]
        if change[0] is None or change[1] is None:
            return None
        octets, messages = octets + change[0], messages + change[1]
    return Usage(limit, octets, messages, max(0, len(lines) - 2))


def limit_in(text: bytes) -> Limit | None:
    """The limit alone, also of a file that is to be made anew."""
    line, end, _ = text.partition(b"\n")
    return _limit(line) if end else None


def written(usage: Usage) -> bytes:
    """A whole file with one count."""
    limit = usage.limit
    words = [f"{number}{unit}" for number, unit in ((limit.octets, "S"), (limit.messages, "C")) if number]
    return f"{','.join(words) or '0S'}\n{change(usage.octets, usage.messages).decode()}".encode()


def change(octets: int, messages: int) -> bytes:
    return b"%d %d\n" % (octets, messages)


def size_in(name: str) -> int | None:
    """The size that the name of a message says (`,S=4096`), before the flags; None: it says none."""
    for word in name.partition(":")[0].split(",")[1:]:
        if word.startswith("S=") and word[2:].isascii() and word[2:].isdigit() and len(word) <= MOST_DIGITS:
            return int(word[2:])
    return None


def _limit(line: bytes) -> Limit | None:
    found = {b"S": 0, b"C": 0}
    for word in line.strip().split(b","):
        unit, number = word[-1:], _number(word[:-1])
        if unit not in found or number is None or number < 0:
            return None
        found[unit] = number
    return Limit(found[b"S"], found[b"C"])


def _number(text: bytes) -> int | None:
    digits = text.removeprefix(b"-")
    return int(text) if digits.isdigit() and len(digits) <= MOST_DIGITS else None

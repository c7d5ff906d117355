"""The suppression list as text and as a table: an entry is an address, or "@domain", with a reason and an end.

A line of the file is one entry as JSON. Promises: a look-up takes the same time however long the list is; case and
needless quotes make no difference; a line that cannot be read costs nothing but itself; of two lines for one address
the last counts; what is over counts no more. Never: the disk, the time (an argument).

docs/suppression.md; peers.md 2.13.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address, unquote

MOST = 1_000_000  # entries
LONGEST_REASON = 200


class InvalidSuppression(ValueError):
    """Not an entry; the message says why."""


class Suppression(Struct, frozen=True, omit_defaults=True):
    """`address` in normal form, or "@domain". Times are Unix seconds; `expires` 0.0: never."""

    address: str
    reason: str = ""
    added: float = 0.0
    expires: float = 0.0

    def is_over(self, now: float) -> bool:
        return 0.0 < self.expires <= now


def key_of(address: Address) -> str:
    """The normal form of an address."""
    return f"{unquote(address.local_part).casefold()}@{address.domain_key}"


def key_of_text(text: str) -> str:
    """The same of what a person wrote; raises InvalidSuppression."""
    try:
        if text.startswith("@"):
            return "@" + domain_key(text[1:])
        return key_of(parse_address(text, smtputf8=True))
    except InvalidAddress as error:
        raise InvalidSuppression(f'not an address and not "@domain": {text[:80]!a} ({error})') from None


def entry(text: str, reason: str = "", added: float = 0.0, expires: float = 0.0) -> Suppression:
    """Raises InvalidSuppression."""
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InvalidSuppression(f"a reason has at most {LONGEST_REASON} characters, and all of them print")
    return Suppression(key_of_text(text), reason, added, expires)


class Suppressions:
    """The entries by their address."""

    def __init__(self, entries: Iterable[Suppression] = ()) -> None:
        self._by_key = {each.address: each for each in entries}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Suppression]:
        """By address."""
        return iter(sorted(self._by_key.values(), key=lambda each: each.address))

    def get(self, key: str) -> Suppression | None:
        return self._by_key.get(key)

    def of(self, address: Address, now: float) -> Suppression | None:
        """What stands against an address now: its own entry before that of its domain."""
        by_key = self._by_key
        if not by_key:
            return None
        for key in (key_of(address), "@" + address.domain_key):
            found = by_key.get(key)
            if found is not None and not found.is_over(now):
                return found
        return None


class Read(Struct, frozen=True):
    """What a file says. `faults`: the numbers of the lines that cannot be read."""

    entries: tuple[Suppression, ...]
    faults: tuple[int, ...] = ()


def read(octets: bytes) -> Read:
    """The lines of the file."""
    found: dict[str, Suppression] = {}
    faults = []
    for number, line in enumerate(octets.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            said = msgspec.json.decode(line, type=Suppression)
            one = entry(said.address, said.reason, said.added, said.expires)
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidSuppression):
            faults.append(number)
            continue
        found[one.address] = one
    return Read(tuple(found.values()), tuple(faults))


def printed(entries: Iterable[Suppression]) -> bytes:
    """The file, by address."""
    lines = [msgspec.json.encode(each) + b"\n" for each in sorted(entries, key=lambda each: each.address)]
    return b"".join(lines)


def with_entries(octets: bytes, added: Iterable[Suppression], now: float) -> bytes:
    """The file with these in place of what it said of the same addresses, and without what is over. Raises
    InvalidSuppression for a list that would be too long, or one with lines that cannot be read: they would be lost."""
    kept = {each.address: each for each in _readable(octets) if not each.is_over(now)}
    kept |= {each.address: each for each in added}
    if len(kept) > MOST:
        raise InvalidSuppression(f"the list has at most {MOST} entries")
    return printed(kept.values())


def without(octets: bytes, keys: Iterable[str]) -> bytes:
    """The file without these. Raises InvalidSuppression as above."""
    gone = frozenset(keys)
    return printed(each for each in _readable(octets) if each.address not in gone)


def _readable(octets: bytes) -> tuple[Suppression, ...]:
    found = read(octets)
    if found.faults:
        raise InvalidSuppression(f"line {found.faults[0]} of the list cannot be read; mend it first")
    return found.entries


def imported(text: str, reason: str, now: float, expires: float) -> list[Suppression]:
    """From somebody else's list: a line is an entry as JSON, or `address` or `address,reason`; `#` begins a comment.
    Raises InvalidSuppression with the number of the line."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.append(_imported_line(line, reason, now, expires))
        except (msgspec.DecodeError, InvalidSuppression) as error:
            raise InvalidSuppression(f"line {number}: {error}") from None
    return found


def _imported_line(line: str, reason: str, now: float, expires: float) -> Suppression:
    if line.startswith("{"):
        said = msgspec.json.decode(line.encode("utf-8", "replace"), type=Suppression)
        return entry(said.address, said.reason or reason, said.added or now, said.expires or expires)
    address, _, own = line.partition(",")
    return entry(address.strip(), own.strip() or reason, now, expires)

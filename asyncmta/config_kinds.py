"""What a value in config.toml may be: one small class for each kind, which reads it, and says what is allowed.

A kind takes what TOML gave (`parse`), what an environment variable gave (`from_text` makes of it what TOML would
have given), and prints a value as a person would have written it (`show`). Promises: any value either becomes what
the setting's type says or raises `Unfit` with what is wrong and what is allowed; no text holds a character that does
not print, so that nothing from here can end a line on the wire (P-52). Never: files, the environment, other keys.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from asyncmta.inbound.throttle import Rate

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})([smhd])\Z")
_LONGEST_RATE = 31 * 86400
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB|TiB)\Z")
_OCTETS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class Unfit(ValueError):
    """The value does not fit; the message says what is wrong and what is allowed, without the key."""


class Kind(Protocol):
    def parse(self, value: Any) -> Any: ...

    def from_text(self, text: str) -> Any: ...

    def show(self, value: Any) -> Any: ...


def named(value: object) -> str:
    """A value as it is shown in a fault."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:80]}"' if value.isprintable() else ascii(value[:80])
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else str(value)[:80]


def named_url(text: str) -> str:
    """An address of the web as it is shown in a fault: who logs in there, and with which password, is nobody's."""
    return named(re.sub("//.*@", "//***@", text))


class Flag(Struct, frozen=True):
    def parse(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Unfit(f"expected true or false, got {named(value)}")
        return value

    def from_text(self, text: str) -> Any:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)

    def show(self, value: bool) -> bool:
        return value


class Whole(Struct, frozen=True):
    low: int
    high: int
    why: str = ""

    def parse(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            why = f" ({self.why})" if self.why else ""
            raise Unfit(f"expected a whole number from {self.low} to {self.high}{why}, got {named(value)}")
        return value

    def from_text(self, text: str) -> Any:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text

    def show(self, value: int) -> int:
        return value


class Duration(Struct, frozen=True):
    """Seconds. `zero` says what "0s" means, where it may be said."""

    low: float
    high: float
    zero: str = ""

    def parse(self, value: Any) -> float:
        match = _DURATION.match(value) if isinstance(value, str) else None
        if match is None:
            raise Unfit(f'expected a duration in s, m, h or d, such as "90s" or "5d", got {named(value)}')
        seconds = float(match[1]) * _SECONDS[match[2]]
        if not (self.low <= seconds <= self.high or (seconds == 0 and self.zero)):
            zero = f', or "0s" for {self.zero}' if self.zero else ""
            span = f'from "{self.show(self.low)}" to "{self.show(self.high)}"'
            raise Unfit(f"expected a duration {span}{zero}, got {named(value)}")
        return seconds

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: float) -> str:
        unit = next(unit for unit in ("d", "h", "m", "s") if (value and value % _SECONDS[unit] == 0) or unit == "s")
        return f"{value / _SECONDS[unit]:.3f}".rstrip("0").rstrip(".") + unit


class Size(Struct, frozen=True):
    """Octets."""

    low: int
    high: int

    def parse(self, value: Any) -> int:
        match = _SIZE.match(value) if isinstance(value, str) else None
        if match is None:
            raise Unfit(f'expected a size in B, KiB, MiB, GiB or TiB, such as "25MiB", got {named(value)}')
        octets = int(match[1]) * _OCTETS[match[2]]
        if not self.low <= octets <= self.high:
            span = f'from "{self.show(self.low)}" to "{self.show(self.high)}"'
            raise Unfit(f"expected a size {span}, got {named(value)}")
        return octets

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: int) -> str:
        unit = next(unit for unit in reversed(_OCTETS) if (value and value % _OCTETS[unit] == 0) or unit == "B")
        return f"{value // _OCTETS[unit]}{unit}"


class RateOf(Struct, frozen=True):
    """So many in so long; None for no limit."""

    def parse(self, value: Any) -> Rate | None:
        if value == "":
            return None
        match = _RATE.match(value) if isinstance(value, str) else None
        seconds = int(match[2]) * _SECONDS[match[3]] if match is not None else 0
        if match is None or seconds > _LONGEST_RATE:
            raise Unfit(f'expected so many in up to 31d, such as "100/1h", or "" for no limit, got {named(value)}')
        return Rate(int(match[1]), float(seconds))

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: Rate | None) -> str:
        return "" if value is None else f"{value.count}/{Duration(0, 0).show(value.seconds)}"


class Choice(Struct, frozen=True):
    """One of some words."""

    words: tuple[str, ...]

    def parse(self, value: Any) -> str:
        allowed = ", ".join(f'"{word}"' for word in self.words)
        if not isinstance(value, str) or value not in self.words:
            raise Unfit(f"expected one of {allowed}, got {named(value)}")
        return value

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: str) -> str:
        return value


class Text(Struct, frozen=True):
    """Text that `check` takes (it returns what is kept, or raises Unfit). `optional`: "" is taken as it is."""

    check: Callable[[str], Any]
    optional: bool = False
    secret: bool = False
    is_path: bool = False

    def parse(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise Unfit(f"expected text in quotes, got {'something else' if self.secret else named(value)}")
        if not value.isprintable():
            raise Unfit("contains a character that does not print; line ends and the like are not allowed")
        if not value:
            if self.optional:
                return ""
            raise Unfit("must not be empty")
        return self.check(value)

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: Any) -> str:
        if self.secret and value:
            return "********"
        return str(value)


class TextList(Struct, frozen=True):
    """Texts, each of them once unless the order is what they are about (`repeats`)."""

    item: Text
    repeats: bool = False

    def parse(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Unfit(f"expected a list of texts, got {'something else' if self.item.secret else named(value)}")
        found: list[Any] = []
        for text in value:
            one = self.item.parse(text)
            if one in found and not self.repeats:
                raise Unfit(f"{'one of them' if self.item.secret else named(text)} is there twice")
            found.append(one)
        return tuple(found)

    def from_text(self, text: str) -> Any:
        if text.lstrip().startswith("["):
            try:
                return tomllib.loads(f"value = {text}")["value"]
            except tomllib.TOMLDecodeError as error:
                raise Unfit(f"not a TOML list: {error}") from None
        return [part.strip() for part in text.split(",") if part.strip()]

    def show(self, value: tuple[Any, ...]) -> list[str]:
        return [self.item.show(one) for one in value]


class WholeList(Struct, frozen=True):
    item: Whole

    def parse(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple):
            raise Unfit(f"expected a list of whole numbers, got {named(value)}")
        return tuple(map(self.item.parse, value))

    def from_text(self, text: str) -> Any:
        return [self.item.from_text(part.strip()) for part in text.strip().strip("[]").split(",") if part.strip()]

    def show(self, value: tuple[int, ...]) -> list[int]:
        return list(value)


class TextListOr(Struct, frozen=True):
    """One of some words, or a list."""

    words: Choice
    list: TextList

    def parse(self, value: Any) -> str | tuple[str, ...]:
        if isinstance(value, str):
            try:
                return self.words.parse(value)
            except Unfit as error:
                raise Unfit(f"{error}; or a list") from None
        return self.list.parse(value)

    def from_text(self, text: str) -> Any:
        return self.list.from_text(text) if re.search(r"[\[,@]", text) else text

    def show(self, value: str | tuple[str, ...]) -> Any:
        return self.words.show(value) if isinstance(value, str) else self.list.show(value)

"""Text for people: ages, sizes, and nothing that a peer sent can move the cursor. Pure."""

from __future__ import annotations

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def printable(text: str) -> str:
    """What cannot be printed (escape sequences, line ends, bidirectional marks) becomes `?`."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def duration(seconds: float) -> str:
    """The two largest units: `4d3h`, `12m`, `0s`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"


def octets(size: float) -> str:
    """`812`, `4.0K`, `25.0M`."""
    if size < 1024:
        return str(int(size))
    units = "KMG"
    at = 0
    size /= 1024
    while size >= 1024 and at < len(units) - 1:
        size /= 1024
        at += 1
    return f"{size:.1f}{units[at]}"

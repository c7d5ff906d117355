"""Text of strangers made visible: what could hide or turn other text is shown by its number. Pure.

Promises: what comes out has no control character, no mark of writing direction and nothing invisible; two texts that
differ look different. Never: markup; the templates escape that.
"""

from __future__ import annotations


def visible(text: str) -> str:
    """`\\x1b` for an escape character, `\\u202e` for a mark that turns the direction."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _number(ord(letter)) for letter in text)


def _number(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

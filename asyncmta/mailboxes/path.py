"""From a local address to the path of its Maildir, as text: the pattern of `local.maildir` and the names it takes.

Promises: a name that comes out is one path component which is neither hidden nor able to climb ("", ".", "..", "/",
a leading dot, and whatever does not print are refused; "%2e" and the like are plain text), so that an expanded path
lies below the pattern's root. Spellings of one mailbox (quotes, case) give one path. Never: a look at the disk;
symbolic links are judged by `resolver.py`. RFC 5321 2.4 and 4.1.2, RFC 6531 3.3, RFC 8265 3.3.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

from asyncmta.mail.address import InvalidAddress, parse_address, unquote

MAX_NAME = 255  # octets of one path component, on every file system that we know
POSTMASTER = "postmaster"
OWNER, REQUEST = "owner-", "-request"
MOST_CUTS = 5  # names with a detail that are looked for; each may be a look at the disk

_FIELD = re.compile(r"(\{[^{}]*\})")
_FIELDS = ("{domain}", "{local_part}")


class InvalidPattern(ValueError):
    """The text is no pattern for Maildirs; the message says why."""


def mailbox_name(local_part: str) -> str | None:
    """The name that a local-part (as written, with its quotes) stands for in a path; None when it can be none."""
    name = unquote(local_part)
    # NFC after lowering: two spellings that look the same are one mailbox, as RFC 8265 3.3.2 has it for user names.
    name = name.lower() if name.isascii() else unicodedata.normalize("NFC", name.lower())
    return name if is_component(name) else None


def details(local_part: str, delimiters: str) -> list[str]:
    """The names to look for, longest first: `john-doe+list` with "+-" is that, then `john-doe`, then `john`. Nothing is
    parted at its beginning, and `owner-list` and `list-request` are names of their own."""
    name = unquote(local_part)
    if not delimiters:
        return [name]
    lowered = name.lower()
    cuts = [
        at for at in range(1, len(name)) if name[at] in delimiters and not _is_within_a_name(lowered, at, delimiters)
    ]
    return [name, *(name[:at] for at in reversed(cuts[:MOST_CUTS]))]


def _is_within_a_name(lowered: str, at: int, delimiters: str) -> bool:
    if lowered[: at + 1] == OWNER:
        return True
    end = at + len(REQUEST)
    return lowered[at:end] == REQUEST and (end == len(lowered) or lowered[end] in delimiters)


def entry_name(text: str) -> str:
    """A local part, or an address, of a list of mailboxes -> "name" or "name@domain" in normal form; raises
    InvalidAddress."""
    address = parse_address(text if "@" in text else f"{text}@localhost", smtputf8=True)
    name = mailbox_name(address.local_part)
    if name is None:
        raise InvalidAddress(f"cannot be the name of a mailbox: {text!r}")
    return f"{name}@{address.domain_key}" if "@" in text else name


def is_component(name: str) -> bool:
    """True if `name` may stand alone between two slashes: visible, printable, short enough.

    What does not print (controls, NUL, line separators, invisible marks, lone surrogates) would let two directories
    look alike, or break the lines of whoever lists them.
    """
    if not name or name[0] == "." or "/" in name or not name.isprintable():
        return False
    return len(name) <= MAX_NAME and (name.isascii() or len(name.encode()) <= MAX_NAME)


class Pattern(Struct, frozen=True):
    """A pattern such as `var/mail/{domain}/{local_part}`, cut into its components. `root` is the part before the
    first field: no mailbox lies outside of it."""

    root: str
    components: tuple[tuple[str, ...], ...]

    def expand(self, domain_key: str, name: str) -> str | None:
        """The path for a name from `mailbox_name`; None when a component of it would be none."""
        path = [self.root]
        for pieces in self.components:
            component = "".join(
                domain_key if piece == "{domain}" else name if piece == "{local_part}" else piece for piece in pieces
            )
            if not is_component(component):
                return None
            path.append(component)
        return "/".join(path)


def parse_pattern(text: str) -> Pattern:
    """`DIRECTORY/{domain}/{local_part}` -> Pattern; raises InvalidPattern."""
    parts = text.rstrip("/").split("/")
    first = next((at for at, part in enumerate(parts) if "{" in part or "}" in part), None)
    if first is None or "{local_part}" not in text:
        raise InvalidPattern("must contain {local_part}")
    if first == 0:
        raise InvalidPattern("must begin with a directory, as in var/mail/{domain}/{local_part}")
    components = []
    for part in parts[first:]:
        pieces = tuple(piece for piece in _FIELD.split(part) if piece)
        for piece in pieces:
            if piece not in _FIELDS and ("{" in piece or "}" in piece):
                raise InvalidPattern(f"unknown field in {part!r}; allowed are {' and '.join(_FIELDS)}")
        if not is_component(part):
            raise InvalidPattern(f"not the name of a directory: {part!r}")
        components.append(pieces)
    root = "/".join(parts[:first])
    if "\0" in root:
        raise InvalidPattern("contains a NUL")
    return Pattern(root, tuple(components))

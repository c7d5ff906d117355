"""Recipients out of a header section, for `send -t`: To, Cc and Bcc, or their Resent- forms where there are any. Pure.

Promises: the Bcc (or Resent-Bcc) fields are taken out and no other octet is changed; folded lines stay with their
field; the body is not looked at. Never: anything on the path of mail; this is the author's side.

RFC 5322 3.6.3 and 3.6.6.
"""

from __future__ import annotations

import re
from email.utils import getaddresses

PLAIN = ("to", "cc", "bcc")
RESENT = ("resent-to", "resent-cc", "resent-bcc")

_LINE = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


class Unreadable(ValueError):
    """The address fields cannot be taken apart."""


def fields(content: bytes) -> tuple[list[tuple[str, bytes]], int]:
    """The header fields in order, each as (name in lower case, all its octets), and where the header section ends."""
    found: list[tuple[str, bytes]] = []
    end = 0
    for match in _LINE.finditer(content):
        line = match[0]
        name = _NAME.match(line)
        if line[:1] in (b" ", b"\t") and found:
            found[-1] = (found[-1][0], found[-1][1] + line)
        elif name is not None:
            found.append((name[1].decode("ascii").lower(), line))
        else:
            break
        end = match.end()
    return found, end


def take(content: bytes) -> tuple[list[str], bytes]:
    """The addresses named in the header section, each once, and the content without its Bcc fields. Raises Unreadable:
    to leave out those that cannot be read would be to send to some and call it done."""
    found, end = fields(content)
    names = RESENT if any(name in RESENT for name, _ in found) else PLAIN
    values = [
        raw.partition(b":")[2].decode("utf-8", "replace").replace("\r", "").replace("\n", "")
        for name, raw in found
        if name in names
    ]
    try:
        addresses = [address for _, address in getaddresses(values) if address]
    except RecursionError:  # the standard library follows every parenthesis
        raise Unreadable("comments in To, Cc or Bcc are nested too deeply") from None
    kept = b"".join(raw for name, raw in found if name != names[2])
    return list(dict.fromkeys(addresses)), kept + content[end:]

"""Content with lines that are too long, made fit: parts encoded anew, long header lines folded where they may be.

Only what has such lines is touched. Promises: the decoded content of each part is what it was, each unfolded header
field too; a message that is signed, or that is not understood, comes back as it is, and whoever asked finds it too
long still. Never: a line cut in the middle of a text (rows D-143, W-098), a charset, anything on the way of relayed
mail.

RFC 5322 2.1.1 and 2.2.3 (folding), RFC 2045 6.7 and 6.8; Disagreement 12.
"""

from __future__ import annotations

import re
from binascii import a2b_qp

from asyncmta.mail.mime import NOT_UNDERSTOOD, Head, cut, pieces, read_head
from asyncmta.mail.recode import IDENTITIES, MOST_LEVELS, UNTOUCHABLE, WIDTH, encoded
from asyncmta.mail.wire import LINE_LIMIT, clean_line_ends, longest_line_ok

_FOLD = LINE_LIMIT - 2
_SIGNED = frozenset({b"dkim-signature", b"domainkey-signature", b"arc-message-signature"})
_BLANKS = (b" ", b"\t")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]*=?[\r\n]*=?[\r\n]*\Z")


def unwrapped(content: bytes) -> bytes:
    """Content in CR LF lines -> the same without lines over 998 octets, or the content as it is."""
    changed = _entity(content, "text/plain", MOST_LEVELS, is_message=True)
    return content if changed is None or not longest_line_ok(changed) else changed


def _entity(octets: bytes, usual: str, levels: int, *, is_message: bool) -> bytes | None:
    """A message or a part; None: it cannot be done. `usual`: what it is if it does not say so."""
    if longest_line_ok(octets):
        return octets
    section, gap, body = cut(octets)
    head = read_head(section, usual)
    if head is None or head.kind == NOT_UNDERSTOOD or not levels or any(field.name in _SIGNED for field in head.fields):
        return None
    if longest_line_ok(body):
        return _folded(section) + gap + body
    if head.kind in UNTOUCHABLE:
        return None
    if head.kind.startswith("multipart/"):
        inner = _multipart(head, body, levels)
    elif head.kind == "message/rfc822" and head.encoding in IDENTITIES:
        inner = _entity(body, "text/plain", levels - 1, is_message=True)
    else:
        return _leaf(head, gap, body, is_message=is_message)
    return None if inner is None else _folded(section) + gap + inner


def _multipart(head: Head, body: bytes, levels: int) -> bytes | None:
    found = pieces(body, head.boundary) if head.boundary else None
    if found is None:
        return None
    usual = "message/rfc822" if head.kind == "multipart/digest" else "text/plain"
    for at in range(2, len(found), 2):
        part = _entity(found[at][2:], usual, levels - 1, is_message=False)
        if part is None:
            return None
        found[at] = found[at][:2] + part
    return b"".join(found)


def _leaf(head: Head, gap: bytes, body: bytes, *, is_message: bool) -> bytes | None:
    """A part with long lines in its body."""
    if head.encoding == "base64" and _BASE64.match(body):
        text = body.replace(b"\r\n", b"")
        lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
        return _folded(head.section) + gap + b"\r\n".join(lines) + (b"\r\n" if body.endswith(b"\r\n") else b"")
    if head.encoding == "quoted-printable":
        body = a2b_qp(body)
    elif head.encoding not in IDENTITIES or (
        head.kind.startswith("message/") and not head.kind.startswith("message/global")
    ):
        return None
    section, body = encoded(head, body, is_message=is_message, binary=not clean_line_ends(body))
    return _folded(section) + gap + body


def _folded(section: bytes) -> bytes:
    """Long lines of a header section broken before a blank, which unfolding undoes; those without one stay long."""
    if longest_line_ok(section):
        return section
    lines = []
    for line in section.split(b"\r\n"):
        rest = line
        while len(rest) > _FOLD:
            at = max(rest.rfind(blank, 1, _FOLD) for blank in _BLANKS)
            # A line of blanks alone would be the end of the section to some.
            if at < 0 or not rest[:at].strip():
                break
            lines.append(rest[:at])
            rest = rest[at:]
        lines.append(rest)
    return b"\r\n".join(lines)

"""Letters that can be told from one another and from their own ruins: each names itself, its size and its digest.

Independent of asyncmta's code on purpose: what judges it must not share its mistakes.
"""

from __future__ import annotations

import hashlib
import random
import re
from typing import Any

LINES = (b".", b"..", b".x", b"", b"caf\xc3\xa9 \xff\x80", b"x" * 998, b"From here", b"plain text", b"\ttab")
IDENTITY = re.compile(rb"^X-Identity: (\S+)\r?$", re.MULTILINE)
RECIPIENT = re.compile(rb"^Final-Recipient: *rfc822; *(\S+?)\r?$", re.MULTILINE | re.IGNORECASE)
MESSAGE_ID = re.compile(rb"^Message-Id: <(\S+)>\r?$", re.MULTILINE | re.IGNORECASE)
OURS = re.compile(rb"(?:(?:Received|Return-Path|Delivered-To):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)*", re.IGNORECASE)
"""What a server puts in front of a letter."""
DELIVERED_TO = re.compile(rb"^Delivered-To: (\S+?)\r?$", re.MULTILINE)


def letter(identity: str, size: int = 1500) -> bytes:
    """About `size` octets with all that is awkward: dots, 8-bit, long lines, an empty line at the end."""
    chance = random.Random(identity)
    lines: list[bytes] = []
    left = size
    if size > 20_000:
        lines = [chance.randbytes(300).hex().encode() for _ in range(size // 602)]
        left = 500
    while left > 0:
        lines.append(chance.choice(LINES))
        left -= len(lines[-1]) + 2
    body = b"\r\n".join([*lines, b"", b""])
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"X-Identity: %b %d %b\r\nSubject: test\r\n\r\n" % (identity.encode(), len(body), digest) + body


def wire(content: bytes) -> bytes:
    """Stuffed, with the final dot."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def unstuffed(wire: bytes) -> bytes:
    return (b"\r\n" + wire).replace(b"\r\n..", b"\r\n.")[2:]


FIELD = re.compile(rb"^X-Identity: (\S+) (\d+) ([0-9a-f]{64})\r\n", re.MULTILINE)


def examine(content: bytes) -> tuple[str, bool]:
    """Whose letter this is (empty: nobody's), and whether it is whole and unaltered. Line ends may have become LF."""
    content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, found, body = content.partition(b"\r\n\r\n")
    field = FIELD.search(head + b"\r\n")
    if field is None:
        return "", False
    whole = bool(found) and len(body) == int(field[2]) and hashlib.sha256(body).hexdigest().encode() == field[3]
    return field[1].decode(), whole


def foreign(content: bytes) -> tuple[str, str]:
    """Of a letter that is not ours, as smtp-source makes them: its Message-Id and the digest of what was sent."""
    content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    ours = OURS.match(content)
    assert ours is not None
    sent = content[ours.end() :]
    named = MESSAGE_ID.search(sent.partition(b"\r\n\r\n")[0] + b"\r\n")
    return named[1].decode() if named else "", hashlib.sha256(sent).hexdigest()


def described(content: bytes) -> dict[str, Any]:
    """What a queue says of a message, as the oracle wants it: whose it is, and whether it is whole, or its digest."""
    identity, whole = examine(content)
    digest = ""
    reports: list[str] | None = []
    if is_report(content):
        reports = reported(content)
        identity, whole = "(report)", reports is not None
    elif not identity:
        identity, digest = foreign(content)
    return {"identity": identity, "whole": whole, "digest": digest, "reports": reports or []}


def reported(content: bytes) -> list[str] | None:
    """The recipients that a delivery report tells of; None: it is none, or not whole."""
    plain = content.replace(b"\r\n", b"\n")
    boundary = re.search(rb'multipart/report;[^\n]*(?:\n[ \t][^\n]*)*boundary="?([^"\s;]+)', plain)
    if boundary is None or not plain.rstrip().endswith(b"--" + boundary[1] + b"--"):
        return None
    return [name.decode().lower() for name in RECIPIENT.findall(plain)]


def is_report(content: bytes) -> bool:
    return b"multipart/report" in content.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0]

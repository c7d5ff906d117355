"""A message as a program wrote it into `sendmail`, made ready to be handed over: where it ends, who wrote it, and when.

Promises: what stands in the message is not changed; a From and a Date that are missing are put in front, with the
author's name quoted or encoded as it needs. Never: recipients (`recipients`), what any message needs (`injection`).

Rows D-22, D-129; RFC 5322 3.4 and 3.6; sendmail(8), -i.
"""

from __future__ import annotations

import re
from email.utils import formataddr, getaddresses

from asyncmta.mail.headers import field, header_section, rfc5322_date
from asyncmta.mail.wire import crlf

_DOT = re.compile(rb"^\.\r?(?:\n|\Z)", re.MULTILINE)
_ENVELOPE_LINE = re.compile(rb">*From [^\n]*\n")  # of a file of messages, as old mailers pass it on
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Unreadable(ValueError):
    """An argument that is no list of addresses."""


def ended(content: bytes, *, keeps_dot: bool) -> bytes:
    """Up to the line that is a dot and nothing else, which ends a message but with -i; without "From " lines on top."""
    while (match := _ENVELOPE_LINE.match(content)) is not None:
        content = content[match.end() :]
    dot = None if keeps_dot else _DOT.search(content)
    return content if dot is None else content[: dot.start()]


def authored(content: bytes, *, address: str, name: str, at: float) -> bytes:
    """With From and Date, CR LF at the end of lines."""
    content = crlf(content)
    section = header_section(content)
    added = b""
    if field(section, "From") is None:
        added += f"From: {mailbox(address, name)}\r\n".encode("utf-8", "replace")
    if field(section, "Date") is None:
        added += f"Date: {rfc5322_date(at)}\r\n".encode()
    if added and not _is_field(content):
        added += b"\r\n"  # a body alone
    return added + content


def _is_field(content: bytes) -> bool:
    return content.startswith(b"\r\n") or re.match(rb"[!-9;-~]+[ \t]*:", content) is not None


def mailbox(address: str, name: str) -> str:
    """`"A. Name" <a@b>` for a header line."""
    name = name.encode("utf-8", "replace").decode()  # an argument may be any octets
    name = _CONTROLS.sub(" ", name).strip()[:200]
    # The library encodes no address that is not ASCII, but does the name behind another one.
    shown = formataddr((name, "a@b")).removesuffix(" <a@b>") if name else ""
    return f"{shown} <{address}>" if shown else f"<{address}>"


def full_name(gecos: str, login: str) -> str:
    """The name in the fifth field of passwd(5): up to its comma, `&` for the login with a capital."""
    return gecos.partition(",")[0].replace("&", login.capitalize()).strip()


def people(argument: str) -> list[str]:
    """The addresses of an argument: mostly one, and else a list as in a header line."""
    argument = argument.rstrip(", \t\r\n")
    if not any(mark in argument for mark in ',<>();:"'):
        return [argument.strip()] if argument.strip() else []
    try:
        found = [address for _, address in getaddresses([argument])]
    except RecursionError:  # the standard library follows every parenthesis
        found = [""]
    if any(address.startswith("@") for address in found) or ("" in found and not argument.endswith(";")):
        raise Unreadable(f"{argument[:200]!r} is no list of addresses")
    return [address for address in found if address]


def qualified(address: str, hostname: str) -> str:
    """A name alone is somebody at this host (W-328)."""
    return address if "@" in address else f"{address}@{hostname}"


def bare(sender: str) -> str:
    """The address of -f, which may stand in angle brackets and behind a name; "" is the null one."""
    if sender.strip() in ("", "<>"):
        return ""
    found = people(sender)
    if len(found) != 1:
        raise Unreadable(f"{sender[:200]!r} is no address")
    return found[0]

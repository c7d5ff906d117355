"""Header work on octets: the fields that we add, the hop count, where the header section ends, one field for people.

A field is added by putting its octets in front; nothing here takes a message apart and writes it again. Promises: no
fact about a client (HELO, names, login, TLS) can start another line or field, every function is linear in the header
section, and no line made here is longer than 998 octets. Never: a body, a clock, MIME.

RFC 5321 4.4 (trace), RFC 5322 2.1, 2.2, 3.3 (fields, dates), RFC 3848 and RFC 6531 4.3 (protocol names).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from msgspec import Struct

from asyncmta.mail.address import Address
from asyncmta.mail.envelope import QueueId, format_queue_id

MAX_NAME = 255
MAX_PRINTED = 800
MAX_FIELD = 4096

_FIRST_DAY = date(1970, 1, 1).toordinal()
_LAST_SECOND = 253402300799  # the end of the year 9999
_DAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970 began on a Thursday
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TWO = tuple(f"{number:02}" for number in range(60))
# What may stand as a domain in `from` and `by`. The underscore is not in the grammar and in many names.
_NAME = re.compile(r"(?=.{1,255}\Z)(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[A-Za-z0-9:.-]+\])\Z")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.:@\[\]-]")  # within a comment; no "(", ")", "\" or white space
_NOT_IP = re.compile(r"[^0-9A-Fa-f:.]")
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029], "?") | {9: " "}


class Arrival(Struct, frozen=True, kw_only=True):
    """What `Received` says of a session: a part of it from the client, hence hostile, and made harmless when printed.

    by: our host name. helo: what the client called itself, "" when there was no client. ip: its address without
    brackets, "" when unknown. name: its confirmed host name, "" when there is none. protocol: see `protocol_name`.
    tls: version and cipher, "" for none. login: the authenticated user, "" when it is not to be shown. userid: of the
    user of this machine whose message it is, None when there is no such.
    """

    by: str
    helo: str = ""
    ip: str = ""
    name: str = ""
    protocol: str = ""
    tls: str = ""
    login: str = ""
    userid: int | None = None


def protocol_name(
    *,
    extended: bool,
    tls: bool = False,
    authenticated: bool = False,
    smtputf8: bool = False,
    lmtp: bool = False,
    qmtp: bool = False,
) -> str:
    """The registered name after `with`: SMTP after HELO; after EHLO or LHLO with S for TLS and A for AUTH. QMTP, which
    nobody registered, has one name."""
    if qmtp:
        return "QMTP"
    if not extended and not lmtp:
        return "SMTP"
    letters = ("S" if tls else "") + ("A" if authenticated else "")
    if smtputf8:
        return ("UTF8LMTP" if lmtp else "UTF8SMTP") + letters
    return ("LMTP" if lmtp else "ESMTP") + letters


def received_opening(arrival: Arrival) -> str:
    """The part of `Received` that is the same for all messages of a session; make it once."""
    lines = "Received:"
    if arrival.helo:
        lines += f" from {_extended_domain(arrival)}"
        if arrival.tls:
            lines += f"\r\n\t(using {' '.join(map(_plain, arrival.tls.split()))})"
        if arrival.login:
            lines += f"\r\n\t(authenticated as {_plain(arrival.login)})"
        lines += "\r\n\t"
    else:
        lines += " "
    lines += f"by {arrival.by if _NAME.match(arrival.by) else 'unknown'}"
    if arrival.userid is not None:
        lines += f" (from userid {arrival.userid})"
    return f"{lines} with {_plain(arrival.protocol)} id " if arrival.protocol else f"{lines} id "


def received(opening: str, *, queue_id: QueueId, at: float, recipient: Address | None = None) -> bytes:
    """The whole field. `recipient` only where there is one: two would be shown to each other (RFC 5321 7.2)."""
    if recipient is None:
        text = f"{opening}{format_queue_id(queue_id)};\r\n\t{rfc5322_date(at)}\r\n"
    else:
        text = f"{opening}{format_queue_id(queue_id)}\r\n\tfor <{printed(recipient)}>;\r\n\t{rfc5322_date(at)}\r\n"
    return text.encode("utf-8", "replace")


def _extended_domain(arrival: Arrival) -> str:
    """`helo (name [ip])`. A HELO that is no name goes into a comment behind `unknown`, so the field still parses."""
    known = arrival.helo if _NAME.match(arrival.helo) else "unknown"
    facts = []
    if arrival.name and _NAME.match(arrival.name):
        facts.append(arrival.name)
    ip = arrival.ip.partition("%")[0]  # without the zone, which means nothing elsewhere
    ip = _NOT_IP.sub("", ip.removeprefix("::ffff:") if "." in ip else ip)[:45]
    if ip:
        facts.append(f"[IPv6:{ip}]" if ":" in ip else f"[{ip}]")
    text = f"{known} ({' '.join(facts)})" if facts else known
    return text if known == arrival.helo else f"{text} (helo={_plain(arrival.helo)})"


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub("?", text[:MAX_NAME])


def printed(address: Address) -> str:
    """The address for a header line: as it came, but with A-labels where UTF-8 would make the line too long."""
    text = f"{address.local_part}@{address.domain}"
    if len(text) <= MAX_PRINTED >> 2 or len(text.encode()) <= MAX_PRINTED:  # a character is four octets at most
        return text
    return f"{address.local_part}@{address.domain_key}"


def return_path(reverse_path: Address | None) -> bytes:
    """`Return-Path`, which final delivery puts before everything else."""
    return b"Return-Path: <%b>\r\n" % (b"" if reverse_path is None else printed(reverse_path).encode())


def original_to(recipient: Address) -> bytes:
    """`X-Original-To`: whom it was for before the address was rewritten or stood for somebody."""
    return b"X-Original-To: %b\r\n" % printed(recipient).encode()


def delivered_to(recipient: Address) -> bytes:
    """`Delivered-To`: the mark by which a later pass here sees a loop."""
    return b"Delivered-To: %b\r\n" % printed(recipient).encode()


def rfc5322_date(unix: float) -> str:
    """Seconds since 1970 -> `Thu, 21 Nov 2024 22:01:00 +0000`. Always UTC and always English; never raises."""
    return _date_of(int(unix) if 0 <= unix <= _LAST_SECOND else 0)


@lru_cache(4)  # many messages come in one second
def _date_of(unix: int) -> str:
    days, rest = divmod(unix, 86400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    when = date.fromordinal(_FIRST_DAY + days)
    return (
        f"{_DAYS[days % 7]}, {_TWO[when.day]} {_MONTHS[when.month]} {when.year} "
        f"{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]} +0000"
    )


def iso_date(unix: float) -> str:
    """The day as `2024-11-21`, in UTC."""
    days = int(unix if 0 <= unix <= _LAST_SECOND else 0) // 86400
    return date.fromordinal(_FIRST_DAY + days).isoformat()


def split(content: bytes) -> tuple[bytes, bytes]:
    """Header section and body. The empty line between them belongs to neither; without one there is no body."""
    section = header_section(content)
    return section, content[len(section) + 2 :]


def header_section(content: bytes) -> bytes:
    """The header section alone, with the CRLF of its last field; the body is not copied."""
    if content.startswith(b"\r\n"):
        return b""
    end = content.find(b"\r\n\r\n")
    return content if end < 0 else content[: end + 2]


def may_have_hops(content: bytes, most: int) -> bool:
    """False: its header section is too short for more than so many `Received` fields, so that nobody need count."""
    return content.find(b"\r\n\r\n", 0, len("Received:\n") * most) < 0


def hop_count(section: bytes) -> int:
    """How many `Received` fields there are. Nothing else counts: not Received-SPF, not a continuation line."""
    return sum(1 for _ in _values(section, b"received"))


def field(section: bytes, name: str) -> str | None:
    """The first field of that name for people and logs: unfolded, cut at MAX_FIELD octets, controls become `?`."""
    for start in _values(section, name.lower().encode()):
        end = start
        while True:
            newline = section.find(b"\n", end)
            end = len(section) if newline < 0 else newline + 1
            if end - start > MAX_FIELD or section[end : end + 1] not in (b" ", b"\t"):
                break
        value = section[start : min(end, start + MAX_FIELD)].replace(b"\r\n", b"")
        return value.decode("utf-8", "replace").translate(_CONTROLS).strip()
    return None


def _values(section: bytes, name: bytes) -> Iterator[int]:
    """Where the values of the fields of that name (lower case) begin. White space before the colon is legal."""
    lowered = b"\n" + section.lower()
    key = b"\n" + name
    at = lowered.find(key)
    while at >= 0:
        colon = at + len(key)
        while lowered[colon : colon + 1] in (b" ", b"\t"):
            colon += 1
        if lowered[colon : colon + 1] == b":":
            yield colon  # one less than in `lowered`, one more for the colon
        at = lowered.find(key, colon)

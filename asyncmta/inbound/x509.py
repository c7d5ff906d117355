"""What a certificate says, read from its DER: whose it is, until when, and for which host names.

Only what a person wants to read in a log, and what SNI is compared with; nothing here trusts anything. The standard
library reads a certificate only once a peer has shown it. Promises: octets that are no certificate are `NoCertificate`,
and nothing else is ever raised. Never: signatures, files.

RFC 5280 4.1; RFC 6066 3 and RFC 6125 6.4 (which names match).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

MAX_TEXT = 200

_UTC_TIME, _GENERAL_TIME, _VERSION, _EXTENSIONS, _DNS_NAME, _BMP = 0x17, 0x18, 0xA0, 0xA3, 0x82, 0x1E
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
}


class NoCertificate(ValueError):
    """These octets are not a certificate."""


class CertificateFacts(Struct, frozen=True):
    """subject: as `CN=mx.example.org/O=Example`; where it is empty, the first name. expires: as
    `2026-11-22T02:36:36Z`. names: DNS names in lower case, `*.example.org` among them."""

    subject: str
    expires: str
    names: tuple[str, ...]


def certificate_facts(der: bytes) -> CertificateFacts:
    """Raises NoCertificate."""
    try:
        (_, certificate), *_ = _elements(der)
        (_, to_be_signed), *_ = _elements(certificate)
        fields = [field for field in _elements(to_be_signed) if field[0] != _VERSION]
        _, (_, (kind, end)) = fields[3][0], _elements(fields[3][1])
        parts = list(_subject(fields[4][1]))
        names = tuple(name for tag, octets in fields[6:] if tag == _EXTENSIONS for name in _names(octets))
        return CertificateFacts(("/".join(parts) or "".join(names[:1]))[:MAX_TEXT], _time(kind, end), names)
    except (ValueError, IndexError):
        raise NoCertificate("not a certificate") from None


def matching(name: str, offered: dict[str, int]) -> int | None:
    """What stands for this host name, itself or by a `*` for its first label; None: nothing."""
    name = name.lower().removesuffix(".")
    found = offered.get(name)
    return found if found is not None else offered.get(f"*.{name.partition('.')[2]}")


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of one after another. Tags above 30 do not occur in what is read here."""
    at = 0
    while at < len(octets):
        tag, length = octets[at], octets[at + 1]
        at += 2
        if length & 0x80:
            more = length & 0x7F
            length = int.from_bytes(octets[at : at + more], "big")
            at += more
        if at + length > len(octets):
            raise NoCertificate("cut off")
        yield tag, octets[at : at + length]
        at += length


def _subject(octets: bytes) -> Iterator[str]:
    """The attributes that have a short name; the others say nothing to a person."""
    for _, relative in _elements(octets):
        for _, pair in _elements(relative):
            (_, kind), (tag, value) = _elements(pair)
            if kind in _ATTRIBUTES:
                text = value.decode("utf-16-be" if tag == _BMP else "utf-8", "replace")
                yield f"{_ATTRIBUTES[kind]}={text}"


def _names(octets: bytes) -> Iterator[str]:
    ((_, extensions),) = _elements(octets)
    for _, extension in _elements(extensions):
        (_, kind), *_, (_, value) = _elements(extension)
        if kind == _SUBJECT_ALT_NAME:
            ((_, general_names),) = _elements(value)
            yield from (name.decode("ascii").lower() for tag, name in _elements(general_names) if tag == _DNS_NAME)


def _time(kind: int, octets: bytes) -> str:
    text = octets.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != _GENERAL_TIME:
        raise NoCertificate("no time")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}Z"

"""The faults of DNS, each with what the zone says and what becomes of a message to `example.test`.

docs/dns-faults.md is the same table for people; a test compares the two.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from msgspec import Struct

from tests.dns.dnskit import DOMAIN, OURS, US
from tests.dns.nameserver import (
    FORMERR,
    NOTAUTH,
    NOTIMP,
    NXDOMAIN,
    QUESTION,
    REFUSED,
    SERVFAIL,
    SILENT,
    Answer,
    Says,
    address,
    cname,
    mx,
    name_octets,
    raw,
    soa,
)

Zone = dict[tuple[str, str], Answer]


class Fault(Struct, frozen=True):
    """`waits`: the clock has to be moved on, because nobody answers."""

    name: str
    zone: Zone
    outcome: str
    waits: bool = False


HOST, OTHER = "mx.example.test", "mx2.example.test"
ONE: Zone = {(HOST, "A"): [address(HOST, "8.8.8.1")]}
TWO: Zone = {**ONE, (OTHER, "A"): [address(OTHER, "8.8.8.2")]}
GOOD = [mx(DOMAIN, 10, HOST)]
SIX = address(HOST, "2606:4700::1")


def asked_mx(answer: Answer, rest: Zone = ONE) -> Zone:
    return {(DOMAIN, "MX"): answer, **rest}


def names(host: bytes | str) -> Zone:
    """The only exchanger has this name."""
    return asked_mx([mx(DOMAIN, 10, host)])


def host(four: Answer, six: Answer = []) -> Zone:  # noqa: B006
    """What the only exchanger's addresses are answered with."""
    return {(DOMAIN, "MX"): GOOD, (HOST, "A"): four, (HOST, "AAAA"): six}


def chain(length: int) -> Zone:
    """The domain is the first of so many aliases; the last of them leads to a name with MX."""
    hops = [DOMAIN, *(f"{n}.test" for n in range(1, length)), "end.test"]
    zone: Zone = {(here, "CNAME"): [cname(here, there)] for here, there in pairwise(hops)}
    return {**zone, ("end.test", "MX"): [mx("end.test", 10, HOST)], **ONE}


def label(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets + name_octets("test")


CODES = [
    Fault("the domain does not exist (NXDOMAIN)", {}, "bounces, 5.1.2"),
    Fault(
        "NXDOMAIN for MX, while the name exists",
        {(DOMAIN, "MX"): NXDOMAIN, (DOMAIN, "A"): [address(DOMAIN, "8.8.8.1")]},
        "reaches 8.8.8.1",
    ),
    Fault("NXDOMAIN, then SERVFAIL", {(DOMAIN, "MX"): NXDOMAIN, (DOMAIN, "A"): SERVFAIL}, "later, 4.4.3"),
    Fault("NXDOMAIN, then silence", {(DOMAIN, "MX"): NXDOMAIN, (DOMAIN, "A"): SILENT}, "later, 4.4.3", waits=True),
    Fault("no MX (NODATA)", {(DOMAIN, "A"): [address(DOMAIN, "8.8.8.1")]}, "reaches 8.8.8.1"),
    Fault(
        "no MX, with SOA",
        {(DOMAIN, "MX"): Says(authority=[soa("test")]), (DOMAIN, "A"): [address(DOMAIN, "8.8.8.1")]},
        "reaches 8.8.8.1",
    ),
    Fault("no MX and no address", {(DOMAIN, "TXT"): []}, "bounces, 5.4.4"),
    Fault("no MX, address: SERVFAIL", {(DOMAIN, "A"): SERVFAIL}, "later, 4.4.3"),
    Fault("SERVFAIL", asked_mx(SERVFAIL), "later, 4.4.3"),
    Fault("REFUSED", asked_mx(REFUSED), "later, 4.4.3"),
    Fault("NOTIMP", asked_mx(NOTIMP), "later, 4.4.3"),
    Fault("FORMERR", asked_mx(FORMERR), "later, 4.4.3"),
    Fault("NOTAUTH", asked_mx(NOTAUTH), "later, 4.4.3"),
    Fault("SERVFAIL with records", asked_mx(Says(records=GOOD, code=SERVFAIL)), "later, 4.4.3"),
    Fault("NXDOMAIN with records", asked_mx(Says(records=GOOD, code=NXDOMAIN)), "later, 4.4.3"),
]

PACKETS = [
    Fault("silence", asked_mx(SILENT), "later, 4.4.3", waits=True),
    Fault("garbage", asked_mx(Says(octets=b"\x81\x80\xff\xff\xff\xffgarbage")), "later, 4.4.3", waits=True),
    Fault("an empty datagram", asked_mx(Says(octets=b"")), "later, 4.4.3", waits=True),
    Fault("the question sent back", asked_mx(Says(flags=0x0100)), "later, 4.4.3", waits=True),
    Fault("another opcode", asked_mx(Says(flags=0x8180 | 4 << 11, records=GOOD)), "reaches 8.8.8.1"),
    Fault("more records announced than there are", asked_mx(Says(records=GOOD, counted=9)), "later, 4.4.3", waits=True),
    Fault("a record longer than the packet", asked_mx([GOOD[0][:-4]]), "later, 4.4.3", waits=True),
    Fault(
        "a name that points to itself",
        names(struct.pack(">H", 0xC000 + 12 + 18 + 4 + 14 + 12)),
        "later, 4.4.3",
        waits=True,
    ),
    Fault("a label of 64 octets", names(b"\x40" + b"a" * 64 + b"\0"), "later, 4.4.3", waits=True),
    Fault(
        "an answer to another question",
        asked_mx(Says(question=name_octets("evil.test") + b"\0\x0f\0\x01", records=GOOD)),
        "later, 4.4.3",
        waits=True,
    ),
    Fault("an answer without its question", asked_mx(Says(question=b"", records=GOOD)), "later, 4.4.3", waits=True),
    Fault("the wrong id", asked_mx(Says(records=GOOD, wrong_id=True)), "later, 4.4.3", waits=True),
    Fault("the wrong id, then the right one", asked_mx(Says(records=GOOD, lies_first=True)), "reaches 8.8.8.1"),
    Fault(
        "truncated, whole over TCP",
        asked_mx(Says(records=[*GOOD, *(mx(DOMAIN, 20, f"{n}.filler.test") for n in range(99))], flags=0x8380)),
        "reaches 8.8.8.1",
    ),
    Fault("truncated, and TCP is silent", asked_mx(Says(flags=0x8380, tcp="silent")), "later, 4.4.3", waits=True),
    Fault("truncated, and TCP breaks off", asked_mx(Says(flags=0x8380, tcp="closes")), "later, 4.4.3", waits=True),
    Fault("truncated, and TCP is garbage", asked_mx(Says(flags=0x8380, tcp="garbage")), "later, 4.4.3", waits=True),
    Fault("EDNS refused (FORMERR)", asked_mx(Says(records=GOOD, edns="refused")), "reaches 8.8.8.1"),
    Fault("EDNS dropped", asked_mx(Says(records=GOOD, edns="dropped")), "later, 4.4.3", waits=True),
]

OWNERS = [
    Fault("an answer about another name", asked_mx([mx("evil.test", 1, "evil.test")]), "later, 4.4.3"),
    Fault("another name's records beside ours", asked_mx([mx("evil.test", 1, "evil.test"), *GOOD]), "reaches 8.8.8.1"),
    Fault(
        "another type's records",
        {(DOMAIN, "MX"): [address(DOMAIN, "8.8.6.6")], (DOMAIN, "A"): [address(DOMAIN, "8.8.8.1")]},
        "reaches 8.8.8.1",
    ),
    Fault(
        "an address of the host in the additional section",
        asked_mx(Says(records=GOOD, additional=[address(HOST, "8.8.6.6")])),
        "reaches 8.8.8.1",
    ),
    Fault(
        "MX in the authority section",
        asked_mx(Says(records=GOOD, authority=[mx(DOMAIN, 1, "evil.test")])),
        "reaches 8.8.8.1",
    ),
    Fault(
        "capital letters in the answer",
        {
            (DOMAIN, "MX"): [mx("EXAMPLE.Test", 10, "MX.Example.TEST")],
            (HOST, "A"): [address("Mx.example.tesT", "8.8.8.1")],
        },
        "reaches 8.8.8.1",
    ),
    Fault("addresses of another name", host([address("evil.test", "8.8.6.6")]), "later, 4.4.3"),
    Fault("an address of three octets", host([raw(HOST, "A", b"123")]), "later, 4.4.3", waits=True),
    Fault("an address of five octets", host([raw(HOST, "A", b"\x08\x08\x08\x08\x08")]), "reaches 8.8.8.8"),
]

ALIASES = [
    Fault(
        "an alias, with its target's MX",
        asked_mx([cname(DOMAIN, "end.test"), mx("end.test", 10, HOST)]),
        "reaches 8.8.8.1",
    ),
    Fault("8 aliases", chain(8), "reaches 8.8.8.1"),
    Fault("9 aliases", chain(9), "later, 4.4.3"),
    Fault("20 aliases", chain(20), "later, 4.4.3"),
    Fault(
        "20 aliases in one answer",
        asked_mx([cname(DOMAIN if n == 0 else f"{n}.test", f"{n + 1}.test") for n in range(20)]),
        "later, 4.4.3",
    ),
    Fault("an alias of itself", {(DOMAIN, "CNAME"): [cname(DOMAIN, DOMAIN)]}, "later, 4.4.3"),
    Fault(
        "two aliases of each other",
        {(DOMAIN, "CNAME"): [cname(DOMAIN, "b.test")], ("b.test", "CNAME"): [cname("b.test", DOMAIN)]},
        "later, 4.4.3",
    ),
    Fault("an alias of nothing", {(DOMAIN, "CNAME"): [cname(DOMAIN, "gone.test")]}, "later, 4.4.3"),
    Fault(
        "an alias of nothing, in one answer",
        {
            (DOMAIN, "MX"): Says(records=[cname(DOMAIN, "gone.test")], code=NXDOMAIN),
            (DOMAIN, "CNAME"): [cname(DOMAIN, "gone.test")],
        },
        "later, 4.4.3",
    ),
    Fault("an alias of a host without MX", {(DOMAIN, "CNAME"): [cname(DOMAIN, HOST)], **ONE}, "reaches 8.8.8.1"),
    Fault(
        "an alias that has MX too",
        {(DOMAIN, "MX"): [cname(DOMAIN, "end.test"), mx(DOMAIN, 1, OTHER), mx("end.test", 10, HOST)], **TWO},
        "reaches 8.8.8.1",
    ),
    Fault(
        "DNAME",
        asked_mx(
            [
                raw("test", "DNAME", name_octets("new.example")),
                cname(DOMAIN, "example.new.example"),
                mx("example.new.example", 10, HOST),
            ]
        ),
        "reaches 8.8.8.1",
    ),
    Fault(
        "the exchanger is an alias",
        {**names("alias.test"), ("alias.test", "CNAME"): [cname("alias.test", HOST)]},
        "reaches 8.8.8.1",
    ),
    Fault(
        "the exchanger is an alias of nothing",
        {**names("alias.test"), ("alias.test", "CNAME"): [cname("alias.test", "gone.test")]},
        "later, 4.4.3",
    ),
    Fault(
        "the exchanger is an alias of itself",
        {**names("alias.test"), ("alias.test", "CNAME"): [cname("alias.test", "alias.test")]},
        "later, 4.4.3",
    ),
]

HOSTS = [
    Fault("null MX", names("."), "bounces, 5.1.10"),
    Fault("null MX twice", asked_mx([mx(DOMAIN, 0, "."), mx(DOMAIN, 10, ".")]), "bounces, 5.1.10"),
    Fault("null MX among others", asked_mx([mx(DOMAIN, 0, "."), *GOOD]), "reaches 8.8.8.1"),
    Fault("MX names an address", names("127.0.0.1"), "later, 4.4.4"),
    Fault("MX names an address, among others", asked_mx([mx(DOMAIN, 0, "8.8.6.6"), *GOOD]), "reaches 8.8.8.1"),
    Fault("a host with a space", names(label(b"a b")), "later, 4.4.4"),
    Fault("a host with CR and LF", names(label(b"a\r\nQUIT")), "later, 4.4.4"),
    Fault("a host with NUL", names(label(b"a\0b")), "later, 4.4.4"),
    Fault("a host with octets above 127", names(label(b"\xe4\xff")), "later, 4.4.4"),
    Fault("a host with a dot in a label", names(label(b"a.b")), "later, 4.4.4"),
    Fault(
        "a host with a quote, a bracket, a wildcard",
        asked_mx([mx(DOMAIN, n, label(octets)) for n, octets in enumerate((b'"', b"[", b"*"))]),
        "later, 4.4.4",
    ),
    Fault("a host that begins with a hyphen", names("-mx.test"), "later, 4.4.4"),
    Fault("the exchanger is localhost", names("localhost"), "later, 4.4.4"),
    Fault("the exchanger does not exist", names("gone.test"), "bounces, 5.4.4"),
    Fault("the exchanger has no address", {**names("txt.test"), ("txt.test", "TXT"): []}, "bounces, 5.4.4"),
    Fault(
        "one exchanger does not exist, one fails",
        asked_mx(
            [mx(DOMAIN, 1, "gone.test"), mx(DOMAIN, 2, OTHER)], {(OTHER, "A"): SERVFAIL, (OTHER, "AAAA"): SERVFAIL}
        ),
        "later, 4.4.3",
    ),
    Fault(
        "one exchanger does not exist, one is there",
        asked_mx([mx(DOMAIN, 1, "gone.test"), mx(DOMAIN, 2, HOST)]),
        "reaches 8.8.8.1",
    ),
    Fault("the same exchanger three times", asked_mx([mx(DOMAIN, n, HOST) for n in (30, 10, 20)]), "reaches 8.8.8.1"),
    Fault(
        "preferences 0 and 65535",
        asked_mx([mx(DOMAIN, 65535, OTHER), mx(DOMAIN, 0, HOST)], TWO),
        "reaches 8.8.8.1, 8.8.8.2",
    ),
    Fault("our own name", names(US), "bounces, 5.4.6"),
    Fault(
        "our own name, and a better one",
        asked_mx([mx(DOMAIN, 20, US), mx(DOMAIN, 30, OTHER), *GOOD], TWO),
        "reaches 8.8.8.1",
    ),
    Fault("an address where we listen", host([address(HOST, OURS)]), "bounces, 5.4.6"),
]

ADDRESSES = [
    Fault("A fails, AAAA is there", host(SERVFAIL, [SIX]), "reaches 2606:4700::1"),
    Fault("AAAA fails, A is there", host([address(HOST, "8.8.8.1")], SERVFAIL), "reaches 8.8.8.1"),
    Fault("AAAA is silent, A is there", host([address(HOST, "8.8.8.1")], SILENT), "reaches 8.8.8.1", waits=True),
    Fault("no A, AAAA fails", host([], SERVFAIL), "later, 4.4.3"),
    Fault("NXDOMAIN for A, AAAA fails", host(NXDOMAIN, SERVFAIL), "later, 4.4.3"),
    Fault("NXDOMAIN for A, AAAA is there", host(NXDOMAIN, [SIX]), "reaches 2606:4700::1"),
    Fault("AAAA only", host([], [SIX]), "reaches 2606:4700::1"),
    Fault("a private address", host([address(HOST, "10.0.0.1")]), "later, 4.4.4"),
    Fault("loopback", host([address(HOST, "127.0.0.1")], [address(HOST, "::1")]), "later, 4.4.4"),
    Fault("0.0.0.0 and broadcast", host([address(HOST, "0.0.0.0"), address(HOST, "255.255.255.255")]), "later, 4.4.4"),
    Fault(
        "link-local and multicast",
        host([address(HOST, "169.254.169.254"), address(HOST, "224.0.0.1")], [address(HOST, "fe80::1")]),
        "later, 4.4.4",
    ),
    Fault(
        "a private IPv4 address inside of an IPv6 one",
        host([], [address(HOST, "::ffff:a00:1"), address(HOST, "2002:a00:1::")]),
        "later, 4.4.4",
    ),
    Fault(
        "a private address beside a public one",
        host([address(HOST, "10.0.0.1"), address(HOST, "8.8.8.1")]),
        "reaches 8.8.8.1",
    ),
    Fault("a lifetime of 0", host([address(HOST, "8.8.8.1", ttl=0)]), "reaches 8.8.8.1"),
    Fault("a lifetime of 2^31", host([address(HOST, "8.8.8.1", ttl=2**31)]), "reaches 8.8.8.1"),
    Fault("a lifetime of 2^32 - 1", host([address(HOST, "8.8.8.1", ttl=2**32 - 1)]), "reaches 8.8.8.1"),
]

SIZES = [
    Fault(
        "2,300 MX records",
        asked_mx([mx(QUESTION, 10, HOST), *(mx(QUESTION, 20 + n, b"\x05m%04d\xc0\x0c" % n) for n in range(2299))]),
        "reaches 8.8.8.1",
    ),
    Fault(
        "3,200 MX records, as many as a packet holds",
        asked_mx([mx(QUESTION, 65535, HOST), *(mx(QUESTION, n, b"\x04%04d\xc0\x0c" % n) for n in range(2800))]),
        "bounces, 5.4.4",
    ),
    Fault(
        "1,000 addresses",
        host([address(QUESTION, f"8.8.{n >> 8}.{n & 255}") for n in range(1000)]),
        "reaches 8.8.0.0, 8.8.0.1, 8.8.0.2, 8.8.0.3, 8.8.0.4",
    ),
]

FAULTS = {fault.name: fault for fault in (*CODES, *PACKETS, *OWNERS, *ALIASES, *HOSTS, *ADDRESSES, *SIZES)}

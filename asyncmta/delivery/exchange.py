"""What DNS answers, and what follows: an MX answer into a `Site` or an outcome.

A site is an ordered set of exchangers; domains with the same exchangers in the same order have the same key and so
share one. Bounces come only from answers that are certain: no such domain, null MX, only ourselves left. A record
whose host is an address or no host name is ignored. Never: look-ups, sockets, the order of equals (`dial_order`).

RFC 5321 5.1 (exchangers, implicit MX, own name), RFC 7505 (null MX), RFC 2181 10.3.
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct, structs

from asyncmta.credentials import Identity, Login
from asyncmta.mail.outcome import Cause, Deferred, Failed, Scope
from asyncmta.mail.reply import reply

MAX_EXCHANGERS = 20
QMTP_PORT = 209
# Of an MX record with such a preference says the domain that its host speaks QMTP (https://cr.yp.to/proto/mxps.txt).
MXPS = range(12801, 13042, 16)
UNIX = "unix:"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # underscores are no host names, and are in use
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


class MxRecord(Struct, frozen=True, gc=False):
    """One MX record as it was answered; the host "" is the null MX."""

    preference: int
    host: str


class MxRecords(Struct, frozen=True, gc=False):
    """Found: at least one record."""

    records: tuple[MxRecord, ...]


class Addresses(Struct, frozen=True, gc=False):
    """Found: at least one address, as text."""

    ips: tuple[str, ...]


class Names(Struct, frozen=True, gc=False):
    """Found: what an address is called; at least one name."""

    names: tuple[str, ...]


class NoSuchDomain(Struct, frozen=True, gc=False):
    """The name does not exist, said with authority (NXDOMAIN)."""


class NoData(Struct, frozen=True, gc=False):
    """The name exists and has no such record."""


class TemporaryFailure(Struct, frozen=True, gc=False):
    """Nothing was learned: server failure, refusal, timeout, nonsense."""

    reason: str


MxAnswer = MxRecords | NoSuchDomain | NoData | TemporaryFailure
AddressAnswer = Addresses | NoSuchDomain | NoData | TemporaryFailure
NameAnswer = Names | NoSuchDomain | NoData | TemporaryFailure


class Exchanger(Struct, frozen=True, gc=False):
    """A host that takes mail; `host` may be an address. `rank` 0 is the best; port 0 is the port of the settings. Of
    a host that DNS named port 209 says that QMTP is to be tried first, and SMTP where nobody listens there.

    `weight`: how often it is the first among its equals; 0 is one for the time when none of the others can be had.
    """

    host: str
    rank: int = 0
    port: int = 0
    weight: int = 1


class Site(Struct, frozen=True):
    """Where mail of one or more domains goes. `explicit`: an operator named the hosts, so that they may be private.
    `implicit_tls`: TLS from the first octet at every port, and not at 465 alone. `protocol`: "smtp",
    "lmtp" or "qmtp"."""

    key: str
    exchangers: tuple[Exchanger, ...]
    tls: str = "opportunistic"
    login: Login | None = None
    explicit: bool = False
    identity: Identity | None = None
    implicit_tls: bool = False
    protocol: str = "smtp"


def site_of_domain(domain: str, answer: MxAnswer, hostname: str, *, mxps: bool = False) -> Site | Failed | Deferred:
    """The site of a recipient domain in normal form (or of an address literal); our own name is `hostname`.
    `mxps`: preferences may say that a host speaks QMTP."""
    if domain.startswith("["):
        return _site([(0, domain[1:-1].removeprefix("ipv6:"))])
    if isinstance(answer, NoSuchDomain):
        return Failed(Cause.DNS, reply(550, "5.1.2", f"the domain {domain} does not exist"), Scope.MESSAGE)
    if isinstance(answer, TemporaryFailure):
        text = f"the mail exchangers of {domain} could not be looked up: {answer.reason}"
        return Deferred(Cause.DNS, reply(451, "4.4.3", text), Scope.MESSAGE)
    if isinstance(answer, NoData):
        hosts = [(0, domain)]
    elif all(record.host == "" for record in answer.records):
        text = f"the domain {domain} accepts no mail (null MX)"
        return Failed(Cause.DNS, reply(556, "5.1.10", text), Scope.MESSAGE)
    else:
        hosts = _usable(answer.records)
    if not hosts:
        text = f"no MX record of {domain} names a host"
        return Deferred(Cause.DNS, reply(451, "4.4.4", text), Scope.MESSAGE)
    ours = min((preference for preference, host in hosts if host == hostname.lower()), default=None)
    if ours is not None:
        hosts = [(preference, host) for preference, host in hosts if preference < ours]
        if not hosts:
            text = f"mail for {domain} loops: we are its best mail exchanger, and it is no domain of ours"
            return Failed(Cause.LOOP, reply(554, "5.4.6", text), Scope.MESSAGE)
    return _site(hosts, MXPS if mxps else range(0))


def site_of_hosts(
    hosts: tuple[str, ...],
    tls: str,
    login: Login | None = None,
    identity: Identity | None = None,
    *,
    implicit_tls: bool = False,
    protocol: str = "smtp",
) -> Site:
    """The site of a route to named hosts, `host`, `host:port` or `unix:/path` each, tried in the order given."""
    kind = "smarthost" if protocol == "smtp" else protocol
    key = f"{kind}:{';'.join(hosts)} {'implicit ' if implicit_tls else ''}{tls}" + _as_whom(login, identity)
    exchangers = tuple(
        Exchanger(host, rank, port) for rank, (host, port) in enumerate(_host_and_port(text) for text in hosts)
    )
    return Site(
        key, exchangers, tls, login, explicit=True, identity=identity, implicit_tls=implicit_tls, protocol=protocol
    )


def weighted(site: Site, weights: tuple[int, ...]) -> Site:
    """The site with its hosts as equals that are the first to be tried as often as these say; () changes nothing."""
    if not weights:
        return site
    pairs = zip(site.exchangers, weights, strict=True)
    equals = tuple(structs.replace(exchanger, rank=0, weight=weight) for exchanger, weight in pairs)
    return structs.replace(site, exchangers=equals)


def at_level(site: Site, tls: str) -> Site:
    """The same hosts at another TLS level: a site of its own, since sessions are never shared across levels."""
    return site if tls == site.tls else structs.replace(site, tls=tls, key=f"{site.key} {tls}")


def no_address(host: str, answer: NoSuchDomain | NoData | TemporaryFailure) -> Failed | Deferred:
    """The outcome when a host of a site has no address that could be tried."""
    if isinstance(answer, TemporaryFailure):
        text = f"the address of {host} could not be looked up: {answer.reason}"
        return Deferred(Cause.DNS, reply(451, "4.4.3", text), Scope.SITE)
    return Failed(Cause.DNS, reply(550, "5.4.4", f"the host {host} has no address"), Scope.SITE)


def not_public(host: str, ip: str) -> Deferred:
    """The outcome for an address that a stranger's DNS must not make us connect to."""
    return Deferred(Cause.DNS, reply(451, "4.4.4", f"the address {ip} of {host} is not a public one"), Scope.SITE)


def wrong_family(host: str) -> Deferred:
    """The outcome for a host that has addresses, and none that the settings let us use."""
    text = f"the host {host} has no address of a kind that remote.addresses allows"
    return Deferred(Cause.DNS, reply(451, "4.4.4", text), Scope.SITE)


def is_ourselves(host: str, ip: str) -> Failed:
    """The outcome for a host whose address and port are those of a listener of ours."""
    text = f"mail loops: the address {ip} of {host} is ours, and the domain is none of ours"
    return Failed(Cause.LOOP, reply(554, "5.4.6", text), Scope.SITE)


def not_tried(host: str) -> Deferred:
    """The outcome for a host whose turn did not come: it says nothing, and nothing is known of it."""
    text = f"the host {host} was not tried: too many addresses, or too little time"
    return Deferred(Cause.CONNECT, reply(451, "4.4.1", text), Scope.SITE)


def is_public(ip: str) -> bool:
    """May DNS send us there? Not to loopback, private, shared (RFC 6598), link-local, site-local, unspecified,
    multicast or reserved addresses; nor to such an IPv4 address inside of an IPv6 one (mapped, or 6to4)."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_site_local:
            return False
        address = address.ipv4_mapped or address.sixtofour or address
    # Python calls 100.64.0.0/10 neither private nor global, and multicast global.
    return address.is_global and not (address.is_multicast or address.is_reserved)


def is_address(host: str) -> bool:
    """Is this host text an IP address?"""
    if ":" not in host and not host[-1:].isdigit():  # to hear it from the library costs ten times as much
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _usable(records: tuple[MxRecord, ...]) -> list[tuple[int, str]]:
    """Best preference of each proper host name, in order, at most MAX_EXCHANGERS of them."""
    best: dict[str, int] = {}
    for record in records:
        host = record.host.lower().removesuffix(".")
        if _HOST.match(host) and not host.rpartition(".")[2].isdigit():
            best[host] = min(record.preference, best.get(host, record.preference))
    return sorted((preference, host) for host, preference in best.items())[:MAX_EXCHANGERS]


def _site(hosts: list[tuple[int, str]], by_qmtp: range = range(0)) -> Site:
    """Only the order counts and not the numbers: 10/20 and 5/50 are the same site, in its key and in every field."""
    key: list[str] = []
    exchangers: list[Exchanger] = []
    rank = 0
    last: int | None = None
    for preference, host in sorted(hosts):
        if last is not None:
            rank += preference != last
            key.append("," if preference == last else ";")
        last = preference
        port = QMTP_PORT if preference in by_qmtp else 0
        key.append(f"{host}:{port}" if port else host)
        exchangers.append(Exchanger(host, rank, port))
    return Site("mx:" + "".join(key), tuple(exchangers))


def is_unix(host: str) -> bool:
    """Is this host a socket of this machine, `unix:/path`?"""
    return host.startswith(UNIX)


def _as_whom(login: Login | None, identity: Identity | None) -> str:
    """What tells sessions apart that go to the same hosts: secrets are not in it, and `Site`s differ by them too."""
    key = ""
    if login is not None:
        key = f" as {login.username}"
        if login.auth != "auto":
            key += f" by {login.auth}"
        if login.grant is not None:
            key += f" with a token of {login.grant.name}"
    return key if identity is None else f"{key} with {identity.certificate}"


def _host_and_port(text: str) -> tuple[str, int]:
    if is_unix(text):
        return text, 0
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and not (":" in host and not host.startswith("[")):
        return host.strip("[]").lower(), int(port)
    return text.strip("[]").lower(), 0

"""What a text in config.toml may say: a domain, a network, a pattern, an address with a port.

Each function takes the text of one value and returns what is kept of it, mostly its normal form, or raises `Unfit`
with what is wrong and what is allowed. Promises: no network is so wide that a slip of the pen makes an open relay
(D-14). Never: other keys, the environment, a look-up.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from asyncmta.config_kinds import Unfit, named, named_url
from asyncmta.delivery.arguments import InvalidArgument, parse_argument
from asyncmta.mail.address import InvalidAddress, domain_key, parse_address
from asyncmta.mailboxes import path as maildir_path
from asyncmta.routing import InvalidPattern, parse_pattern

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WIDEST_IPV4 = 8
WIDEST_IPV6 = 16

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_LOCAL_IPV6 = ipaddress.IPv6Network("fc00::/7")


def any_text(text: str) -> str:
    return text


def domain(text: str) -> str:
    try:
        return domain_key(text)
    except InvalidAddress as error:
        raise Unfit(f'expected a domain such as "example.org", got {named(text)} ({error})') from None


def host_name(text: str) -> str:
    if text.startswith("["):
        raise Unfit(f'expected a host name such as "mail.example.org", got {named(text)}')
    return domain(text)


def certificate_name(text: str) -> str:
    """A host name as SNI says it, or `*.` and one: any one label before it."""
    return "*." + host_name(text[2:]) if text.startswith("*.") else host_name(text)


def relay_domain(text: str) -> str:
    if text.startswith("."):
        return "." + domain(text[1:])
    if text == "*":
        raise Unfit('"*" would make an open relay; name the domains, or the clients in relay.networks')
    return domain(text)


def address_or_local_part(text: str) -> str:
    try:
        parse_address(text if "@" in text else f"{text}@localhost", smtputf8=True)
    except InvalidAddress as error:
        raise Unfit(f"expected an address or a local part, got {named(text)} ({error})") from None
    return text


def route_pattern(text: str) -> str:
    try:
        parse_pattern(text)
    except InvalidPattern as error:
        raise Unfit(f"{named(text)} is {error}") from None
    return text


def maildir_pattern(text: str) -> str:
    try:
        maildir_path.parse_pattern(text)
    except maildir_path.InvalidPattern as error:
        raise Unfit(f"{error}; got {named(text)}") from None
    return text


def ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Unfit(f'expected an IP address such as "192.0.2.1" or "::1", got {named(text)}') from None


def listen_address(text: str) -> str:
    return text if text == "localhost" else ip_address(text)


def network(text: str) -> Network:
    """Clients in it may send anywhere."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Unfit(f'expected a network such as "192.0.2.0/24" or "2001:db8::/32", got {named(text)}') from None
        raise Unfit(f'{named(text)} has bits set after its prefix; did you mean "{meant}"?') from None
    width = found.prefixlen
    if isinstance(found, ipaddress.IPv6Network):
        if found.subnet_of(_MAPPED):
            raise Unfit(f"write {named(text)} as an IPv4 network")
        if width < WIDEST_IPV6 and not (found.is_link_local or found.subnet_of(_LOCAL_IPV6)):
            raise Unfit(f"{named(text)} would make an open relay; no network may be wider than /{WIDEST_IPV6} (IPv6)")
    elif width < WIDEST_IPV4:
        raise Unfit(f"{named(text)} would make an open relay; no network may be wider than /{WIDEST_IPV4} (IPv4)")
    return found


def split_port(text: str) -> tuple[str, int | None] | None:
    """`host`, `host:port`, `[ipv6]:port` or a bare IPv6 address -> host and port; None when it is none of them."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            return None
        port_text = rest[1:] if rest else None
    elif text.count(":") > 1:
        host, port_text = text, None
    else:
        host, colon, rest = text.partition(":")
        port_text = rest if colon else None
    if port_text is None:
        return host, None
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) < 6 and 0 < int(port_text) < 65536):
        return None
    return host, int(port_text)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def smarthost(text: str) -> str:
    host, port = split_port(text) or ("", None)
    if port is None:
        raise Unfit(f'expected "host:port" such as "smtp.example.org:587" or "[2001:db8::1]:25", got {named(text)}')
    try:
        return _joined(ip_address(host), port)
    except Unfit:
        host_name(host.replace("_", "x"))  # no domain of mail has one, but names in a container network do
        return _joined(host.lower(), port)


def next_hop(text: str) -> str:
    """As `smarthost`, or `unix:/path`."""
    if not text.startswith("unix:"):
        return smarthost(text)
    if not text.startswith("unix:/") or text.endswith("/"):
        raise Unfit(f'expected "unix:" and an absolute path, such as "unix:/run/dovecot/lmtp", got {named(text)}')
    return text


def argument(text: str) -> str:
    """An argument of a command, with placeholders."""
    try:
        parse_argument(text)
    except InvalidArgument as error:
        raise Unfit(f"{named(text)}: {error}") from None
    return text


def ip_and_port(text: str) -> str:
    """`127.0.0.1:8025` or `[::1]:8025`; `localhost:8025` too."""
    host, port = split_port(text) or ("", None)
    if port is None:
        raise Unfit(f'expected "address:port" such as "127.0.0.1:8025" or "[::1]:8025", got {named(text)}')
    return _joined(listen_address(host), port)


def name_server(text: str) -> str:
    found = split_port(text)
    if found is None:
        raise Unfit(f'expected an IP address with or without a port, such as "127.0.0.1:5353", got {named(text)}')
    return _joined(ip_address(found[0]), found[1] or 53)


def token_url(text: str) -> str:
    """Secrets are sent there: over TLS, or to this machine."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_token_url(text) from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not (host and secure and port != 0) or parts.username or parts.fragment or not text.isascii() or " " in text:
        raise _no_token_url(text)
    return text


def _no_token_url(text: str) -> Unfit:
    return Unfit(f'expected an address such as "https://login.example.org/token" (https), got {named_url(text)}')


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token(text: str) -> str:
    if not text.isascii() or " " in text:
        raise Unfit("expected letters, digits and signs of ASCII without a space (it goes into an HTTP header)")
    return text

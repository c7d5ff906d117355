"""Where an address goes: a mailbox, by MX, a smarthost, a command, or nowhere; and the key the agenda knows it by.

Promises: total and without memory of order, so that the same recipient and sender always get the same route, in
live operation and after a restart. Rules are asked in the order of the file and the first match wins; without a
match a local domain is local and everything else goes by MX. A rule for the recipient `*` covers a local recipient
only when it says hold, discard or reject (docs/decisions.md). Never: DNS, the existence of a mailbox, or permission
beyond `relay.domains`.

RFC 5321 3.6 (relaying), 4.5.1 (postmaster), 5.1 (next hop).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from asyncmta.credentials import Grant, Identity, Login
from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address, unquote
from asyncmta.mail.reply import Reply

CACHED_DOMAINS = 10_000

_LOCAL = "local:"
_MX = "mx:"
_LEVEL = " tls="  # no domain has a space


class InvalidPattern(ValueError):
    """The text is no pattern of a rule; the message says what is allowed."""


class Local(Struct, frozen=True):
    """A mailbox of ours, in this local domain."""

    domain: str


class Mx(Struct, frozen=True):
    """The mail exchangers of this domain (or address literal). In a rule, "" stands for the recipient's own domain.
    `tls` "": as `[remote]` says."""

    domain: str = ""
    tls: str = ""


class Smarthost(Struct, frozen=True):
    """One next hop for all that is sent there: `hosts` are "name:port", tried in order, or in turn by `weights`; the
    rest as in `[[route]]`. `protocol` is "smtp", "lmtp" (a host may then be "unix:/path") or "qmtp".
    `final`: what is taken there is in its mailbox, as far as its sender is concerned."""

    name: str
    hosts: tuple[str, ...]
    tls: str = "verify"
    username: str = ""
    password: str = ""
    auth: str = "auto"
    grant: Grant | None = None
    identity: Identity | None = None
    implicit_tls: bool = False
    protocol: str = "smtp"
    weights: tuple[int, ...] = ()
    final: bool = False

    @property
    def login(self) -> Login | None:
        return Login(self.username, self.password, self.auth, self.grant) if self.username else None

    def __repr__(self) -> str:
        said = f"hosts={self.hosts!r}, tls={self.tls!r}, username={self.username!r}, protocol={self.protocol!r}"
        return f"Smarthost({self.name!r}, {said})"


class Pipe(Struct, frozen=True):
    """A command of ours that takes the message: its arguments with placeholders, as `[[route]]` has them; run for
    each "recipient" or once for the "message" (`per`); lines that end in "lf" or "crlf"."""

    command: tuple[str, ...]
    per: str = "recipient"
    line_end: str = "lf"


class Hold(Struct, frozen=True):
    """Kept until an operator releases it."""


class Discard(Struct, frozen=True):
    """Taken and thrown away; counts as delivered."""


class Reject(Struct, frozen=True):
    """Refused with this reply, at RCPT where we are still asked, else as a failure."""

    reply: Reply


Route = Local | Mx | Smarthost | Pipe | Hold | Discard | Reject


class Pattern(Struct, frozen=True):
    """A parsed pattern. `domain` "" means any, `subdomains` that `domain` itself is not meant, `local_part` "" any."""

    text: str
    domain: str = ""
    subdomains: bool = False
    local_part: str = ""

    def covers_domain(self, key: str) -> bool:
        if self.subdomains:
            return key.endswith(self.domain)
        return not self.domain or key == self.domain

    def covers(self, address: Address | None) -> bool:
        """Does it match? The null reverse-path (None) is matched by `*` alone."""
        if address is None:
            return not self.domain
        return self.covers_domain(address.domain_key) and (
            not self.local_part or self.local_part == unquote(address.local_part).casefold()
        )


def parse_pattern(text: str) -> Pattern:
    """`*`, `domain`, `.domain` (subdomains), `*@domain`, `*@.domain` or an address; raises InvalidPattern."""
    if text == "*":
        return Pattern(text)
    local_part, _, domain = text.rpartition("@")
    try:
        if local_part not in ("", "*"):
            address = parse_address(text, smtputf8=True)
            return Pattern(text, address.domain_key, local_part=unquote(address.local_part).casefold())
        if text.startswith("@"):
            raise InvalidAddress("nothing before the @")
        if domain.startswith("."):
            return Pattern(text, "." + domain_key(domain[1:]), subdomains=True)
        return Pattern(text, domain_key(domain))
    except InvalidAddress as error:
        raise InvalidPattern(f'not a domain, ".domain" (subdomains), "*", "*@domain" or an address ({error})') from None


class Rule(Struct, frozen=True):
    """One `[[route]]`: who it is for, who it is from, and where it then goes (`Mx("")`: by the recipient's MX)."""

    recipient: Pattern
    sender: Pattern
    via: Mx | Smarthost | Pipe | Hold | Discard | Reject

    @property
    def spares_local(self) -> bool:
        """`*` is said of the world outside; only what stops mail altogether is meant for our own mailboxes too."""
        return not self.recipient.domain and isinstance(self.via, Mx | Smarthost | Pipe)


def unknown_key(domain: str) -> str:
    """The destination of those of a local domain whom we do not know, where a server is named that may (P-09)."""
    return f"unknown:{domain}"


def store_key(domain: str) -> str:
    """The destination of the mailboxes of a local domain that a mail store keeps."""
    return f"store:{domain}"


class Routing:
    """The rules of one configuration. `behind`: servers behind local domains (`unknown_key`, `store_key`)."""

    def __init__(
        self,
        *,
        rules: Sequence[Rule] = (),
        local_domains: Iterable[str] = (),
        relay_domains: Iterable[str] = (),
        hostname: str = "localhost",
        postmaster: Address | None = None,
        behind: Mapping[str, Smarthost] | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._local = frozenset(map(domain_key, local_domains))
        patterns = [parse_pattern(domain) for domain in relay_domains]
        self._relay = frozenset(pattern.domain for pattern in patterns if not pattern.subdomains)
        self._relay_suffixes = tuple(pattern.domain for pattern in patterns if pattern.subdomains)
        self._hostname, self._postmaster = domain_key(hostname), postmaster
        self._keys: list[str] = []
        self._routes: dict[str, Route] = {}
        for index, rule in enumerate(self._rules):
            key = self._key_of(rule.via, index)
            self._keys.append(key)
            if not key.startswith(_MX):
                self._routes[key] = rule.via
        self.finals = frozenset(key for key, via in self._routes.items() if isinstance(via, Smarthost) and via.final)
        self._routes |= behind or {}
        # Only what the recipient's domain alone decides is remembered. Bounded: domains come from strangers.
        self._known: dict[str, str] = {}

    def _key_of(self, via: Route, index: int) -> str:
        for key, route in self._routes.items():
            if route == via:
                return key  # the same smarthost named by two rules is one destination, with one share
        match via:
            case Smarthost(protocol=protocol):
                return f"{'smarthost' if protocol == 'smtp' else protocol}:{index}"
            case Pipe():
                return f"pipe:{index}"
            case Reject():
                return f"reject:{index}"
            case Hold():
                return "hold"
            case Discard():
                return "discard"
            case Mx(_, tls) if tls:
                return f"{_MX}{_LEVEL}{tls}"
        return _MX

    def destination(self, recipient: Address, sender: Address | None) -> str:
        """The route as a key: "local:example.org", "mx:example.org", "mx:example.org tls=verify" (where its rule names
        a level), "smarthost:0", "lmtp:1", "pipe:2", "hold", "discard", "reject:3"."""
        known = self._known.get(recipient.domain_key)
        if known is not None:
            return known
        return self._decide(recipient, sender)

    def _decide(self, recipient: Address, sender: Address | None) -> str:
        domain = recipient.domain_key
        # postmaster@hostname is ours even where hostname is no local domain, so hostname alone decides nothing
        by_domain_alone = domain != self._hostname or domain in self._local
        found = ""
        local = self.is_ours(recipient)
        for rule, key in zip(self._rules, self._keys, strict=True):
            if not rule.recipient.covers_domain(domain) or (local and rule.spares_local):
                continue
            if rule.recipient.local_part or rule.sender.domain:
                by_domain_alone = False
            if rule.recipient.covers(recipient) and rule.sender.covers(sender):
                found = key
                break
        if not found:
            found = _LOCAL if local else _MX
        if found == _LOCAL:
            found += domain
        elif found.startswith(_MX):
            found = f"{_MX}{domain}{found[len(_MX) :]}"
        if by_domain_alone:
            if len(self._known) >= CACHED_DOMAINS:
                self._known.clear()
            self._known[domain] = found
        return found

    def route(self, recipient: Address, sender: Address | None) -> Route:
        return self.route_of(self.destination(recipient, sender))

    def route_of(self, destination: str) -> Route:
        """Inverse of the key; LookupError for one that this configuration does not know."""
        if destination.startswith(_MX):
            domain, _, tls = destination[len(_MX) :].partition(_LEVEL)
            return Mx(domain, tls)
        if destination.startswith(_LOCAL):
            return Local(destination[len(_LOCAL) :])
        return self._routes[destination]

    def is_local(self, domain: str) -> bool:
        """Is this normal form of a domain one whose mailboxes are here?"""
        return domain in self._local

    def may_relay_to(self, domain: str) -> bool:
        """Is this a domain that anybody may send to through us (`relay.domains`)?"""
        return domain in self._relay or domain.endswith(self._relay_suffixes)

    def is_postmaster(self, address: Address) -> bool:
        """Must it be accepted whoever asks: postmaster at hostname or at a local domain, or the configured one?"""
        name, domain = unquote(address.local_part).casefold(), address.domain_key
        if name == "postmaster" and (domain == self._hostname or domain in self._local):
            return True
        named = self._postmaster
        return named is not None and domain == named.domain_key and name == unquote(named.local_part).casefold()

    def is_ours(self, recipient: Address) -> bool:
        """Is it at a local domain, or the postmaster at hostname?"""
        if recipient.domain_key in self._local:
            return True
        return recipient.domain_key == self._hostname and self.is_postmaster(recipient)

    def explain(self, recipient: Address, sender: Address | None) -> list[str]:
        """What is decided and why, a line for each rule asked, for `asyncmta route`."""
        lines = []
        local = self.is_ours(recipient)
        for index, (rule, key) in enumerate(zip(self._rules, self._keys, strict=True)):
            head = f"route {index} (recipient {rule.recipient.text}, sender {rule.sender.text})"
            if not rule.recipient.covers(recipient):
                lines.append(f"{head}: not for this recipient")
            elif not rule.sender.covers(sender):
                lines.append(f"{head}: not for this sender")
            elif local and rule.spares_local:
                lines.append(f"{head}: does not cover local recipients")
            else:
                lines.append(f"{head}: matches, {key.removesuffix(':')}")
                break
        else:
            lines.append(f"no route matches; {recipient.domain_key} is {'a local domain' if local else 'not local'}")
        lines.append(f"destination: {self.destination(recipient, sender)}")
        return lines

"""The tables of config.toml as frozen values: every key with its type, what it may be, and its default.

This is the one place where a key is declared; reading, checking, the environment and the printed settings follow
from it. Durations are seconds, sizes octets, paths text (absolute once `config` has read them). The annotation's
second part is the kind (`config_kinds`). Never: files, the environment, and no rule about two keys (`config_checks`).

contract.md section 3.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, get_type_hints

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_bounce import BounceTable
from asyncmta.config_drop import DropTable
from asyncmta.config_forwarding import RewriteEntry, SrsTable
from asyncmta.config_kinds import (
    Choice,
    Duration,
    Flag,
    Kind,
    RateOf,
    Size,
    Text,
    TextList,
    Whole,
)
from asyncmta.config_lists import ListTable, SubscriptionsTable
from asyncmta.config_local import DomainTable, LocalTable
from asyncmta.config_maildir import BccTable, MaildirTable
from asyncmta.config_policy import DnsblTable, HooksTable, PolicyTable, RuleEntry
from asyncmta.config_route_table import TLS_LEVEL, OptionalPath, RouteTable
from asyncmta.config_sandbox import SandboxTable
from asyncmta.config_sites import SiteTable, SourceTable
from asyncmta.config_suppression import SuppressionTable
from asyncmta.config_telemetry import TelemetryTable
from asyncmta.config_webhook import WebhookTable
from asyncmta.inbound.throttle import Rate

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
KIB, MIB = 1 << 10, 1 << 20

LOOPBACK = (texts.network("127.0.0.0/8"), texts.network("::1/128"))

Path = Text(texts.any_text, is_path=True)


class General(Struct, frozen=True, kw_only=True):
    """The keys outside of any table."""

    hostname: Annotated[str, Text(texts.host_name, optional=True)] = ""
    postmaster: Annotated[str, Text(texts.address_or_local_part)] = "postmaster"
    spool: Annotated[str, Path] = "var/spool"
    smarthost: Annotated[str, Text(texts.smarthost, optional=True)] = ""
    mode: Annotated[str, Choice(("queue", "null-client"))] = "queue"


class ListenerTable(Struct, frozen=True, kw_only=True):
    address: Annotated[str, Text(texts.listen_address)] = "127.0.0.1"
    port: Annotated[int, Whole(0, 65535)] = 2525
    role: Annotated[str, Choice(("relay", "submission", "lmtp", "qmtp"))] = "relay"
    tls: Annotated[str, Choice(("none", "starttls", "required", "implicit"))] = "none"
    proxy_protocol: Annotated[bool, Flag()] = False
    max_sessions: Annotated[int, Whole(1, 1_000_000)] = 1000
    line_endings: Annotated[str, Choice(("strict", "normalise"))] = "strict"
    allow_plaintext_auth: Annotated[bool, Flag()] = False
    xclient_from: Annotated[tuple[texts.Network, ...], TextList(Text(texts.network))] = ()
    greet_delay: Annotated[float, Duration(SECOND, MINUTE, zero="none")] = 0.0
    client_certificates: Annotated[str, Choice(("off", "request", "require"))] = "off"


class TlsTable(Struct, frozen=True, kw_only=True):
    certificate: Annotated[str, OptionalPath] = ""
    key: Annotated[str, OptionalPath] = ""
    client_ca: Annotated[str, OptionalPath] = ""


class CertificateTable(Struct, frozen=True, kw_only=True):
    certificate: Annotated[str, OptionalPath] = ""
    key: Annotated[str, OptionalPath] = ""
    names: Annotated[tuple[str, ...], TextList(Text(texts.certificate_name))] = ()


class AuthTable(Struct, frozen=True, kw_only=True):
    users: Annotated[str, OptionalPath] = ""
    dovecot: Annotated[str, OptionalPath] = ""
    senders: Annotated[str, Choice(("any", "own"))] = "any"
    failures_per_client: Annotated[Rate | None, RateOf()] = Rate(20, 10 * MINUTE)
    failures_per_login: Annotated[Rate | None, RateOf()] = Rate(20, 10 * MINUTE)
    failure_delay: Annotated[float, Duration(0.1, 30 * SECOND, zero="none")] = SECOND


class RelayTable(Struct, frozen=True, kw_only=True):
    networks: Annotated[tuple[texts.Network, ...], TextList(Text(texts.network))] = LOOPBACK
    domains: Annotated[tuple[str, ...], TextList(Text(texts.relay_domain))] = ()
    etrn_from: Annotated[tuple[texts.Network, ...], TextList(Text(texts.network))] = ()


class LimitsTable(Struct, frozen=True, kw_only=True):
    message_size: Annotated[int, Size(KIB, 1 << 40)] = 25 * MIB
    recipients: Annotated[int, Whole(100, 1_000_000, "RFC 5321 4.5.3.1.8")] = 1000
    hops: Annotated[int, Whole(10, 1000)] = 100
    session_idle: Annotated[float, Duration(SECOND, DAY)] = 5 * MINUTE
    sessions_per_client: Annotated[int, Whole(1, 1_000_000)] = 50
    connections_per_client: Annotated[Rate | None, RateOf()] = None
    reverse_dns: Annotated[str, Choice(("off", "log", "require"))] = "off"
    messages_per_session: Annotated[int, Whole(0, 1_000_000_000)] = 0
    accept_long_lines: Annotated[bool, Flag()] = False
    future_release: Annotated[float, Duration(MINUTE, 365 * DAY, zero="none")] = 30 * DAY
    messages_per_login: Annotated[Rate | None, RateOf()] = None
    recipients_per_login: Annotated[Rate | None, RateOf()] = None
    messages_per_client: Annotated[Rate | None, RateOf()] = None
    recipients_per_client: Annotated[Rate | None, RateOf()] = None


class QueueTable(Struct, frozen=True, kw_only=True):
    lifetime: Annotated[float, Duration(SECOND, 365 * DAY)] = 5 * DAY
    bounce_lifetime: Annotated[float, Duration(SECOND, 365 * DAY)] = DAY
    delay_warning: Annotated[float, Duration(SECOND, 365 * DAY, zero="none")] = 4 * HOUR
    min_free_space: Annotated[int, Size(0, 1 << 50)] = 200 * MIB
    drain_timeout: Annotated[float, Duration(SECOND, HOUR)] = 30 * SECOND


class PipeTable(Struct, frozen=True, kw_only=True):
    enabled: Annotated[bool, Flag()] = False
    processes: Annotated[int, Whole(1, 1000)] = 10
    timeout: Annotated[float, Duration(SECOND, DAY)] = 5 * MINUTE


class RemoteTable(Struct, frozen=True, kw_only=True):
    port: Annotated[int, Whole(1, 65535)] = 25
    sessions_per_site: Annotated[int, Whole(1, 10_000)] = 20
    recipients_per_transaction: Annotated[int, Whole(1, 100_000)] = 100
    messages_per_session: Annotated[int, Whole(1, 1_000_000)] = 100
    connect_timeout: Annotated[float, Duration(0.1, HOUR)] = 30 * SECOND
    allow_private_exchangers: Annotated[bool, Flag()] = False
    addresses: Annotated[str, Choice(("both", "prefer-ipv4", "prefer-ipv6", "ipv4", "ipv6"))] = "both"
    source_addresses: Annotated[tuple[str, ...], TextList(Text(texts.ip_address))] = ()
    chunking: Annotated[bool, Flag()] = True
    eight_bit: Annotated[str, Choice(("recode", "send", "bounce"))] = "recode"
    tls: Annotated[str, TLS_LEVEL] = "opportunistic"
    mxps: Annotated[bool, Flag()] = False
    next_mx_on_4xx: Annotated[str, Choice(("all-failed", "per-recipient", "never"))] = "all-failed"
    fallback: Annotated[tuple[str, ...], TextList(Text(texts.smarthost))] = ()


class DnsTable(Struct, frozen=True, kw_only=True):
    servers: Annotated[tuple[str, ...], TextList(Text(texts.name_server))] = ()
    timeout: Annotated[float, Duration(0.1, 10 * MINUTE)] = 5 * SECOND


class AdminTable(Struct, frozen=True, kw_only=True):
    socket: Annotated[str, OptionalPath] = ""
    listen: Annotated[str, Text(texts.ip_and_port, optional=True)] = ""
    token: Annotated[str, Text(texts.token, optional=True, secret=True)] = ""


class LogTable(Struct, frozen=True, kw_only=True):
    format: Annotated[str, Choice(("auto", "json", "console"))] = "auto"
    level: Annotated[str, Choice(("debug", "info", "warning", "error", "critical"))] = "info"
    addresses: Annotated[str, Choice(("plain", "hash"))] = "plain"


class Tables(Struct, frozen=True, kw_only=True):
    """All of them, under the names they have in the file."""

    general: General
    listener: tuple[ListenerTable, ...]
    certificate: tuple[CertificateTable, ...]
    tls: TlsTable
    auth: AuthTable
    relay: RelayTable
    local: LocalTable
    domain: tuple[DomainTable, ...]
    list: tuple[ListTable, ...]
    subscriptions: SubscriptionsTable
    rewrite: tuple[RewriteEntry, ...]
    srs: SrsTable
    maildir: MaildirTable
    bcc: tuple[BccTable, ...]
    limits: LimitsTable
    queue: QueueTable
    bounce: BounceTable
    route: tuple[RouteTable, ...]
    pipe: PipeTable
    rule: tuple[RuleEntry, ...]
    dnsbl: DnsblTable
    hooks: HooksTable
    policy: PolicyTable
    source: tuple[SourceTable, ...]
    remote: RemoteTable
    site: tuple[SiteTable, ...]
    dns: DnsTable
    admin: AdminTable
    log: LogTable
    drop: DropTable
    sandbox: SandboxTable
    suppression: SuppressionTable
    telemetry: TelemetryTable
    webhook: tuple[WebhookTable, ...]


TABLES: dict[str, type[Struct]] = {
    "tls": TlsTable,
    "auth": AuthTable,
    "relay": RelayTable,
    "local": LocalTable,
    "srs": SrsTable,
    "maildir": MaildirTable,
    "limits": LimitsTable,
    "queue": QueueTable,
    "bounce": BounceTable,
    "pipe": PipeTable,
    "dnsbl": DnsblTable,
    "hooks": HooksTable,
    "policy": PolicyTable,
    "remote": RemoteTable,
    "dns": DnsTable,
    "admin": AdminTable,
    "log": LogTable,
    "subscriptions": SubscriptionsTable,
    "drop": DropTable,
    "sandbox": SandboxTable,
    "suppression": SuppressionTable,
    "telemetry": TelemetryTable,
}
ARRAYS: dict[str, type[Struct]] = {
    "listener": ListenerTable,
    "certificate": CertificateTable,
    "domain": DomainTable,
    "list": ListTable,
    "rewrite": RewriteEntry,
    "bcc": BccTable,
    "route": RouteTable,
    "rule": RuleEntry,
    "site": SiteTable,
    "source": SourceTable,
    "webhook": WebhookTable,
}


def kinds(table: type[Struct]) -> dict[str, Kind]:
    """The keys of a table, in order, each with what it may be."""
    return {key: hint.__metadata__[0] for key, hint in get_type_hints(table, include_extras=True).items()}


def kind_of(path: tuple[str, ...]) -> Kind | None:
    """The kind of the key at a path such as ("queue", "lifetime") or ("listener", "0", "port"); None: no such key."""
    match path:
        case (key,):
            return kinds(General).get(key)
        case (name, key) if name in TABLES:
            return kinds(TABLES[name]).get(key)
        case (name, index, key) if name in ARRAYS and index.isascii() and index.isdigit():
            return kinds(ARRAYS[name]).get(key)
    return None


def known_paths() -> list[str]:
    """Every key of the file, as `queue.lifetime`; those of an array with the index 0."""
    paths = list(kinds(General))
    paths += [f"{name}.{key}" for name, table in TABLES.items() for key in kinds(table)]
    return paths + [f"{name}.0.{key}" for name, table in ARRAYS.items() for key in kinds(table)]


def nearest(key: str, prefix: str) -> str:
    """What to say after "unknown key": the nearest one of the same table, else the table where the key belongs."""
    first, _, rest = prefix.partition(".")
    table = f"{first}.0." if rest else prefix  # of an array: listener.3. -> listener.0.
    paths = known_paths()
    here = [path.removeprefix(table) for path in paths if path.startswith(table) and (prefix or "." not in path)]
    here += [] if prefix else [*TABLES, *ARRAYS]
    near = get_close_matches(key.lower(), here, n=1, cutoff=0.6)
    if near:
        return f'; the nearest known one is "{near[0]}"'
    homes = [path.replace(".0.", ".").rpartition(".") for path in paths if path.rpartition(".")[2] == key.lower()]
    if homes:
        names = " or ".join(f"[{home}]" if home else "the top of the file" for home, _, _ in homes)
        return f'; "{key.lower()}" belongs to {names}'
    return f"; known are {', '.join(here)}"

"""Settings: config.toml and the environment as one frozen value, checked as a whole before anything is opened.

Promises: every fault is found and told in one go, each on a line `FILE: table.key: what is wrong, what is allowed`;
what is not given has the default of contract.md; relative paths are relative to the file's folder; printed settings
(`effective`) show no secret. Never: a default or a rule of its own (`config_tables`, `config_checks`), and nothing is
opened but the files that the settings name.

contract.md sections 3 and 5.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from asyncmta import routing
from asyncmta.config_bounce import BounceTable
from asyncmta.config_certificates import tls_files
from asyncmta.config_checks import check_pairs
from asyncmta.config_compat import CompatNote
from asyncmta.config_drop import DropTable
from asyncmta.config_forwarding import RewriteEntry, SrsTable
from asyncmta.config_lists import ListTable, SubscriptionsTable
from asyncmta.config_local import DomainTable, LocalTable, behind
from asyncmta.config_maildir import BccTable, MaildirTable
from asyncmta.config_policy import DnsblTable, HooksTable, PolicyTable, RuleEntry
from asyncmta.config_reader import Reader
from asyncmta.config_route_table import RouteTable
from asyncmta.config_routes import rule_of
from asyncmta.config_sandbox import SandboxTable
from asyncmta.config_sites import SiteTable, SourceTable
from asyncmta.config_sources import Sources
from asyncmta.config_suppression import SuppressionTable
from asyncmta.config_tables import (
    ARRAYS,
    TABLES,
    AdminTable,
    AuthTable,
    CertificateTable,
    DnsTable,
    LimitsTable,
    ListenerTable,
    LogTable,
    PipeTable,
    QueueTable,
    RelayTable,
    RemoteTable,
    TlsTable,
    kinds,
)
from asyncmta.config_telemetry import TelemetryTable
from asyncmta.config_webhook import WebhookTable
from asyncmta.inbound.certificate_files import TlsFiles
from asyncmta.mail.address import Address, InvalidAddress, domain_key, parse_address


class InvalidConfig(ValueError):
    """The settings cannot be meant so. `faults`: all of them, a line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Source(msgspec.Struct, frozen=True):
    """Where settings came from: the file (None: none was read), the folder its paths are relative to, the variables of
    the environment by the key that each gave, what became of those of another program's image, and all keys that were
    given at all."""

    file: str | None
    folder: str
    variables: dict[str, str]
    notes: tuple[CompatNote, ...] = ()
    given: frozenset[str] = frozenset()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that config.toml says. Durations in seconds, sizes in octets, paths absolute."""

    hostname: str
    postmaster: Address
    spool: str
    smarthost: str
    mode: str
    listeners: tuple[ListenerTable, ...]
    tls: TlsTable
    certificates: tuple[CertificateTable, ...]
    auth: AuthTable
    relay: RelayTable
    local: LocalTable
    domains: tuple[DomainTable, ...]
    lists: tuple[ListTable, ...]
    subscriptions: SubscriptionsTable
    rewrites: tuple[RewriteEntry, ...]
    srs: SrsTable
    maildir: MaildirTable
    bccs: tuple[BccTable, ...]
    limits: LimitsTable
    queue: QueueTable
    bounce: BounceTable
    routes: tuple[RouteTable, ...]
    pipe: PipeTable
    rules: tuple[RuleEntry, ...]
    dnsbl: DnsblTable
    hooks: HooksTable
    policy: PolicyTable
    sources: tuple[SourceTable, ...]
    remote: RemoteTable
    sites: tuple[SiteTable, ...]
    dns: DnsTable
    admin: AdminTable
    log: LogTable
    drop: DropTable
    sandbox: SandboxTable
    suppression: SuppressionTable
    telemetry: TelemetryTable
    webhooks: tuple[WebhookTable, ...]
    source: Source

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Self:
        """From a file and the environment, which wins; without a path, from the environment and the defaults."""
        file = None if path is None else Path(path)
        sources = Sources("defaults" if file is None else str(file))
        if file is not None:
            sources.read_file(file)
            if sources.faults:
                raise InvalidConfig(sources.faults)
        sources.read_environment(os.environ if environ is None else environ)
        return cls._build(sources, file, Path() if file is None else file.parent)

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".") -> Self:
        """From what a TOML file with this content would have given; the environment is not looked at."""
        return cls._build(Sources("settings", tree), None, Path(folder))

    @classmethod
    def _build(cls, sources: Sources, file: Path | None, folder: Path) -> Self:
        root = os.path.abspath(folder)
        reader = Reader(sources, root)
        tables = reader.read()
        check_pairs(tables, frozenset(reader.given), reader.report_pair)
        hostname = tables.general.hostname or own_hostname()
        postmaster = _postmaster(tables.general.postmaster, hostname)
        if reader.faults:
            raise InvalidConfig(reader.faults)
        spool = tables.general.spool
        admin, queue = tables.admin, tables.queue
        return cls(
            hostname=hostname,
            postmaster=postmaster,
            spool=spool,
            smarthost=tables.general.smarthost,
            mode=tables.general.mode,
            listeners=tables.listener,
            tls=tables.tls,
            certificates=tables.certificate,
            auth=tables.auth,
            relay=tables.relay,
            local=tables.local,
            domains=tables.domain,
            lists=tables.list,
            subscriptions=tables.subscriptions,
            rewrites=tables.rewrite,
            srs=tables.srs,
            maildir=tables.maildir,
            bccs=tables.bcc,
            limits=tables.limits,
            # Only the default can be above lifetime here: then it follows.
            queue=msgspec.structs.replace(queue, bounce_lifetime=min(queue.bounce_lifetime, queue.lifetime)),
            bounce=tables.bounce,
            routes=tables.route,
            pipe=tables.pipe,
            rules=tables.rule,
            dnsbl=tables.dnsbl,
            hooks=tables.hooks,
            policy=tables.policy,
            sources=tables.source,
            remote=tables.remote,
            sites=tables.site,
            dns=tables.dns,
            admin=msgspec.structs.replace(admin, socket=admin.socket or os.path.join(spool, "control.sock")),
            log=tables.log,
            drop=tables.drop,
            source=Source(
                None if file is None else os.path.abspath(file),
                root,
                sources.variables(),
                sources.notes,
                frozenset(reader.given),
            ),
            sandbox=tables.sandbox,
            suppression=tables.suppression,
            telemetry=tables.telemetry,
            webhooks=tables.webhook,
        )

    @staticmethod
    def users_file(path: str | os.PathLike[str] | None = None) -> str:
        """`auth.users` alone, "" for none: also while that file is still to be made, or to be mended."""
        sources = Sources("defaults" if path is None else str(path))
        if path is not None:
            sources.read_file(Path(path))
        sources.read_environment(os.environ)
        reader = Reader(sources, os.path.abspath(Path() if path is None else Path(path).parent))
        users = reader.read().auth.users
        if reader.faults:
            raise InvalidConfig(reader.faults)
        return users

    def cannot_be_served(self) -> list[str]:
        """What is wrong here and now, where no program gives an authenticator: a listener that wants a login, and
        nobody has one; mailboxes for somebody else, and we may not give them."""
        where = "defaults" if self.source.file is None else self.source.file
        found = []
        if self.maildir.owner and os.geteuid() != 0:
            found.append(f"{where}: maildir.owner: only root may give mailboxes away, and this is user {os.geteuid()}")
        if self.auth.users or self.auth.dovecot:
            return found
        return found + [
            f'{where}: listener.{index}.role: "submission" needs users who can log in: set auth.users or auth.dovecot'
            for index, listener in enumerate(self.listeners)
            if listener.role == "submission"
        ]

    def tls_files(self) -> TlsFiles | None:
        """What the listeners speak TLS with; None: nothing."""
        return tls_files(self.tls, self.certificates)

    def routing(self) -> routing.Routing:
        """The rules of `[[route]]`, and behind them `smarthost`, with what they need of the other tables."""
        others = [RouteTable(via="smarthost", hosts=(self.smarthost,))] if self.smarthost else []
        return routing.Routing(
            rules=[rule_of(route) for route in (*self.routes, *others)],
            local_domains=self.local.domains,
            relay_domains=self.relay.domains,
            hostname=self.hostname,
            postmaster=self.postmaster,
            behind=behind(self.local, self.domains),
        )

    def effective(self) -> dict[str, Any]:
        """As a config.toml that says everything, with the secrets masked: to print at the start."""
        shown: dict[str, Any] = {
            "hostname": self.hostname,
            "postmaster": str(self.postmaster),
            "spool": self.spool,
            "smarthost": self.smarthost,
            "mode": self.mode,
        }
        shown |= {name: [_shown(entry) for entry in getattr(self, f"{name}s")] for name in ARRAYS}
        shown["route"] = [_shown(msgspec.structs.replace(route, tls=route.level)) for route in self.routes]
        return shown | {name: _shown(getattr(self, name)) for name in TABLES}


def own_hostname() -> str:
    """This machine's name, where it is a valid domain; else "localhost"."""
    name = socket.gethostname()
    if "." not in name:
        name = socket.getfqdn(name)  # may ask the DNS, so only where the short name does not do
    try:
        return domain_key(name)
    except InvalidAddress:
        return "localhost"


def _postmaster(text: str, hostname: str) -> Address:
    return parse_address(text if "@" in text else f"{text}@{hostname}", smtputf8=True)


def _shown(table: msgspec.Struct) -> dict[str, Any]:
    return {key: kind.show(getattr(table, key)) for key, kind in kinds(type(table)).items()}

"""Impossible pairs: settings that are each allowed and cannot be meant together.

Each check takes the tables as they were read and reports what it finds under the key that a person would change.
A pair is not judged when one of its keys had a fault of its own. Promises: nothing that would make an open relay, send
a password in the clear over a network, or serve the operator's door to strangers passes. Never: a single value
(`config_kinds`), certificates (`config_certificates`), and nothing is opened but the
file of users and that of the words of reports; for the tables of aliases it is looked whether they are there.

contract.md section 3.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable

from asyncmta.auth.reading import UsersRefused, read, said
from asyncmta.bounce.template_file import TemplateRefused, template_of
from asyncmta.config_certificates import check_certificates
from asyncmta.config_credentials import check_credentials
from asyncmta.config_forwarding import check_rewrite, check_srs
from asyncmta.config_lists import check_lists, check_subscriptions, member_files
from asyncmta.config_local import alias_files, check_local
from asyncmta.config_maildir import check_bcc
from asyncmta.config_policy import check_dnsbl, check_rule
from asyncmta.config_routes import check_transport
from asyncmta.config_sandbox import check_sandbox
from asyncmta.config_sites import check_site, check_source
from asyncmta.config_tables import ListenerTable, Tables
from asyncmta.config_telemetry import check_telemetry
from asyncmta.config_texts import is_loopback, split_port
from asyncmta.config_webhook import check_webhooks
from asyncmta.telemetry.extra import has_extra

SHORTEST_TOKEN = 16
SMTP_PORT = 25

Report = Callable[..., None]
"""report(path, text, *other_paths): a fault, unless one of the paths has a fault of its own."""


def check_pairs(tables: Tables, given: frozenset[str], report: Report) -> None:
    """`given`: the paths that file or environment set, so that a default is never blamed."""
    for index, listener in enumerate(tables.listener):
        _check_listener(f"listener.{index}", listener, tables, report)
    _check_addresses(tables, report)
    check_certificates(tables, report)
    _check_auth(tables, report)
    for index, route in enumerate(tables.route):
        check_transport(f"route.{index}", route, tables.pipe, report)
        check_credentials(f"route.{index}", route, report)
    for index, rule in enumerate(tables.rule):
        check_rule(f"rule.{index}", rule, given, report)
    for index, site in enumerate(tables.site):
        check_site(f"site.{index}", site, report)
    for index, source in enumerate(tables.source):
        check_source(f"source.{index}", source, report)
    for index, bcc in enumerate(tables.bcc):
        check_bcc(f"bcc.{index}", bcc, report)
    check_dnsbl(tables.dnsbl, tables.rule, report)
    _check_admin(tables, report)
    _check_queue(tables, given, report)
    _check_bounce(tables, report)
    check_local(tables.local, tables.domain, tables.relay.domains, report)
    check_lists(tables.list, tables.local.domains, report)
    check_subscriptions(tables.subscriptions, tables.local.domains, report)
    _check_alias_files(tables, report)
    for index, rewrite in enumerate(tables.rewrite):
        check_rewrite(f"rewrite.{index}", rewrite, report)
    check_srs(tables.srs, report)
    _check_mode(tables, report)
    check_webhooks(tables.webhook, tables.general.mode, report)
    check_telemetry(tables.telemetry, tables.general.mode, has_extra, report)
    check_sandbox(tables.sandbox, tables.rewrite, tables.general.mode, report)


def _check_listener(path: str, listener: ListenerTable, tables: Tables, report: Report) -> None:
    if listener.tls != "none" and not tables.tls.certificate:
        report(
            f"{path}.tls",
            f'"{listener.tls}" needs a certificate in tls.certificate; allowed without one is "none"',
            "tls.certificate",
        )
    if listener.role == "submission" and listener.tls == "none" and not listener.allow_plaintext_auth:
        report(
            f"{path}.role",
            f'"submission" would take passwords in the clear; set {path}.tls to "starttls", "required" or "implicit", '
            f"or {path}.allow_plaintext_auth = true",
            f"{path}.tls",
            f"{path}.allow_plaintext_auth",
        )
    if listener.role == "lmtp" and listener.port == SMTP_PORT:
        report(f"{path}.role", '"lmtp" may not be at port 25, where SMTP is expected (RFC 2033)', f"{path}.port")
    if listener.role == "qmtp":
        _check_qmtp(path, listener, tables, report)
    if listener.line_endings == "normalise" and not tables.relay.networks:
        report(
            f"{path}.line_endings",
            '"normalise" is for the clients of relay.networks, and there are none',
            "relay.networks",
        )
    if listener.role != "submission" and listener.allow_plaintext_auth:
        report(f"{path}.allow_plaintext_auth", 'goes only with role = "submission"', f"{path}.role")


def _check_qmtp(path: str, listener: ListenerTable, tables: Tables, report: Report) -> None:
    """It has no word for TLS or a proxy, and no login."""
    if listener.port == SMTP_PORT:
        report(f"{path}.role", '"qmtp" may not be at port 25, where SMTP is expected', f"{path}.port")
    if listener.tls != "none":
        report(f"{path}.tls", f'"{listener.tls}" does not go with role = "qmtp", which has no TLS', f"{path}.role")
    if listener.proxy_protocol:
        report(f"{path}.proxy_protocol", 'does not go with role = "qmtp"', f"{path}.role")
    if not tables.relay.networks:
        said = '"qmtp" is for the clients of relay.networks, and there are none'
        report(f"{path}.role", said, "relay.networks")


def _check_addresses(tables: Tables, report: Report) -> None:
    """Two sockets cannot share an address and port; 0.0.0.0 and :: stand for every address of their family."""
    taken = [(f"listener.{index}", entry.address, entry.port) for index, entry in enumerate(tables.listener)]
    if tables.admin.listen:
        host, port = split_port(tables.admin.listen) or ("", None)
        taken.append(("admin.listen", host, port or 0))
    for at, (path, address, port) in enumerate(taken):
        for other, other_address, other_port in taken[:at]:
            if port and port == other_port and _overlap(address, other_address):
                key = path if path == "admin.listen" else f"{path}.port"
                report(key, f"port {port} at {address} is taken by {other} already", f"{path}.address", f"{other}.port")


def _overlap(one: str, other: str) -> bool:
    first, second = (ipaddress.ip_address("127.0.0.1" if text == "localhost" else text) for text in (one, other))
    if first == second:
        return True
    return first.version == second.version and (first.is_unspecified or second.is_unspecified)


def _check_auth(tables: Tables, report: Report) -> None:
    """The file of users is read once here, like the certificate."""
    auth = tables.auth
    if auth.users and auth.dovecot:
        report("auth.dovecot", "goes only without auth.users; allowed is one of the two", "auth.users")
    if not auth.users:
        return
    try:
        faults = read(auth.users).users.faults
    except UsersRefused as error:
        report("auth.users", f"{error}; `asyncmta user add` makes it")
        return
    if faults:
        report("auth.users", said(auth.users, faults))


def _check_bounce(tables: Tables, report: Report) -> None:
    """The file of words is read once here, like that of users."""
    try:
        template_of(tables.bounce.language, tables.bounce.template)
    except TemplateRefused as refused:
        report("bounce.template", str(refused))


def _check_admin(tables: Tables, report: Report) -> None:
    listen, token = tables.admin.listen, tables.admin.token
    if not listen or is_loopback((split_port(listen) or ("", None))[0]):
        return
    if not token:
        report("admin.listen", f'"{listen}" is not a loopback address and needs admin.token', "admin.token")
    elif len(token) < SHORTEST_TOKEN:
        report("admin.token", f"too short for an address that others can reach; at least {SHORTEST_TOKEN} characters")


def _check_queue(tables: Tables, given: frozenset[str], report: Report) -> None:
    queue = tables.queue
    if queue.bounce_lifetime > queue.lifetime and "queue.bounce_lifetime" in given:
        report("queue.bounce_lifetime", "longer than queue.lifetime; allowed is that or less", "queue.lifetime")


def _check_alias_files(tables: Tables, report: Report) -> None:
    """A table that is named and not there (P-74). What else may be wrong with it is said when it is read."""
    for key, path in (alias_files(tables.local, tables.domain) | member_files(tables.list)).items():
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            report(key, f"{path}: cannot be read: {error.strerror}")
        except OSError:
            continue  # it is there, and may be read when it is needed


def _check_mode(tables: Tables, report: Report) -> None:
    """A null client knows one server and no mailbox."""
    if tables.general.mode != "null-client":
        return
    ways = [route.via == "smarthost" and route.recipient == route.sender == "*" for route in tables.route]
    if not all(ways) or len(ways) + bool(tables.general.smarthost) != 1:
        said = '"null-client" needs either smarthost, or one [[route]] for all with via = "smarthost", and no other'
        report("mode", said, "smarthost")
    if tables.local.domains:
        report("mode", '"null-client" has no mailboxes; leave local.domains empty', "local.domains")
    if tables.bcc:
        report("mode", '"null-client" has no queue from which copies could go; leave out [[bcc]]')
    if tables.rewrite or tables.srs.secrets:
        report("mode", '"null-client" passes envelopes on as they are; leave out [[rewrite]] and srs.secrets')
    if tables.rule or tables.dnsbl.lists or tables.policy.service:
        report("mode", '"null-client" asks nobody and has no rules; leave out [[rule]], [dnsbl] and [policy]')

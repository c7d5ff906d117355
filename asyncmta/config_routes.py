"""A `[[route]]` of the settings: whether its keys fit its transport, and the rule of `routing` that it becomes.

Promises: a command is run only where `[pipe]` says that commands may be run; a key that its transport would not look
at is a fault. Never: which rule applies (`routing`), or logins and how they travel (`config_credentials`).

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta import routing
from asyncmta.config_route_table import RouteTable
from asyncmta.config_tables import PipeTable
from asyncmta.credentials import Grant, Identity
from asyncmta.mail.replies import REJECTED_BY_RULE

# Which `via` looks at a key; all others have no use for it.
KEYS = {
    "hosts": ("smarthost", "lmtp", "qmtp"),
    "weights": ("smarthost", "lmtp", "qmtp"),
    "tls": ("smarthost", "lmtp", "mx"),
    "username": ("smarthost",),
    "password": ("smarthost",),
    "implicit_tls": ("smarthost", "lmtp"),
    "certificate": ("smarthost", "lmtp"),
    "key": ("smarthost", "lmtp"),
    "auth": ("smarthost",),
    "token_file": ("smarthost",),
    "token_command": ("smarthost",),
    "token_url": ("smarthost",),
    "client_id": ("smarthost",),
    "client_secret": ("smarthost",),
    "refresh_token": ("smarthost",),
    "token_scope": ("smarthost",),
    "final": ("smarthost", "lmtp", "qmtp"),
    "command": ("pipe",),
    "per": ("pipe",),
    "line_end": ("pipe",),
}
UNIX = "unix:"

_SILENT = RouteTable()


def check_transport(path: str, route: RouteTable, pipe: PipeTable, report: Callable[..., None]) -> None:
    """Report keys that say something and do not go with `via`, and those that it needs."""
    via = f"{path}.via"
    for key, allowed in KEYS.items():
        if route.via not in allowed and getattr(route, key) != getattr(_SILENT, key):
            *others, last = (f'"{name}"' for name in allowed)
            names = f"{', '.join(others)} or {last}" if others else last
            report(f"{path}.{key}", f'goes only with via = {names}, not with "{route.via}"', via)
    if route.via in KEYS["hosts"] and not route.hosts:
        or_socket = ' or "unix:/path"' if route.via == "lmtp" else ""
        report(f"{path}.hosts", f'via = "{route.via}" needs at least one "host:port"{or_socket}', via)
    if route.weights and route.hosts and (len(route.weights) != len(route.hosts) or not any(route.weights)):
        report(f"{path}.weights", "expected a number for each of the hosts, and one above 0", via, f"{path}.hosts")
    sockets = [host for host in route.hosts if host.startswith(UNIX)]
    if sockets and route.via != "lmtp":
        report(f"{path}.hosts", f'"{sockets[0]}" goes only with via = "lmtp"', via)
    if sockets and len(sockets) == len(route.hosts) and route.via == "lmtp" and route.tls != _SILENT.tls:
        report(f"{path}.tls", "there is no TLS on a Unix socket; leave it out", via, f"{path}.hosts")
    if route.via == "pipe":
        _check_command(path, route, pipe, report)


def _check_command(path: str, route: RouteTable, pipe: PipeTable, report: Callable[..., None]) -> None:
    via, command = f"{path}.via", f"{path}.command"
    if not pipe.enabled:
        report(via, '"pipe" runs a command for mail, which only pipe.enabled = true allows', "pipe.enabled")
    if not route.command:
        report(command, 'via = "pipe" needs a command, such as ["/usr/local/bin/take", "{recipient}"]', via)
    elif not route.command[0].startswith("/") or "{" in route.command[0]:
        report(command, f'begins with "{route.command[0]}"; allowed is an absolute path without placeholders', via)


def rule_of(route: RouteTable) -> routing.Rule:
    via: routing.Mx | routing.Smarthost | routing.Pipe | routing.Hold | routing.Discard | routing.Reject
    match route.via:
        case "smarthost" | "lmtp" | "qmtp":
            via = routing.Smarthost(
                ", ".join(route.hosts),
                route.hosts,
                route.level or "none",
                route.username,
                route.password,
                auth=route.auth,
                grant=_grant_of(route),
                identity=Identity(route.certificate, route.key) if route.certificate else None,
                implicit_tls=route.implicit_tls,
                weights=route.weights,
                protocol="smtp" if route.via == "smarthost" else route.via,
                final=route.final,
            )
        case "pipe":
            via = routing.Pipe(route.command, route.per, route.line_end)
        case "hold":
            via = routing.Hold()
        case "discard":
            via = routing.Discard()
        case "reject":
            via = routing.Reject(REJECTED_BY_RULE)
        case _:
            via = routing.Mx(tls=route.level)
    return routing.Rule(routing.parse_pattern(route.recipient), routing.parse_pattern(route.sender), via)


def _grant_of(route: RouteTable) -> Grant | None:
    if not (route.token_file or route.token_command or route.token_url):
        return None
    return Grant(
        file=route.token_file,
        command=route.token_command,
        url=route.token_url,
        client_id=route.client_id,
        client_secret=route.client_secret,
        refresh_token=route.refresh_token,
        scope=route.token_scope,
    )

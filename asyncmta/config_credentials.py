"""Who we are to a next hop, in a `[[route]]`: a password or tokens, a client certificate, and how they travel.

Promises: no password and no token goes over a network in the clear; a certificate is loaded once here, as it will be
at the start, so that `check-config` notices what the first handshake would. Never: a single value (`config_kinds`), a
look at tokens, a question to whoever gives them.

contract.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncmta.config_tables import PASSWORD_MECHANISMS, TOKEN_MECHANISMS, RouteTable
from asyncmta.config_texts import is_loopback, split_port
from asyncmta.credentials import Identity
from asyncmta.delivery.client_tls import IdentityRefused, check_identity

SOURCES = ("token_file", "token_command", "token_url")
OF_URL = ("client_id", "client_secret", "refresh_token", "token_scope")

Report = Callable[..., None]


def check_credentials(path: str, route: RouteTable, report: Report) -> None:
    """All that is about logins and certificates of one route."""
    if route.via not in ("smarthost", "lmtp"):
        return
    _check_login(path, route, report)
    _check_source(path, route, report)
    _check_certificate(path, route, report)
    in_the_clear = route.username and route.level in ("none", "opportunistic")
    if in_the_clear and not all(is_loopback((split_port(host) or ("", None))[0]) for host in route.hosts):
        secret = "token" if any(getattr(route, key) for key in SOURCES) else "password"
        report(
            f"{path}.tls",
            f'"{route.level}" could send the {secret} in the clear; with a username allowed are "require" and "verify"',
            f"{path}.username",
            f"{path}.hosts",
        )


def _check_login(path: str, route: RouteTable, report: Report) -> None:
    sources = [key for key in SOURCES if getattr(route, key)]
    username, password, auth = f"{path}.username", f"{path}.password", f"{path}.auth"
    if route.username and not (route.password or sources):
        report(username, f"needs {password} too", password, *(f"{path}.{key}" for key in SOURCES))
    if route.password and not route.username:
        report(password, f"needs {username} too", username)
    for key in sources:
        if not route.username:
            report(f"{path}.{key}", f"needs {username} too", username)
        if route.password:
            report(f"{path}.{key}", f"goes only without {password}; allowed is one of the two", password)
    if route.auth != "auto" and not route.username:
        report(auth, f"needs {username} too", username)
    elif route.auth in TOKEN_MECHANISMS and not sources:
        others = [f"{path}.{key}" for key in SOURCES]
        report(auth, f'"{route.auth}" is for tokens; set one of {", ".join(others)}', password, *others)
    elif route.auth in PASSWORD_MECHANISMS and sources:
        allowed = ", ".join(f'"{word}"' for word in ("auto", *TOKEN_MECHANISMS))
        report(auth, f'"{route.auth}" is for a password; with {sources[0]} allowed are {allowed}')


def _check_source(path: str, route: RouteTable, report: Report) -> None:
    """Where tokens come from: one place, and all that the refresh flow needs."""
    first, *others = [key for key in SOURCES if getattr(route, key)] or [""]
    for key in others:
        report(f"{path}.{key}", f"goes only without {path}.{first}; tokens come from one place", f"{path}.{first}")
    for key in OF_URL:
        if getattr(route, key) and not route.token_url:
            report(f"{path}.{key}", f"goes only with {path}.token_url", f"{path}.token_url")
    for key in ("client_id", "refresh_token"):
        if route.token_url and not getattr(route, key):
            report(f"{path}.token_url", f"needs {path}.{key} too", f"{path}.{key}")


def _check_certificate(path: str, route: RouteTable, report: Report) -> None:
    if route.key and not route.certificate:
        report(f"{path}.key", f"goes only with {path}.certificate", f"{path}.certificate")
    for key in ("implicit_tls", "certificate"):
        if getattr(route, key) and route.level == "none":
            report(f"{path}.{key}", f'goes only with TLS, and {path}.tls is "none"', f"{path}.tls")
    if not route.certificate:
        return
    try:
        check_identity(Identity(route.certificate, route.key))
    except IdentityRefused as refusal:
        report(f"{path}.{refusal.key}", str(refusal), f"{path}.key")

"""Values as boky/postfix and Postfix write them, made into what our keys are told: hosts, networks, times, sizes.

Promises: what cannot be read is handed on as it is, so that the fault about it names the variable and what is allowed.
Never: which variable means what, beyond the plain pairs of `KEYS` (`config_boky`).

docs/container.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from asyncmta.config_texts import split_port

TLS_LEVELS = {
    "": "opportunistic",
    "none": "none",
    "may": "opportunistic",
    "encrypt": "require",
    "verify": "verify",
    "secure": "verify",
}
UNSIGNED = ("DKIM_", "OPENDKIM_", "RSPAMD_")
MEANINGLESS = {
    "AUTOSET_HOSTNAME": "nobody outside is asked for our name; set ASYNCMTA_HOSTNAME",
    "XOAUTH2_INITIAL_ACCESS_TOKEN": "is not needed: the first one is had with the refresh token",
    "RELAYHOST_USERNAME": "is of no use without RELAYHOST",
    "RELAYHOST_PASSWORD": "is of no use without RELAYHOST and RELAYHOST_USERNAME",
    "RELAYHOST_PASSWORD_FILE": "is of no use without RELAYHOST and RELAYHOST_USERNAME",
    "SASL_RELAYHOST": "is not needed: the login belongs to the route",
    "SKIP_ROOT_SPOOL_CHOWN": "is not needed: no owner is changed here",
}

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"([0-9]{1,9})([smhdw]?)\Z")


def host_and_port(text: str) -> str:
    """`host`, `[host]`, each with `:port` or without -> `host:port`. Brackets (no MX look-up) are the only way here."""
    bare = re.sub(r"\A\[([^:\]]+)\]", r"\1", text)
    found = split_port(bare)
    if found is None:
        return text
    host, port = found
    return f"[{host}]:{port or 25}" if ":" in host else f"{host}:{port or 25}"


def networks(text: str) -> list[str]:
    """With commas or spaces between them; IPv6 in brackets."""
    return list(dict.fromkeys(re.sub(r"[\[\]]", "", part) for part in re.split(r"[\s,]+", text) if part))


def domains(text: str) -> list[str]:
    return list(dict.fromkeys(part for part in re.split(r"[\s,]+", text) if part))


def with_subdomains(names: list[str]) -> list[str]:
    """As Postfix's access tables have it: a domain is meant with all below it. An address is itself."""
    both = [[name] if "@" in name or name.startswith(".") else [name, f".{name}"] for name in names]
    return list(dict.fromkeys(name for each in both for name in each))


def size(text: str) -> str:
    """Octets, where 0 is no limit."""
    return "1TiB" if text == "0" else f"{text}B"


def time_in(unit: str) -> Callable[[str], str]:
    """A time, with that unit where it says none."""

    def convert(text: str) -> str:
        match = _TIME.match(text)
        return text if match is None else f"{int(match[1]) * _SECONDS[match[2] or unit]}s"

    return convert


def same(text: str) -> str:
    return text


def _addresses(text: str) -> str:
    return {"all": "both"}.get(text, text)


def _listener_tls(text: str) -> str:
    return {"may": "starttls", "encrypt": "required"}.get(text, text)


# Parameters of Postfix (POSTFIX_name) that are a key of ours and nothing else.
KEYS: dict[str, tuple[str, Callable[[str], str]]] = {
    "myhostname": ("hostname", same),
    "maximal_queue_lifetime": ("queue.lifetime", time_in("d")),
    "bounce_queue_lifetime": ("queue.bounce_lifetime", time_in("d")),
    "delay_warning_time": ("queue.delay_warning", time_in("h")),
    "always_bcc": ("bcc.0.to", same),
    "inet_protocols": ("remote.addresses", _addresses),
    "smtp_bind_address": ("remote.source_addresses", same),
    "smtp_connect_timeout": ("remote.connect_timeout", time_in("s")),
    "relay_domains": ("relay.domains", same),
    "smtpd_recipient_limit": ("limits.recipients", same),
    "smtpd_client_connection_count_limit": ("limits.sessions_per_client", same),
    "smtpd_tls_security_level": ("listener.0.tls", _listener_tls),
    "smtpd_tls_cert_file": ("tls.certificate", same),
    "smtpd_tls_key_file": ("tls.key", same),
}

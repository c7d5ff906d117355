"""For each key of config.toml two values that it may have, and what else has to be said so that it may have them.

Promises: every key is here; the two settings of a pair differ in this key alone. Never: what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from asyncmta.config_kinds import Choice, Duration, Flag, RateOf, Size, TextList, Whole
from asyncmta.config_tables import ARRAYS, TABLES, General, kind_of, kinds, known_paths

Tree = dict[str, Any]

ABSENT = object()
SITE = {"hosts": ["mx.a.example"]}
SMARTHOST = {"recipient": "*@s.example", "via": "smarthost", "hosts": ["127.0.0.1:9"], "tls": "none"}
LOGIN = SMARTHOST | {"tls": "verify", "username": "me", "password": "a-long-password"}
TOKENS = SMARTHOST | {
    "tls": "verify",
    "username": "me",
    "auth": "xoauth2",
    "token_url": "https://token.example/",
    "client_id": "id",
    "client_secret": "a-secret",
    "refresh_token": "a-token",
}
PIPE = {"recipient": "*@p.example", "via": "pipe", "command": ["/bin/cat"]}
RULE = {"sender": ["x@y.example"], "action": "reject"}

ENTRIES: Tree = {
    "listener": {"address": "127.0.0.1", "port": 0},
    "certificate": {"certificate": "one.pem", "key": "one.key", "names": ["mail.a.example"]},
    "domain": {"name": "d.example"},
    "list": {"address": "list@lists.example", "members": "members", "owner": "owner@a.example"},
    "rewrite": {"match": "@a.example", "to": "@b.example"},
    "bcc": {"to": "archive@c.example"},
    "route": SMARTHOST,
    "rule": RULE,
    "site": SITE | {"limits": ["20/min"]},
    "source": {"hosts": ["mx.a.example"], "addresses": ["127.0.0.1"]},
    "webhook": {"url": "https://hooks.example/", "secret": "a-secret-of-some-length"},
}
"""An entry of each array that can stand by itself."""

TLS = {"certificate": "one.pem", "key": "one.key"}
LISTS = {"local": {"domains": ["a.example", "lists.example"], "mailboxes": "any"}}

AROUND: dict[str, Tree] = {
    "tls.client_ca": {"tls": TLS},
    "srs.domain": {"srs": {"secrets": ["one-secret-of-srs"]}},
    "dnsbl.threshold": {"dnsbl": {"lists": ["bl.example"]}},
    "rule.0.dnsbl": {"dnsbl": {"lists": ["bl.example"]}},
    "sandbox.others": {"sandbox": {"allow": ["a.example"]}},
    "listener.0.role": {"listener": [ENTRIES["listener"] | {"port": 0}]},
    "listener.0.tls": {"tls": TLS},
    "listener.0.allow_plaintext_auth": {
        "tls": TLS,
        "listener": [ENTRIES["listener"] | {"role": "submission", "tls": "starttls"}],
    },
    "listener.0.client_certificates": {
        "tls": TLS | {"client_ca": "one.pem"},
        "listener": [ENTRIES["listener"] | {"tls": "starttls"}],
    },
    "route.0.via": {"route": [{"recipient": "*@s.example"}]},
    "route.0.tls": {},
    "route.0.username": {"route": [LOGIN]},
    "route.0.password": {"route": [LOGIN]},
    "route.0.implicit_tls": {"route": [SMARTHOST | {"tls": "verify"}]},
    "route.0.certificate": {"route": [SMARTHOST | {"tls": "verify", "key": "one.key"}]},
    "route.0.key": {"route": [SMARTHOST | {"tls": "verify", "certificate": "one.pem"}]},
    "route.0.auth": {"route": [LOGIN]},
    "route.0.token_file": {"route": [SMARTHOST | {"tls": "verify", "username": "me", "auth": "xoauth2"}]},
    "route.0.token_command": {"route": [SMARTHOST | {"tls": "verify", "username": "me", "auth": "xoauth2"}]},
    **{f"route.0.{key}": {"route": [TOKENS]} for key in TOKENS if key.startswith(("token_url", "client_", "refresh"))},
    "route.0.token_scope": {"route": [TOKENS]},
    **{f"route.0.{key}": {"pipe": {"enabled": True}, "route": [PIPE]} for key in ("command", "per", "line_end")},
    "rule.0.tag": {"rule": [RULE | {"action": "tag"}]},
    **{f"certificate.0.{key}": {"tls": TLS} for key in kinds(ARRAYS["certificate"])},
    **{f"list.0.{key}": LISTS for key in kinds(ARRAYS["list"])},
    **{f"subscriptions.{key}": LISTS for key in kinds(TABLES["subscriptions"])},
    **{f"telemetry.{key}": {"telemetry": {"endpoint": "http://127.0.0.1:9"}} for key in kinds(TABLES["telemetry"])},
}
"""What stands beside a key, without which it cannot be said."""

NETWORKS = (["192.0.2.0/24"], ["198.51.100.0/24"])
ADDRESSES = (["127.0.0.1"], ["127.0.0.2"])
FILES = ("one", "two")

PAIRS: dict[str, tuple[Any, Any]] = {
    "hostname": ("mta.test", "other.test"),
    "spool": ("spool", "other"),
    "smarthost": (ABSENT, "127.0.0.1:9"),
    "tls.client_ca": (ABSENT, "one.pem"),
    "auth.users": FILES,
    "auth.dovecot": (ABSENT, "/run/dovecot/auth"),
    "relay.networks": NETWORKS,
    "relay.etrn_from": NETWORKS,
    "local.maildir": ("one/{local_part}", "two/{local_part}"),
    "local.mailboxes": ("existing", "any"),
    "local.store": (ABSENT, "lmtp:127.0.0.1:9"),
    "local.query": (ABSENT, "/bin/true"),
    "local.aliases": FILES,
    "local.virtual": FILES,
    "local.relocated": FILES,
    "local.delimiters": ("+", "-"),
    "local.catch_all": (ABSENT, "all@a.example"),
    "local.unknown_user": ("reject", "alias:all@a.example"),
    "local.forward_files": (ABSENT, ".forward"),
    "local.default_owner": (ABSENT, "owner@a.example"),
    "srs.secrets": (["one-secret-of-srs"], ["two-secrets-of-srs"]),
    "maildir.mode": ("0700", "0750"),
    "maildir.owner": (ABSENT, "5000:5000"),
    "bounce.double": ("discard", "double@a.example"),
    "bounce.template": FILES,
    "log.format": ("json", "console"),
    "pipe.enabled": (True, False),
    "policy.service": (ABSENT, "inet:127.0.0.1:9"),
    "remote.source_addresses": ADDRESSES,
    "remote.fallback": (["127.0.0.1:9"], ["127.0.0.1:10"]),
    "dns.servers": ADDRESSES,
    "admin.socket": (ABSENT, "other.sock"),
    "admin.listen": (ABSENT, "127.0.0.1:9"),
    "admin.token": (ABSENT, "a-token-for-the-tests"),
    "subscriptions.requests": ("one/{domain}/{local_part}", "two/{domain}/{local_part}"),
    "sandbox.redirect_all": (ABSENT, "dev@a.example"),
    "suppression.automatic": ([], ["hard"]),
    "telemetry.endpoint": (ABSENT, "http://127.0.0.1:1"),
    "telemetry.sample": (ABSENT, 0.5),
    "telemetry.headers": (ABSENT, "authorization=Bearer%20word"),
    "listener.0.address": ("127.0.0.1", "127.0.0.2"),
    "listener.0.role": ("relay", "lmtp"),
    "listener.0.tls": ("none", "starttls"),
    "listener.0.xclient_from": NETWORKS,
    "listener.0.client_certificates": ("off", "request"),
    "certificate.0.certificate": ("one.pem", "both.pem"),
    "certificate.0.key": ("one.key", "both.pem"),
    "certificate.0.names": (["mail.a.example"], ["mail.b.example"]),
    "domain.0.name": ("d.example", "e.example"),
    "domain.0.mailboxes": ("existing", "any"),
    "domain.0.query": (ABSENT, "/bin/true"),
    "domain.0.maildir": ("one/{local_part}", "two/{local_part}"),
    "domain.0.store": (ABSENT, "lmtp:127.0.0.1:9"),
    "domain.0.aliases": FILES,
    "domain.0.catch_all": (ABSENT, "all@a.example"),
    "domain.0.unknown_user": ("reject", "alias:all@a.example"),
    "list.0.address": ("one@lists.example", "two@lists.example"),
    "list.0.members": FILES,
    "list.0.owner": ("one@a.example", "two@a.example"),
    "rewrite.0.match": ("@a.example", "@c.example"),
    "rewrite.0.to": ("@b.example", "@c.example"),
    "bcc.0.sender": ("*", "*@a.example"),
    "bcc.0.recipient": ("*", "*@a.example"),
    "bcc.0.to": ("one@c.example", "two@c.example"),
    "route.0.recipient": ("*@s.example", "*@t.example"),
    "route.0.sender": ("*", "*@a.example"),
    "route.0.via": ("mx", "hold"),
    "route.0.hosts": (["127.0.0.1:9"], ["127.0.0.1:10"]),
    "route.0.weights": ([1], [2]),
    "route.0.tls": ("none", "opportunistic"),
    "route.0.username": ("me", "you"),
    "route.0.password": ("one-password", "two-passwords"),
    "route.0.certificate": ("one.pem", "both.pem"),
    "route.0.key": ("one.key", "both.pem"),
    "route.0.auth": ("plain", "login"),
    "route.0.token_file": FILES,
    "route.0.token_command": (["/bin/true"], ["/bin/false"]),
    "route.0.client_id": ("one", "two"),
    "route.0.client_secret": ("one-secret", "two-secrets"),
    "route.0.refresh_token": ("one-token", "two-tokens"),
    "route.0.token_url": ("https://one.example/", "https://two.example/"),
    "route.0.command": (["/bin/cat"], ["/bin/true"]),
    "rule.0.client": NETWORKS,
    "rule.0.client_name": (["a.example"], ["b.example"]),
    "rule.0.helo": (["a.example"], ["b.example"]),
    "rule.0.login": (["me"], ["you"]),
    "rule.0.sender": (["a@a.example"], ["b@a.example"]),
    "rule.0.recipient": (["a@a.example"], ["b@a.example"]),
    "rule.0.action": ("reject", "defer"),
    "rule.0.dnsbl": (1, 2),
    "rule.0.reply": (ABSENT, "550 5.7.1 No"),
    "rule.0.tag": ("one", "two"),
    "site.0.hosts": (["mx.a.example"], ["mx.b.example"]),
    "site.0.limits": (["20/min"], ["30/min"]),
    "site.0.one_domain": (True, False),
    "source.0.hosts": (["mx.a.example"], ["mx.b.example"]),
    "source.0.addresses": ADDRESSES,
    "webhook.0.url": ("https://one.example/", "https://two.example/"),
    "webhook.0.secret": ("one-secret-of-some-length", "two-secrets-of-some-length"),
    "webhook.0.events": (["delivered"], ["failed"]),
}
"""Of keys whose values cannot be guessed from their kind; ABSENT: not said."""

TOGETHER: dict[str, tuple[Tree, Tree]] = {
    "mode": ({}, {"mode": "null-client", "smarthost": "127.0.0.1:9"}),
    "tls.certificate": ({"tls": TLS}, {"tls": TLS | {"certificate": "both.pem"}}),
    "tls.key": ({"tls": TLS}, {"tls": TLS | {"key": "both.pem"}}),
}
"""Keys that go with another one."""


def guessed(path: str) -> tuple[Any, Any]:
    """From the kind of a key."""
    parts = path.split(".")
    kind = kind_of(tuple(parts))
    table = General if len(parts) == 1 else TABLES.get(parts[0]) or ARRAYS[parts[0]]
    default = getattr(table(), parts[-1])
    match kind:
        case Flag():
            return default, not default
        case Whole(low, high):
            return ABSENT, next(each for each in (default + 1, low, high) if each != default and low <= each <= high)
        case Duration():
            return ABSENT, f"{int(default) + 1}s"
        case Size():
            return ABSENT, f"{default + 1024}B"
        case RateOf():
            return "7/1m", "8/1m"
        case Choice(words):
            return default, next(each for each in words if each not in (default, ""))
        case TextList():
            return [], ["a.example"]
    return ABSENT, "other.example"


def settings_of(path: str, which: int) -> Tree:
    """As config.toml would say it: the key with its first or second value, and what has to be around it."""
    if path in TOGETHER:
        return deepcopy(TOGETHER[path][which])
    tree = deepcopy(AROUND.get(path, {}))
    value = PAIRS[path][which] if path in PAIRS else guessed(path)[which]
    parts = path.split(".")
    if len(parts) == 1:
        place = tree
    elif parts[0] in ARRAYS:
        entry = tree.pop(parts[0], [deepcopy(ENTRIES[parts[0]])])
        tree[parts[0]] = entry
        place = entry[0]
    else:
        place = tree.setdefault(parts[0], {})
    place.pop(parts[-1], None)
    if value is not ABSENT:
        place[parts[-1]] = value
    return tree


def prepare(folder: Path, certificates: Iterable[tuple[str, bytes, bytes]]) -> None:
    """The files that are named above. `certificates`: name, chain and key."""
    for name in ("one", "two", "members"):
        (folder / name).write_text("")
        (folder / name).chmod(0o600)
    for name, chain, key in certificates:
        (folder / f"{name}.pem").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(key)
        (folder / f"{name}.key").chmod(0o600)
    (folder / "both.pem").write_bytes((folder / "one.pem").read_bytes() + (folder / "one.key").read_bytes())
    (folder / "both.pem").chmod(0o600)


def every_key() -> list[str]:
    return known_paths()


def as_toml(tree: Tree) -> str:
    """Plain keys first, then tables, then arrays of tables."""
    lines = [f"{key} = {_value(value)}" for key, value in tree.items() if not _is_table(value)]
    for name, table in tree.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
        elif _is_table(table):
            for entry in table:
                lines += [f"[[{name}]]", *(f"{key} = {_value(value)}" for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value) if isinstance(value, int | float) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

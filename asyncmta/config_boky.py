"""The variables of the image boky/postfix, as settings of ours: for a container that is swapped and should just work.

A pure translation: from an environment to keys of config.toml, with a remark for each variable that is none. Promises:
one that restricts who may send or what may leave, or leads mail elsewhere (away from real people, on a test system),
and that cannot be said in our settings, is a fault and never a remark; no value of a secret is part of either; a
variable that is empty says nothing, as in boky/postfix. Never: which of our own settings are there and win
(`config_compat`), and whether a value fits its key (`config_kinds`).

docs/container.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from msgspec import Struct

from asyncmta import config_boky_values as values

NETWORKS = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
PORT = "587"
TOKEN_URL = "https://accounts.google.com/o/oauth2/token"  # noqa: S105 - the default of boky/postfix, no password
NOT_ALLOWED = "550 5.7.1 This sender domain may not send here"
RESTRICTION = "a restriction that cannot be kept; say it with [[rule]] (docs/policy.md), and take this away"
REDIRECTION = "where mail goes, or to whom, is not read from there; say it with [[route]] or [[rewrite]], without this"
REFUSED = {
    "SMTP_HEADER_CHECKS": "we do not check headers; mail that was to be stopped or changed would leave as it is",
    "SMTPD_SASL_USERS": "make a file of users with `asyncmta user add` and name it in ASYNCMTA_AUTH__USERS",
}

# Kubernetes gives a container POSTFIX_SERVICE_HOST, POSTFIX_PORT and the like beside a service that is named postfix:
# parameters of Postfix begin with a small letter, and the others are named one by one.
_OWN = re.compile(
    r"(?:SASL_)?RELAYHOST\Z|RELAYHOST_(?:USERNAME|PASSWORD|PASSWORD_FILE|TLS_LEVEL)\Z"
    r"|ALLOW(?:ED|_EMPTY)_SENDER_DOMAINS\Z"
    r"|MYNETWORKS\Z|MASQUERADED_DOMAINS\Z|MESSAGE_SIZE_LIMIT\Z|SMTP_HEADER_CHECKS\Z|SMTPD_SASL_USERS\Z"
    r"|INBOUND_DEBUGGING\Z|ANONYMIZE_EMAILS\Z|AUTOSET_HOSTNAME(?:_SERVICES)?\Z|SKIP_ROOT_SPOOL_CHOWN\Z"
    r"|POSTFIX_[a-z]\w*\Z|POSTFIXMASTER_\w*[a-z]\w*\Z|OPENDKIM_\w*[a-z]\w*\Z|RSPAMD_\w+?__\w+\Z"
    r"|DKIM_(?:AUTOGENERATE|BACKEND|SELECTOR)\Z"
    r"|XOAUTH2_(?:CLIENT_ID|SECRET|INITIAL_(?:ACCESS|REFRESH)_TOKEN|TOKEN_ENDPOINT)(?:_FILE)?\Z"
    r"|XOAUTH2_(?:SYSLOG_ON_FAILURE|FULL_TRACE)\Z"
)
_RESTRICTS = re.compile(
    r"smtpd?_\w*restriction|\w*_(?:checks|milters)\Z|content_filter\Z|authorized_\w+\Z"
    r"|smtpd_(?:reject|tls_req|authorized|enforce_tls|sasl_auth_enable)\w*\Z|smtpd_\w+_maps\Z|\w+_recipient_maps\Z"
)
_LEADS_ELSEWHERE = re.compile(r"(?!alias_maps\Z)\w+_maps\Z|(?:default|relay|defer)_transports?\Z|soft_bounce\Z")
_RESTRICTING_TEXT = re.compile(r"restrict|reject|_checks|milter|_maps|content_filter", re.IGNORECASE)
_NOT = ("", "no", "0")


class Said(Struct, frozen=True, kw_only=True):
    """One key of ours: its path, what an environment variable would say for it, and the variable it comes from.
    `is_file`: the value is what that file holds."""

    path: tuple[str, ...]
    text: str
    variable: str
    is_file: bool = False


class Remark(Struct, frozen=True):
    """What is said of a variable that became none of our settings, or not in all that it meant."""

    variable: str
    text: str


class Translation(Struct, frozen=True):
    said: tuple[Said, ...] = ()
    remarks: tuple[Remark, ...] = ()
    faults: tuple[str, ...] = ()


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of boky/postfix that say something. Names that others use too (TZ, HOSTNAME, LOG_FORMAT) are not enough."""
    return {name: environ[name] for name in sorted(environ) if _OWN.match(name) and environ[name]}


def translate(environ: Mapping[str, str]) -> Translation:
    """All of them; nothing where none is there."""
    found = variables(environ)
    if not found:
        return Translation()
    return _Translator(found, environ).run()


class _Translator:
    def __init__(self, found: dict[str, str], environ: Mapping[str, str]) -> None:
        self._found = found
        self._environ = environ
        self._left = dict(found)
        self._said: list[Said] = []
        self._remarks: list[Remark] = []
        self._faults: list[str] = []

    def run(self) -> Translation:
        self._say_relay_host()
        self._say_networks()
        self._say_senders()
        self._say_masquerading()
        self._say_names()
        for name, (path, convert) in values.KEYS.items():
            text = self._take(f"POSTFIX_{name}")
            if text:
                self._say(path, convert(text), f"POSTFIX_{name}")
        for name in sorted(self._left):
            self._judge(name, self._left[name])
        return Translation(tuple(self._said), tuple(self._remarks), tuple(self._faults))

    def _take(self, *names: str) -> str:
        """The first of these that is there; all of them are dealt with."""
        return next((text for text in [self._left.pop(name, "") for name in names] if text), "")

    def _named(self, *names: str) -> str:
        return next(name for name in names if name in self._found)

    def _say(self, path: str, text: str, variable: str, *, is_file: bool = False) -> None:
        self._said.append(Said(path=tuple(path.split(".")), text=text, variable=variable, is_file=is_file))

    def _remark(self, variable: str, text: str) -> None:
        self._remarks.append(Remark(variable, text))

    def _fault(self, variable: str, text: str) -> None:
        self._faults.append(f"environment: {variable}: {text}")

    def _say_relay_host(self) -> None:
        hosts = ("RELAYHOST", "POSTFIX_relayhost")
        levels = ("RELAYHOST_TLS_LEVEL", "POSTFIX_smtp_tls_security_level")
        host, level = self._take(*hosts), self._take(*levels)
        wrapped = self._take("POSTFIX_smtp_tls_wrappermode")
        tls = values.TLS_LEVELS.get(level)
        if tls is None:
            wanted = f'"{level}" cannot be kept; allowed are {", ".join(filter(None, values.TLS_LEVELS))}'
            self._fault(self._named(*levels), wanted)
            tls = "verify"
        if not host:
            if level:
                self._say("remote.tls", tls, self._named(*levels))
            return
        variable = self._named(*hosts)
        has_login = bool(self._left.get("RELAYHOST_USERNAME"))
        if has_login and tls == "opportunistic":  # what boky/postfix does; here no password goes over in the clear
            tls = "require"
            self._remark(self._named(*levels) if level else variable, 'with a login at least ROUTE__0__TLS "require"')
        self._say("route.0.recipient", "*", variable)
        self._say("route.0.via", "smarthost", variable)
        self._say("route.0.hosts", json.dumps([values.host_and_port(host)]), variable)
        self._say("route.0.tls", tls, self._named(*levels) if level else variable)
        if wrapped == "yes":
            self._say("route.0.implicit_tls", "true", "POSTFIX_smtp_tls_wrappermode")
        if has_login:
            self._say_login()

    def _say_login(self) -> None:
        self._say("route.0.username", self._take("RELAYHOST_USERNAME"), "RELAYHOST_USERNAME")
        oauth = {"XOAUTH2_CLIENT_ID": "client_id", "XOAUTH2_SECRET": "client_secret"}
        oauth |= {"XOAUTH2_INITIAL_REFRESH_TOKEN": "refresh_token"}
        if not any(self._left.get(f"{name}{end}") for name in oauth for end in ("", "_FILE")):
            self._say_secret("RELAYHOST_PASSWORD", "password")
            return
        self._take("RELAYHOST_PASSWORD", "RELAYHOST_PASSWORD_FILE")
        for name, key in oauth.items():
            self._say_secret(name, key)
        url = self._take("XOAUTH2_TOKEN_ENDPOINT")
        self._say("route.0.auth", "xoauth2", "RELAYHOST_USERNAME")
        self._say("route.0.token_url", url or TOKEN_URL, "XOAUTH2_TOKEN_ENDPOINT")

    def _say_secret(self, name: str, key: str) -> None:
        text, file = self._take(name), self._take(f"{name}_FILE")
        if text:
            self._say(f"route.0.{key}", text, name)
        elif file:
            self._say(f"route.0.{key}", file, f"{name}_FILE", is_file=True)

    def _say_networks(self) -> None:
        names = ("MYNETWORKS", "POSTFIX_mynetworks")
        text = self._take(*names)
        if text:
            self._say("relay.networks", json.dumps(values.networks(text)), self._named(*names))
        elif about := self._left.keys() & {"ALLOWED_SENDER_DOMAINS", "ALLOW_EMPTY_SENDER_DOMAINS"}:
            self._say("relay.networks", NETWORKS, min(about))
        else:
            self._remark("ALLOWED_SENDER_DOMAINS", "is not set: only clients of this machine may relay")
        self._say("listener.0.port", PORT, next(iter(self._found)))

    def _say_senders(self) -> None:
        variable = "ALLOWED_SENDER_DOMAINS"
        domains = values.domains(self._take(variable))
        self._take("ALLOW_EMPTY_SENDER_DOMAINS")
        if domains:
            self._say("rule.0.sender", json.dumps(values.with_subdomains(domains)), variable)
            self._say("rule.0.action", "accept", variable)
            self._say("rule.1.action", "reject", variable)
            self._say("rule.1.reply", NOT_ALLOWED, variable)

    def _say_masquerading(self) -> None:
        variable = "MASQUERADED_DOMAINS"
        for at, domain in enumerate(values.domains(self._take(variable))):
            self._say(f"rewrite.{at}.at", "entry", variable)
            self._say(f"rewrite.{at}.address", "sender", variable)
            self._say(f"rewrite.{at}.match", rf"/(.+)@.+\.{re.escape(domain)}/", variable)
            self._say(f"rewrite.{at}.to", rf"\1@{domain}", variable)
        if variable in self._found:
            self._remark(variable, "is for the envelope's sender alone; the addresses in the header stay as they are")

    def _say_names(self) -> None:
        """What is called otherwise, and names that mean something only beside the others."""
        if size := self._take("MESSAGE_SIZE_LIMIT", "POSTFIX_message_size_limit"):
            name = self._named("MESSAGE_SIZE_LIMIT", "POSTFIX_message_size_limit")
            self._say("limits.message_size", values.size(size), name)
        level = "POSTFIX_smtpd_tls_security_level"
        if self._left.get(level) == "may" and not self._left.get("POSTFIX_smtpd_tls_cert_file"):
            self._take(level)
            self._remark(level, "is of no use without POSTFIX_smtpd_tls_cert_file: STARTTLS is not offered")
        host = self._environ.get("HOSTNAME", "")
        if "." in host and "POSTFIX_myhostname" not in self._found:
            self._say("hostname", host, "HOSTNAME")
        formats = {"json": "json", "plain": "console"}
        if shape := formats.get(self._environ.get("LOG_FORMAT", "")):
            self._say("log.format", shape, "LOG_FORMAT")
        if self._take("INBOUND_DEBUGGING"):
            self._say("log.level", "debug", "INBOUND_DEBUGGING")
        if self._take("ANONYMIZE_EMAILS") not in (*_NOT, "noop"):
            self._say("log.addresses", "hash", "ANONYMIZE_EMAILS")

    def _judge(self, name: str, text: str) -> None:
        """One that nothing above knows."""
        if name in REFUSED:
            self._fault(name, REFUSED[name])
        elif _is_restriction(name, text):
            self._fault(name, RESTRICTION)
        elif name.startswith("POSTFIX_") and _LEADS_ELSEWHERE.match(name.removeprefix("POSTFIX_")) and text not in _NOT:
            self._fault(name, REDIRECTION)
        elif name.startswith(values.UNSIGNED):
            self._remark(name, "nothing is signed with DKIM here; let the relay host sign, or send by one that does")
        else:
            self._remark(name, values.MEANINGLESS.get(name, "has no meaning here and is passed over"))


def _is_restriction(name: str, text: str) -> bool:
    if name.startswith("POSTFIXMASTER_"):
        return _RESTRICTING_TEXT.search(name + text) is not None
    return _RESTRICTS.match(name.removeprefix("POSTFIX_")) is not None and text not in _NOT

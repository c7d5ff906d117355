"""Settings: defaults, file, environment, and what is made of them. Refusals are in tests/bad_configs."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trustme

from asyncmta.config import InvalidConfig, Settings, own_hostname
from asyncmta.config_forwarding import rewriting
from asyncmta.config_local import DomainTable, meant
from asyncmta.config_tables import ARRAYS, kind_of, known_paths
from asyncmta.inbound.certificate_files import Pair, TlsFiles
from asyncmta.inbound.throttle import Rate
from asyncmta.mail.address import parse_address
from asyncmta.routing import Discard, Hold, Local, Mx, Pipe, Reject, Smarthost

ROOT = Path(__file__).parents[2]


def faults(**environ: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        Settings.load(environ=environ)
    return caught.value.faults


def loaded(**environ: str) -> Settings:
    return Settings.load(environ=environ)


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = Settings.from_dict({}, folder=tmp_path)
    (listener,) = settings.listeners
    assert (listener.address, listener.port, listener.role, listener.tls) == ("127.0.0.1", 2525, "relay", "none")
    assert (listener.proxy_protocol, listener.max_sessions) == (False, 1000)
    assert settings.spool == str(tmp_path / "var/spool")
    assert settings.relay.networks == (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert settings.local.maildir == str(tmp_path / "var/mail/{domain}/{local_part}")
    assert (settings.local.domains, settings.local.mailboxes, settings.local.aliases) == ((), "existing", "")
    limits = settings.limits
    assert (limits.message_size, limits.recipients, limits.hops) == (26214400, 1000, 100)
    assert (limits.session_idle, limits.sessions_per_client) == (300.0, 50)
    queue = settings.queue
    assert (queue.lifetime, queue.bounce_lifetime, queue.delay_warning) == (432000.0, 86400.0, 14400.0)
    assert queue.min_free_space == 200 * 1024 * 1024
    assert queue.drain_timeout == 30.0
    remote = settings.remote
    assert (remote.port, remote.sessions_per_site, remote.recipients_per_transaction) == (25, 20, 100)
    assert (remote.messages_per_session, remote.connect_timeout) == (100, 30.0)
    assert (remote.allow_private_exchangers, remote.source_addresses) == (False, ())
    assert (settings.dns.servers, settings.dns.timeout) == ((), 5.0)
    assert settings.admin.socket == str(tmp_path / "var/spool/control.sock")
    assert (settings.admin.listen, settings.admin.token) == ("", "")
    assert (settings.log.format, settings.log.level, settings.log.addresses) == ("auto", "info", "plain")
    assert settings.routes == ()
    assert settings.tls.certificate == settings.tls.key == ""


def test_the_shipped_file_says_the_defaults_and_explains_every_key() -> None:
    text = (ROOT / "config.toml").read_text()
    shipped = Settings.load(ROOT / "config.toml", environ={})
    plain = Settings.from_dict({"local": {"domains": ["localhost"]}}, folder=ROOT)
    assert shipped.effective() == plain.effective()
    for path in known_paths():
        assert re.search(rf"^(# )?{path.rpartition('.')[2]} = ", text, re.MULTILINE), path
    examples = {}
    for name in ("domain", "route", "rule", "source"):
        block = text.partition(f"# [[{name}]]\n")[2].partition("\n\n")[0]
        examples[name] = [tomllib.loads("\n".join(line[2:] for line in block.splitlines()))]
    settings = Settings.from_dict(examples)
    assert settings.routes[0].hosts == ("smtp.provider.example:587",)
    assert settings.rules[0].reply == "550 5.7.1 Not from there"
    assert settings.sources[0].addresses == ("192.0.2.7",)
    assert settings.local.domains == ("example.net",)
    assert settings.domains[0].catch_all == "alice"


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a.toml").write_text(
        'spool = "../q"\n[local]\nmaildir = "/srv/{local_part}"\n[admin]\nsocket = "s"\n'
    )
    monkeypatch.chdir(tmp_path)
    settings = Settings.load("etc/a.toml", environ={})
    assert settings.spool == str(tmp_path / "q")
    assert settings.local.maildir == "/srv/{local_part}"
    assert settings.admin.socket == str(tmp_path / "etc/s")
    assert settings.source.file == str(tmp_path / "etc/a.toml")
    assert settings.source.folder == str(tmp_path / "etc")


def test_a_python_caller_may_give_paths_and_tuples(tmp_path: Path) -> None:
    settings = Settings.from_dict({"spool": tmp_path, "local": {"domains": ("A.example",)}, "listener": ()})
    assert settings.spool == str(tmp_path)
    assert settings.local.domains == ("a.example",)
    assert settings.listeners == ()


def test_the_tree_of_the_caller_is_left_alone() -> None:
    tree: dict[str, Any] = {"listener": [{"port": 0}]}
    Settings.from_dict(tree)
    assert tree == {"listener": [{"port": 0}]}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[queue]\nlifetime = "4d"\n[[listener]]\nport = 25\n[[listener]]\nport = 26\n')
    monkeypatch.setenv("ASYNCMTA_QUEUE__LIFETIME", "3d")
    monkeypatch.setenv("ASYNCMTA_LISTENER__1__PORT", "2626")
    monkeypatch.setenv("ASYNCMTA_LISTENER__2__PORT", "0")
    settings = Settings.load(file)
    assert settings.queue.lifetime == 3 * 86400
    assert [listener.port for listener in settings.listeners] == [25, 2626, 0]
    assert settings.source.variables["queue.lifetime"] == "ASYNCMTA_QUEUE__LIFETIME"


def test_many_listeners_from_the_environment_come_in_the_order_of_their_numbers() -> None:
    ports = {f"ASYNCMTA_LISTENER__{index}__PORT": str(3000 + index) for index in range(12)}
    assert [listener.port for listener in loaded(**ports).listeners] == [3000 + index for index in range(12)]


def test_values_of_every_kind_from_the_environment() -> None:
    settings = loaded(
        ASYNCMTA_HOSTNAME="mail.example.org",
        ASYNCMTA_REMOTE__ALLOW_PRIVATE_EXCHANGERS="TRUE",
        ASYNCMTA_LISTENER__0__PROXY_PROTOCOL="0",
        ASYNCMTA_LIMITS__MESSAGE_SIZE="1GiB",
        ASYNCMTA_LOCAL__DOMAINS="a.example, b.example,",
        ASYNCMTA_RELAY__NETWORKS='["10.0.0.0/8", "fd00::/8"]',
        ASYNCMTA_RELAY__DOMAINS="",
        ASYNCMTA_LOCAL__MAILBOXES="alice,bob@a.example",
        ASYNCMTA_DNS__SERVERS="127.0.0.1,[::1]:5353,::2",
        ASYNCMTA_ROUTE__0__VIA="smarthost",
        ASYNCMTA_ROUTE__0__HOSTS="a.example:25,b.example:25",
        ASYNCMTA_ROUTE__0__WEIGHTS="3, 1",
        ASYNCMTA_CONFIG="/does/not/matter",
        ASYNCMTA_PURE="1",
        OTHER="x",
    )
    assert settings.hostname == "mail.example.org"
    assert settings.remote.allow_private_exchangers
    assert not settings.listeners[0].proxy_protocol
    assert settings.limits.message_size == 1 << 30
    assert settings.local.domains == ("a.example", "b.example")
    assert settings.relay.networks == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert settings.relay.domains == ()
    assert settings.local.mailboxes == ("alice", "bob@a.example")
    assert settings.routes[0].weights == (3, 1)
    assert settings.dns.servers == ("127.0.0.1:53", "[::1]:5353", "[::2]:53")
    assert loaded(ASYNCMTA_LOCAL__MAILBOXES="any").local.mailboxes == "any"


def test_the_secrets_of_a_route_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pä ss\r\n")
    settings = loaded(
        ASYNCMTA_ROUTE__0__VIA="smarthost",
        ASYNCMTA_ROUTE__0__HOSTS="smtp_relay:25,[2001:db8::1]:587",
        ASYNCMTA_ROUTE__0__USERNAME="me",
        ASYNCMTA_ROUTE__0__PASSWORD_FILE=str(secret),
    )
    assert settings.routes[0].password == "pä ss"
    assert settings.routes[0].hosts == ("smtp_relay:25", "[2001:db8::1]:587")


def test_what_the_environment_says_wrong_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "long").write_bytes(b"x" * 70_000)
    found = faults(
        ASYNCMTA_QUEUE__LIFETIME="3q",
        ASYNCMTA_QUEUE__LIFETME="3d",
        ASYNCMTA_LISTENER__2__PORT="25",
        ASYNCMTA_LISTENER__0__PRT="25",
        ASYNCMTA_LISTENER__0__PORT="many",
        ASYNCMTA_ZZZZZZZZZZZ="1",
        asyncmta_hostname="ignored, as it is not ours",
        ASYNCMTA_hostname="a.example",
        ASYNCMTA_REMOTE__ALLOW_PRIVATE_EXCHANGERS="perhaps",
        ASYNCMTA_RELAY__NETWORKS="[nonsense",
        ASYNCMTA_ADMIN__TOKEN="t",
        ASYNCMTA_ADMIN__TOKEN_FILE="/x",
        ASYNCMTA_HOSTNAME_FILE=str(tmp_path / "latin"),
        ASYNCMTA_SPOOL_FILE=str(tmp_path / "long"),
        ASYNCMTA_POSTMASTER_FILE=str(tmp_path / "none"),
    )
    assert sorted(found) == [
        "environment: ASYNCMTA_ADMIN__TOKEN_FILE: ASYNCMTA_ADMIN__TOKEN is set too; only one of the two is allowed",
        f"environment: ASYNCMTA_HOSTNAME_FILE: {tmp_path}/latin: not UTF-8",
        'environment: ASYNCMTA_LISTENER__0__PORT: expected a whole number from 0 to 65535, got "many"',
        "environment: ASYNCMTA_LISTENER__0__PRT: unknown variable; the nearest known one is ASYNCMTA_LISTENER__0__PORT",
        "environment: ASYNCMTA_LISTENER__2__PORT: there is no listener 1; the numbers begin at 0 and none is left out",
        f"environment: ASYNCMTA_POSTMASTER_FILE: {tmp_path}/none: cannot be read: No such file or directory",
        'environment: ASYNCMTA_QUEUE__LIFETIME: expected a duration in s, m, h or d, such as "90s" or "5d", got "3q"',
        "environment: ASYNCMTA_QUEUE__LIFETME: unknown variable; the nearest known one is ASYNCMTA_QUEUE__LIFETIME",
        "environment: ASYNCMTA_RELAY__NETWORKS: not a TOML list: Invalid value (at line 1, column 10)",
        'environment: ASYNCMTA_REMOTE__ALLOW_PRIVATE_EXCHANGERS: expected true or false, got "perhaps"',
        f"environment: ASYNCMTA_SPOOL_FILE: {tmp_path}/long: longer than 65536 octets",
        "environment: ASYNCMTA_ZZZZZZZZZZZ: unknown variable; it must be ASYNCMTA_CONFIG or name a key",
        "environment: ASYNCMTA_hostname: unknown variable; the nearest known one is ASYNCMTA_HOSTNAME",
    ]


def test_only_the_ten_digits_are_digits() -> None:
    found = faults(
        ASYNCMTA_LIMITS__MESSAGE_SIZE="\N{ARABIC-INDIC DIGIT THREE}MiB",
        ASYNCMTA_QUEUE__LIFETIME="\N{ARABIC-INDIC DIGIT THREE}d",
        **{"ASYNCMTA_LISTENER__\N{SUPERSCRIPT TWO}__PORT": "25"},
    )
    assert [fault.partition(": ")[2].partition(":")[0] for fault in sorted(found)] == [
        "ASYNCMTA_LIMITS__MESSAGE_SIZE",
        "ASYNCMTA_LISTENER__\N{SUPERSCRIPT TWO}__PORT",
        "ASYNCMTA_QUEUE__LIFETIME",
    ]
    assert "the nearest known one is ASYNCMTA_LISTENER__0__PORT" in "".join(found)


def test_what_the_environment_cannot_put_into_the_file_leaves_the_fault_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('queue = 5\nlistener = "x"\nroute = [1]\n')
    with pytest.raises(InvalidConfig) as caught:
        Settings.load(
            file,
            environ={
                "ASYNCMTA_QUEUE__LIFETIME": "3d",
                "ASYNCMTA_LISTENER__0__PORT": "25",
                "ASYNCMTA_ROUTE__0__VIA": "hold",
            },
        )
    assert [fault.removeprefix(f"{file}: ").split(":")[0] for fault in caught.value.faults] == [
        "listener",
        "route.0",
        "queue",
    ]


def test_variables_of_a_kubernetes_service_are_not_ours() -> None:
    link = {
        "ASYNCMTA_SERVICE_HOST": "10.0.0.1",
        "ASYNCMTA_SERVICE_PORT": "25",
        "ASYNCMTA_SERVICE_PORT_SMTP": "25",
        "ASYNCMTA_PORT": "tcp://10.0.0.1:25",
        "ASYNCMTA_PORT_25_TCP": "tcp://10.0.0.1:25",
        "ASYNCMTA_PORT_25_TCP_ADDR": "10.0.0.1",
    }
    assert loaded(**link).listeners[0].port == 2525
    assert faults(ASYNCMTA_PORT="25")[0].startswith("environment: ASYNCMTA_PORT: unknown variable")


def test_a_fault_of_a_pair_names_the_variable_that_made_it() -> None:
    (fault,) = faults(ASYNCMTA_LISTENER__0__TLS="starttls")
    assert fault.startswith('environment: ASYNCMTA_LISTENER__0__TLS: "starttls" needs a certificate')


def test_a_pair_is_not_judged_by_a_value_that_has_a_fault_itself() -> None:
    tree = {"tls": {"certificate": 3}, "listener": [{"tls": "starttls"}]}
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict(tree)
    assert caught.value.faults == ["settings: tls.certificate: expected text in quotes, got 3"]


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InvalidConfig, match=r"^/no/such\.toml: cannot be read: No such file or directory$"):
        Settings.load("/no/such.toml", environ={})


@pytest.mark.parametrize(
    ("name", "full", "answer"),
    [
        ("box.example.org", "", "box.example.org"),
        ("box", "box.example.org", "box.example.org"),
        ("box", "box", "box"),
        ("4f2a_x", "4f2a_x", "localhost"),
        ("", "", "localhost"),
    ],
)
def test_the_name_of_this_machine(monkeypatch: pytest.MonkeyPatch, name: str, full: str, answer: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    monkeypatch.setattr(socket, "getfqdn", lambda _name: full)
    assert own_hostname() == answer
    assert Settings.from_dict({}).hostname == answer


def test_postmaster_is_a_local_part_at_hostname_or_an_address() -> None:
    at_home = Settings.from_dict({"hostname": "MX.example.org", "postmaster": "ops"})
    assert at_home.postmaster == parse_address("ops@mx.example.org")
    assert Settings.from_dict({"postmaster": "a@b.example"}).postmaster == parse_address("a@b.example")


def test_a_lifetime_below_the_default_of_bounce_lifetime_takes_that_down_with_it() -> None:
    queue = Settings.from_dict({"queue": {"lifetime": "12h", "delay_warning": "0s"}}).queue
    assert queue.lifetime == queue.bounce_lifetime == 43200.0
    assert queue.delay_warning == 0.0


def test_routing_follows_the_settings() -> None:
    settings = Settings.from_dict(
        {
            "hostname": "mx.example.org",
            "local": {"domains": ["example.org"]},
            "relay": {"domains": [".relayed.example"]},
            "route": [
                {"recipient": "hold.example", "via": "hold"},
                {"recipient": "discard.example", "via": "discard"},
                {"recipient": "reject.example", "via": "reject"},
                {"recipient": "*", "sender": "direct.example"},
                {"via": "smarthost", "hosts": ["S.example:25", "192.0.2.1:26"], "username": "u", "password": "p"},
            ],
        }
    )
    routing = settings.routing()

    def route(domain: str, sender: str = "a@b.example") -> object:
        return routing.route(parse_address(f"x@{domain}"), parse_address(sender))

    assert route("hold.example") == Hold()
    assert route("discard.example") == Discard()
    assert isinstance(route("reject.example"), Reject)
    assert route("c.example", "a@direct.example") == Mx("c.example")
    assert route("example.org") == Local("example.org")
    found = route("c.example")
    assert isinstance(found, Smarthost)
    assert found.hosts == ("s.example:25", "192.0.2.1:26")
    assert (found.name, found.tls, found.username) == ("s.example:25, 192.0.2.1:26", "verify", "u")
    assert found.password == "p"
    assert routing.may_relay_to("a.relayed.example")
    assert routing.is_postmaster(parse_address("postmaster@mx.example.org"))


def test_one_variable_makes_a_smarthost_for_everything_else() -> None:
    settings = loaded(
        ASYNCMTA_SMARTHOST="Mail.example:587",
        ASYNCMTA_LOCAL__DOMAINS="example.org",
        ASYNCMTA_ROUTE__0__RECIPIENT="b.example",
    )
    routing = settings.routing()
    sender = parse_address("a@a.example")
    assert routing.route(parse_address("x@c.example"), sender) == Smarthost("mail.example:587", ("mail.example:587",))
    assert routing.route(parse_address("x@b.example"), sender) == Mx("b.example")
    assert routing.route(parse_address("x@example.org"), sender) == Local("example.org")
    assert faults(ASYNCMTA_SMARTHOST="mail.example")[0].startswith(
        'environment: ASYNCMTA_SMARTHOST: expected "host:port"'
    )


def test_mailboxes_are_given_away_by_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_dict({"maildir": {"owner": "5000:5001"}})
    assert settings.maildir.owner_numbers == (5000, 5001)
    assert Settings.from_dict({}).maildir.owner_numbers == (-1, -1)
    archive = Settings.from_dict({"maildir": {"archive": "var/{date}/{date}"}}, folder="/etc/mail").maildir.archive
    assert archive == "/etc/mail/var/{date}/{date}"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings.cannot_be_served() == []
    monkeypatch.setattr("os.geteuid", lambda: 7)
    [fault] = settings.cannot_be_served()
    assert fault == "defaults: maildir.owner: only root may give mailboxes away, and this is user 7"


def test_effective_settings_show_everything_but_secrets_and_can_be_read_again(tmp_path: Path) -> None:
    pem = tmp_path / "mx.pem"
    trustme.CA().issue_cert("mx.example.org").private_key_and_cert_chain_pem.write_to_path(pem)
    tree = {
        "tls": {"certificate": str(pem)},
        "certificate": [{"certificate": str(pem), "names": ["*.Example.org"]}],
        "hostname": "mx.example.org",
        "listener": [{"port": 0}, {"address": "::1", "port": 0}],
        "route": [{"via": "smarthost", "hosts": ["[::1]:25"], "tls": "none", "username": "u", "password": "hush"}],
        "source": [{"hosts": [".Big.example"], "addresses": ["192.0.2.7"]}],
        "rule": [{"client": "192.0.2.0/24", "sender": ["<>", "example.com"], "action": "tag", "tag": "hm"}],
        "site": [{"hosts": [".example.net"], "limits": ["20/min", "5 sessions"]}],
        "limits": {"connections_per_client": "60/90s"},
        "admin": {"listen": "127.0.0.1:8025", "token": "murmur"},
        "local": {"mailboxes": ["alice"], "unknown_user": "relay:MX.example.org:25", "delimiters": "+-"},
        "maildir": {"quota": "1GiB", "mode": "2770", "owner": "5000:5000"},
        "bcc": [{"to": "copies@example.org"}],
        "webhook": [{"url": "https://app.example.org/x", "secret": "breathed by nobody"}],
        "domain": [{"name": "A.example", "mailboxes": "sqlite:users.db", "query": "SELECT 1 WHERE :address = 'a'"}],
        "list": [{"address": "dev@A.example", "members": str(pem), "verp": True, "subscribe": "confirm"}],
        "rewrite": [{"match": "@old.example", "to": "@a.example"}],
        "srs": {"secrets": ["whispered by nobody"]},
        "queue": {"min_free_space": "0B", "delay_warning": "90s", "bounce_lifetime": "36h"},
    }
    shown = Settings.from_dict(tree).effective()
    text = str(shown)
    assert "hush" not in text
    assert "murmur" not in text
    assert "whispered" not in text
    assert "breathed" not in text
    assert shown["queue"] == {
        "lifetime": "5d",
        "bounce_lifetime": "36h",
        "delay_warning": "90s",
        "min_free_space": "0B",
        "drain_timeout": "30s",
    }
    assert shown["route"][0]["password"] == shown["admin"]["token"] == "********"
    assert Settings.from_dict(shown).effective() == shown
    names = {path.replace(".0.", ".") for path in known_paths()}
    flat = {key for key, value in shown.items() if not isinstance(value, dict | list)}
    flat |= {f"{name}.{key}" for name, table in shown.items() if isinstance(table, dict) for key in table}
    flat |= {f"{name}.{key}" for name in ARRAYS for key in shown[name][0]}
    assert flat == names


def test_a_certificate_with_its_key_in_one_file_or_two(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("mx.example.org")
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    two = Settings.from_dict(
        {"tls": {"certificate": "chain.pem", "key": "key.pem"}, "listener": [{"tls": "implicit"}]}, folder=tmp_path
    )
    assert two.tls.key == str(key)
    assert Settings.from_dict({"tls": {"certificate": str(both)}}).tls.key == ""
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("x.example").private_key_pem.write_to_path(other)
    for tree in ({"certificate": str(chain)}, {"certificate": str(chain), "key": str(other)}):
        with pytest.raises(InvalidConfig, match=r"not a certificate chain in PEM with the unencrypted key"):
            Settings.from_dict({"tls": tree})
    with pytest.raises(InvalidConfig, match=r"^settings: tls\.key: .*cannot be read"):
        Settings.from_dict({"tls": {"certificate": str(chain), "key": "none.pem"}}, folder=tmp_path)


def test_several_certificates_and_those_of_clients(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    trustme.CA().issue_cert("mx.example.org").private_key_and_cert_chain_pem.write_to_path(both)
    asking = {"tls": "required", "client_certificates": "require"}
    tree: dict[str, Any] = {
        "tls": {"certificate": "both.pem", "client_ca": "both.pem"},
        "certificate": [{"certificate": "both.pem", "names": ["MX.example.net", "*.example.net"]}],
        "listener": [asking],
    }
    settings = Settings.from_dict(tree, folder=tmp_path)
    pairs = (Pair(str(both)), Pair(str(both), "", ("mx.example.net", "*.example.net")))
    assert settings.tls_files() == TlsFiles(pairs, str(both))
    assert settings.listeners[0].client_certificates == "require"
    assert Settings.from_dict({}).tls_files() is None

    def faults(**changes: Any) -> list[str]:
        with pytest.raises(InvalidConfig) as caught:
            Settings.from_dict(tree | changes, folder=tmp_path)
        return [fault.partition(": ")[2] for fault in caught.value.faults]

    (fault,) = faults(listener=[asking | {"tls": "starttls"}])
    assert fault.startswith('listener.0.client_certificates: "require" would be passed by without STARTTLS')
    (fault,) = faults(tls={"certificate": "both.pem"})
    assert fault.startswith('listener.0.client_certificates: "require" needs tls.client_ca')
    (fault,) = faults(tls={"certificate": "both.pem", "client_ca": "none.pem"})
    assert fault == f"tls.client_ca: {tmp_path}/none.pem: cannot be read: No such file or directory"
    (fault,) = faults(certificate=[{"certificate": "both.pem"}, {"certificate": "both.pem", "key": "none.pem"}])
    assert fault == f"certificate.1.key: {tmp_path}/none.pem: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "tree",
    [
        {"listener": [{"role": "submission", "allow_plaintext_auth": True}]},
        {"listener": [{"port": 0}, {"port": 0}]},
        {"listener": [{"address": "127.0.0.1", "port": 25}, {"address": "127.0.0.2", "port": 25}]},
        {"listener": [{"address": "0.0.0.0", "port": 25}, {"address": "::1", "port": 25}]},
        {"admin": {"listen": "localhost:8025"}},
        {"admin": {"listen": "0.0.0.0:8025", "token": "0123456789abcdef"}},
        {"relay": {"networks": ["fe80::/10", "fc00::/7", "192.0.2.1", "2001:db8::/32"]}},
        {"route": [{"via": "smarthost", "hosts": ["localhost:25"], "tls": "none", "username": "u", "password": "p"}]},
        {"route": [{"via": "mx", "hosts": [], "username": ""}]},
        {"local": {"domains": ["bücher.example", "[192.0.2.1]"], "mailboxes": ["a@bücher.example"]}},
        {"local": {"mailboxes": []}},
    ],
)
def test_what_is_allowed(tree: dict[str, Any]) -> None:
    assert Settings.from_dict(tree)


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({"route": [{"via": "smarthost", "hosts": ["[::1:25"]}]}, '"host:port"'),
        ({"route": [{"via": "smarthost", "hosts": ["[::1]25"]}]}, '"host:port"'),
        ({"route": [{"via": "smarthost", "hosts": ["h.example:٣"]}]}, '"host:port"'),
        (
            {
                "route": [
                    {"via": "smarthost", "hosts": ["mx.example:25"], "tls": "none", "username": "u", "password": "p"}
                ]
            },
            "clear",
        ),
        ({"admin": {"listen": "[127.0.0.1]:80"}}, '"address:port"'),
        ({"dns": {"servers": ["1.2.3.4:5:6"]}}, "IP address"),
        ({"admin": {"token": "tökën"}}, "ASCII"),
        ({"hostname": "a\x00b"}, "does not print"),
        ({"limits": []}, "expected a table, got a list"),
        ({"limits": {"hops": "\x1b[31m"}}, r"got '\\x1b"),
    ],
)
def test_more_that_is_refused(tree: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidConfig, match=fault):
        Settings.from_dict(tree)


def test_what_is_no_key() -> None:
    assert kind_of(("queue", "nothing")) is None
    assert kind_of(("listener", "x", "port")) is None
    assert kind_of(("a", "b", "c", "d")) is None
    assert kind_of(()) is None


def test_load_without_arguments_reads_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCMTA_REMOTE__PORT", "2526")
    assert Settings.load().remote.port == 2526
    assert Settings.load().source.folder == os.getcwd()


def test_rules_and_the_rest_of_policy() -> None:
    settings = Settings.from_dict(
        {
            "rule": [
                {"client": "192.0.2.1", "client_name": ".Example.org", "helo": ["A.example", "b"], "action": "reject"},
                {"login": ["*"], "sender": "<>", "recipient": ["*"], "tls": True, "action": "accept"},
                {"action": "defer", "reply": "451 4.3.2 Later"},
            ],
            "limits": {"recipients_per_client": "1000/90m", "reverse_dns": "log"},
            "dnsbl": {"lists": ["zen.example=127.0.0.[2..11]*3"], "threshold": 3},
            "policy": {"service": "inet:LOCALHOST:10023"},
            "listener": [{"greet_delay": "6s"}],
        }
    )
    first, second, third = settings.rules
    assert first.client == (ipaddress.ip_network("192.0.2.1/32"),)
    assert (first.client_name, first.helo) == ((".example.org",), ("a.example", "b"))
    assert (second.client, second.recipient, second.sender, second.login) == ((), (), ("<>",), ("*",))
    assert third.reply == "451 4.3.2 Later"
    assert settings.limits.recipients_per_client == Rate(1000, 5400.0)
    assert settings.limits.messages_per_client is None
    assert settings.policy.service == "inet:localhost:10023"
    shown = settings.effective()
    assert shown["rule"][0]["client"] == ["192.0.2.1/32"]
    assert shown["rule"][1]["client"] == "*"
    assert shown["limits"]["recipients_per_client"] == "1000/90m"
    assert shown["limits"]["messages_per_client"] == ""
    assert Settings.from_dict(shown).rules == settings.rules


def test_policy_from_the_environment() -> None:
    settings = loaded(
        ASYNCMTA_RULE__0__CLIENT="192.0.2.0/24, 2001:db8::/32",
        ASYNCMTA_RULE__0__ACTION="hold",
        ASYNCMTA_RULE__1__SENDER="*",
        ASYNCMTA_RULE__1__ACTION="hold",
        ASYNCMTA_LIMITS__CONNECTIONS_PER_CLIENT="60/1m",
        ASYNCMTA_LOCAL__MAILBOXES="file:/etc/recipients",
    )
    assert len(settings.rules[0].client) == 2
    assert settings.rules[1].sender == ()
    assert settings.limits.connections_per_client == Rate(60, 60.0)
    assert settings.local.mailboxes == "file:/etc/recipients"
    assert loaded(ASYNCMTA_LOCAL__MAILBOXES="any").local.mailboxes == "any"
    assert loaded(ASYNCMTA_POLICY__SERVICE="unix:/run/policy.sock").policy.service == "unix:/run/policy.sock"
    (fault,) = faults(ASYNCMTA_POLICY__SERVICE="unix:relative")
    assert fault.startswith('environment: ASYNCMTA_POLICY__SERVICE: expected "unix:/run/policy.sock" or ')


def test_routes_to_a_mail_store_and_to_a_command() -> None:
    settings = Settings.from_dict(
        {
            "pipe": {"enabled": True},
            "route": [
                {"recipient": "a.example", "via": "lmtp", "hosts": ["unix:/run/dovecot/LMTP", "Store.example:24"]},
                {
                    "recipient": "b.example",
                    "via": "pipe",
                    "command": ["/bin/x", "-a", "1", "-b", "1"],
                    "per": "message",
                },
            ],
        }
    )
    routing = settings.routing()
    store = routing.route(parse_address("x@a.example"), None)
    assert isinstance(store, Smarthost)
    assert (store.hosts, store.protocol, store.tls) == (
        ("unix:/run/dovecot/LMTP", "store.example:24"),
        "lmtp",
        "opportunistic",
    )
    command = Pipe(("/bin/x", "-a", "1", "-b", "1"), "message", "lf")
    assert routing.route(parse_address("x@b.example"), None) == command


def test_local_domains_that_differ(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("root: alice\n")
    settings = Settings.from_dict(
        {
            "local": {
                "domains": ["a.example", "b.example"],
                "aliases": "aliases",
                "mailboxes": "file:list",
                "unknown_user": "alias:root",
                "query": "SELECT 1 FROM u WHERE a = :address",
            },
            "domain": [
                {"name": "B.example", "mailboxes": "sqlite:users.db", "catch_all": "bob", "aliases": "aliases"},
                {"name": "c.example", "maildir": "c/{local_part}", "unknown_user": "reject", "store": "lmtp:Store:24"},
                {"name": "d.example", "unknown_user": "relay:mx.example:26"},
            ],
        },
        folder=tmp_path,
    )
    assert settings.local.domains == ("a.example", "b.example", "c.example", "d.example")
    assert settings.local.mailboxes == f"file:{tmp_path}/list"
    assert settings.local.aliases == settings.domains[0].aliases == str(tmp_path / "aliases")
    assert settings.routing().is_local("c.example")
    store, relay = (settings.routing().route_of(key) for key in ("store:c.example", "unknown:d.example"))
    assert store == Smarthost("store:24", ("store:24",), "opportunistic", protocol="lmtp")
    assert relay == Smarthost("mx.example:26", ("mx.example:26",), "opportunistic")
    first, second, _ = (meant(settings.local, domain) for domain in settings.domains)
    assert (first.mailboxes, first.query) == (f"sqlite:{tmp_path}/users.db", settings.local.query)
    assert (first.maildir, first.catch_all, first.unknown_user) == (settings.local.maildir, "bob", "reject")
    assert (second.mailboxes, second.maildir) == (settings.local.mailboxes, f"{tmp_path}/c/{{local_part}}")
    assert (second.catch_all, second.unknown_user) == ("", "reject")
    third = meant(settings.local, DomainTable(name="a.example"))
    assert (third.catch_all, third.unknown_user) == ("", "alias:root")


def test_local_domains_from_the_environment() -> None:
    settings = loaded(
        ASYNCMTA_DOMAIN__0__NAME="a.example",
        ASYNCMTA_DOMAIN__0__MAILBOXES="alice, bob",
        ASYNCMTA_LOCAL__MAILBOXES="sqlite:/users.db",
        ASYNCMTA_LOCAL__QUERY="SELECT 1 FROM users WHERE name = :local_part",
        ASYNCMTA_LOCAL__UNKNOWN_USER="reject",
    )
    assert settings.domains[0].mailboxes == ("alice", "bob")
    assert settings.local.mailboxes == "sqlite:/users.db"
    assert settings.local.unknown_user == "reject"


def test_secrets_of_srs_may_come_from_the_environment() -> None:
    found = Settings.load(environ={"ASYNCMTA_SRS__SECRETS": '["whispered by nobody"]'})
    assert found.srs.secrets == ("whispered by nobody",)


@pytest.mark.parametrize(
    "tree",
    [
        {"srs": {"secrets": ["hush, nobody is to know", "hush, nobody is to know"]}},
        {"srs": {"secrets": "hush, nobody is to know"}},
        {"webhook": [{"url": "https://me:hush@app.example.org/x", "secret": "breathed by nobody"}]},
        {"route": [{"via": "smarthost", "hosts": ["m.example"], "token_url": "https://me:hu/sh:hush@login.example/t"}]},
        {"telemetry": {"endpoint": "http://me:hush@127.0.0.1:4318"}},
    ],
)
def test_no_fault_tells_a_secret(tree: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict(tree)
    assert "hush" not in str(caught.value.faults)


def test_a_forward_file_is_named() -> None:
    assert Settings.from_dict({"local": {"forward_files": ".forward"}}).local.forward_files == ".forward"


def test_rewrite_tables_by_place_and_kind() -> None:
    entries = [
        {"match": "@a.example", "to": "@b.example", "at": at, "address": of}
        for at in ("entry", "exit")
        for of in ("sender", "both")
    ]
    rewrites = Settings.from_dict({"rewrite": entries}).rewrites
    address = parse_address("x@a.example")
    for at in ("entry", "exit"):
        assert str(rewriting(rewrites, at=at, of="sender").of(address)[0]) == "x@b.example"
        assert str(rewriting(rewrites, at=at, of="recipient").of(address)[0]) == "x@b.example"
    assert not rewriting(rewrites[:1], at="exit", of="sender")


def test_subscriptions_of_one_of_our_domains() -> None:
    local = {"domains": ["a.example", "b.example"]}
    for domain in ("", "b.example"):
        settings = Settings.from_dict(
            {"local": local, "subscriptions": {"requests": "wishes/{local_part}", "domain": domain}}
        )
        assert settings.subscriptions.domain == domain

"""The variables of boky/postfix: which of our settings each becomes, what is said of it, and what is refused."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.config_boky import translate, variables
from asyncmta.config_boky_values import domains, host_and_port, networks, size, time_in, with_subdomains

ON = {"ASYNCMTA_COMPAT": "boky"}


def loaded(**environ: str) -> Settings:
    return Settings.load(environ=ON | environ)


def faults(**environ: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        Settings.load(environ=ON | environ)
    return caught.value.faults


def said(settings: Settings) -> dict[str, str]:
    """What the log says beside names of ours."""
    return {note.variable: note.text for note in settings.source.notes if note.text}


def test_without_the_switch_they_mean_nothing() -> None:
    settings = Settings.load(environ={"RELAYHOST": "smtp.example.org", "ALLOWED_SENDER_DOMAINS": "example.org"})
    assert (settings.routes, settings.rules, settings.source.notes) == ((), (), ())
    assert Settings.load(environ={"ASYNCMTA_COMPAT": "", "RELAYHOST": "smtp.example.org"}).routes == ()


def test_the_switch_knows_one_word() -> None:
    with pytest.raises(InvalidConfig) as caught:
        Settings.load(environ={"ASYNCMTA_COMPAT": "postfix"})
    assert caught.value.faults == ['environment: ASYNCMTA_COMPAT: expected "boky" or nothing, got "postfix"']


@pytest.mark.parametrize(
    "environ", [{}, {"TZ": "UTC", "HOSTNAME": "a.example", "LOG_FORMAT": "json"}, {"RELAYHOST": ""}]
)
def test_what_others_set_too_does_not_make_it_a_container_of_theirs(environ: dict[str, str]) -> None:
    settings = loaded(**environ)
    assert settings.effective() == Settings.load(environ={}).effective()
    assert settings.source.notes == ()


def test_a_service_beside_us_that_is_named_postfix_says_nothing() -> None:
    links = {"POSTFIX_SERVICE_HOST": "10.0.0.1", "POSTFIX_PORT": "tcp://10.0.0.1:587", "POSTFIX_PORT_587_TCP_ADDR": "x"}
    links |= {"RSPAMD_PORT": "tcp://10.0.0.2:11332", "OPENDKIM_SERVICE_PORT": "8891", "XOAUTH2_SERVICE_HOST": "x"}
    assert variables(links) == {}


def test_a_usual_container_is_taken_over() -> None:
    settings = loaded(
        RELAYHOST="[smtp.example.org]:587",
        RELAYHOST_USERNAME="me",
        RELAYHOST_PASSWORD="secret word",
        ALLOWED_SENDER_DOMAINS="example.com example.org",
        POSTFIX_myhostname="relay.example.org",
        POSTFIX_message_size_limit="10240000",
    )
    (route,) = settings.routes
    assert (route.recipient, route.via, route.hosts, route.tls) == (
        "*",
        "smarthost",
        ("smtp.example.org:587",),
        "require",
    )
    assert (route.username, route.password) == ("me", "secret word")
    allowed, others = settings.rules
    assert allowed.sender == ("example.com", ".example.com", "example.org", ".example.org")
    assert (allowed.action, others.action) == ("accept", "reject")
    assert others.sender == others.recipient == others.client == ()
    assert settings.hostname == "relay.example.org"
    assert settings.limits.message_size == 10240000
    assert [listener.port for listener in settings.listeners] == [587]
    private = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    assert settings.relay.networks == tuple(map(ipaddress.ip_network, private))


def test_every_variable_is_told_with_ours_and_no_secret() -> None:
    settings = loaded(RELAYHOST="smtp.example.org", RELAYHOST_USERNAME="me", RELAYHOST_PASSWORD="secret word")
    ours = {note.variable: note.ours for note in settings.source.notes if note.ours}
    assert ours["RELAYHOST_PASSWORD"] == ("ASYNCMTA_ROUTE__0__PASSWORD",)
    assert "ASYNCMTA_ROUTE__0__HOSTS" in ours["RELAYHOST"]
    assert "secret word" not in repr(settings.source)
    assert settings.source.variables["route.0.username"] == "RELAYHOST_USERNAME"


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    settings = loaded(RELAYHOST="a.example", RELAYHOST_USERNAME="me", RELAYHOST_PASSWORD_FILE=str(file))
    assert settings.routes[0].password == "from a file"
    (fault, *_) = faults(RELAYHOST="a.example", RELAYHOST_USERNAME="me", RELAYHOST_PASSWORD_FILE=f"{file}x")
    assert fault == f"environment: RELAYHOST_PASSWORD_FILE: {file}x: cannot be read: No such file or directory"


def test_a_login_without_a_password_is_a_fault() -> None:
    assert faults(RELAYHOST="a.example", RELAYHOST_USERNAME="me") == [
        "environment: RELAYHOST_USERNAME: needs route.0.password too"
    ]


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, "opportunistic"),
        ({"POSTFIX_smtp_tls_security_level": "none"}, "none"),
        ({"POSTFIX_smtp_tls_security_level": "encrypt"}, "require"),
        ({"RELAYHOST_TLS_LEVEL": "secure"}, "verify"),
    ],
)
def test_how_the_relay_host_is_spoken_to(environ: dict[str, str], level: str) -> None:
    assert loaded(RELAYHOST="a.example:25", **environ).routes[0].tls == level


def test_a_level_that_cannot_be_kept_is_a_fault() -> None:
    assert faults(RELAYHOST="a.example", POSTFIX_smtp_tls_security_level="dane-only") == [
        (
            'environment: POSTFIX_smtp_tls_security_level: "dane-only" cannot be kept; '
            "allowed are none, may, encrypt, verify, secure"
        )
    ]


def test_may_with_a_login_is_more_than_may() -> None:
    login = {"RELAYHOST": "a.example", "RELAYHOST_USERNAME": "me", "RELAYHOST_PASSWORD": "x"}
    settings = loaded(**login, POSTFIX_smtp_tls_security_level="may")
    assert settings.routes[0].tls == "require"
    assert said(settings)["POSTFIX_smtp_tls_security_level"] == 'with a login at least ROUTE__0__TLS "require"'
    (fault,) = faults(**login, POSTFIX_smtp_tls_security_level="none")
    assert fault.startswith("environment: POSTFIX_smtp_tls_security_level: ")


def test_tls_from_the_first_octet_and_without_a_relay_host() -> None:
    wrapped = {"POSTFIX_smtp_tls_wrappermode": "yes", "POSTFIX_smtp_tls_security_level": "encrypt"}
    assert loaded(RELAYHOST="a.example:4465", **wrapped).routes[0].implicit_tls
    settings = loaded(**wrapped)
    assert (settings.routes, settings.remote.tls) == ((), "require")


def test_tokens_take_the_place_of_the_password(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of the client")
    settings = loaded(
        RELAYHOST="smtp.example.org:587",
        RELAYHOST_USERNAME="me@example.org",
        RELAYHOST_PASSWORD="not this",
        XOAUTH2_CLIENT_ID="us",
        XOAUTH2_SECRET_FILE=str(file),
        XOAUTH2_INITIAL_ACCESS_TOKEN="short lived",
        XOAUTH2_INITIAL_REFRESH_TOKEN="fresh",
    )
    (route,) = settings.routes
    assert (route.password, route.auth, route.client_id, route.client_secret) == ("", "xoauth2", "us", "of the client")
    assert (route.refresh_token, route.token_url) == ("fresh", "https://accounts.google.com/o/oauth2/token")
    assert "is not needed" in said(settings)["XOAUTH2_INITIAL_ACCESS_TOKEN"]


def test_who_may_send_is_not_widened_by_a_relay_host_alone() -> None:
    settings = loaded(RELAYHOST="a.example")
    assert settings.relay.networks == Settings.load(environ={}).relay.networks
    assert said(settings) == {"ALLOWED_SENDER_DOMAINS": "is not set: only clients of this machine may relay"}


def test_any_sender_when_that_is_said() -> None:
    settings = loaded(ALLOW_EMPTY_SENDER_DOMAINS="true")
    assert settings.rules == ()
    assert len(settings.relay.networks) == 4


@pytest.mark.parametrize("name", ["MYNETWORKS", "POSTFIX_mynetworks"])
def test_networks_are_said_in_either_way(name: str) -> None:
    settings = loaded(**{name: "10.1.2.0/24, [::1]/128 192.0.2.7", "ALLOWED_SENDER_DOMAINS": "example.org"})
    assert [str(network) for network in settings.relay.networks] == ["10.1.2.0/24", "::1/128", "192.0.2.7/32"]


def test_an_open_relay_and_an_exception_are_refused() -> None:
    (fault,) = faults(POSTFIX_mynetworks="0.0.0.0/0")
    assert fault.startswith('environment: POSTFIX_mynetworks: "0.0.0.0/0" would make an open relay')
    (fault,) = faults(POSTFIX_mynetworks="10.0.0.0/8 !10.1.0.0/16")
    assert fault.startswith("environment: POSTFIX_mynetworks: expected a network")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTFIX_smtpd_recipient_restrictions", "check_recipient_access lmdb:/etc/postfix/allowed, reject"),
        ("POSTFIX_smtpd_sender_login_maps", "lmdb:/etc/postfix/logins"),
        ("POSTFIX_header_checks", "regexp:/etc/postfix/checks"),
        ("POSTFIX_smtpd_milters", "inet:filter:8891"),
        ("POSTFIX_content_filter", "smtp:filter:10025"),
        ("POSTFIX_relay_recipient_maps", "lmdb:/x"),
        ("POSTFIX_authorized_submit_users", "root"),
        ("POSTFIX_smtpd_tls_req_ccert", "yes"),
        (
            "POSTFIXMASTER_submission__inet.smtpd_x",
            "submission inet n - y - - smtpd -o smtpd_relay_restrictions=reject",
        ),
        ("POSTFIX_smtpd_sasl_auth_enable", "yes"),
        ("POSTFIX_smtpd_reject_unlisted_sender", "yes"),
        ("POSTFIX_virtual_alias_maps", "static:dev@example.org"),
        ("POSTFIX_recipient_canonical_maps", "regexp:/etc/postfix/everything_to_dev"),
        ("POSTFIX_sender_dependent_relayhost_maps", "lmdb:/etc/postfix/hosts"),
        ("POSTFIX_smtp_tls_policy_maps", "lmdb:/etc/postfix/tls"),
        ("POSTFIX_default_transport", "discard:"),
        ("SMTP_HEADER_CHECKS", "1"),
        ("SMTPD_SASL_USERS", "me:secret word"),
    ],
)
def test_a_restriction_that_cannot_be_kept_stops(name: str, value: str) -> None:
    name = name.replace(".", "_")
    (fault,) = faults(ALLOWED_SENDER_DOMAINS="example.org", **{name: value})
    assert fault.startswith(f"environment: {name}: ")
    assert "secret word" not in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTFIX_smtpd_sasl_auth_enable", "no"),
        ("POSTFIX_smtpd_sasl_security_options", "noanonymous"),
        ("POSTFIX_alias_maps", "lmdb:/etc/postfix/aliases"),
        ("POSTFIX_smtpd_tls_security_level", "may"),
        ("POSTFIX_smtp_address_preference", "ipv4"),
        ("POSTFIXMASTER_smtp__inet", "smtp inet n - y - - smtpd"),
        ("DKIM_SELECTOR", "mail"),
        ("RSPAMD_options__x", "1"),
        ("AUTOSET_HOSTNAME", "1"),
        ("SKIP_ROOT_SPOOL_CHOWN", "1"),
        ("RELAYHOST_PASSWORD", "secret word"),
    ],
)
def test_what_restricts_nobody_is_passed_over_and_said(name: str, value: str) -> None:
    settings = loaded(ALLOWED_SENDER_DOMAINS="example.org", **{name: value})
    assert said(settings).keys() == {name}
    assert "secret word" not in said(settings)[name]


def test_plain_parameters_become_keys() -> None:
    settings = loaded(
        POSTFIX_maximal_queue_lifetime="2",
        POSTFIX_bounce_queue_lifetime="1d",
        POSTFIX_delay_warning_time="3",
        POSTFIX_always_bcc="archive@example.org",
        POSTFIX_inet_protocols="ipv4",
        POSTFIX_smtp_bind_address="192.0.2.1",
        POSTFIX_smtpd_recipient_limit="500",
        POSTFIX_relay_domains="example.net, example.org",
        INBOUND_DEBUGGING="1",
        ANONYMIZE_EMAILS="smart",
        LOG_FORMAT="plain",
        HOSTNAME="mail.example.org",
    )
    queue = settings.queue
    assert (queue.lifetime, queue.bounce_lifetime, queue.delay_warning) == (172800.0, 86400.0, 10800.0)
    assert settings.bccs[0].to == "archive@example.org"
    assert (settings.remote.addresses, settings.remote.source_addresses) == ("ipv4", ("192.0.2.1",))
    assert settings.limits.recipients == 500
    assert settings.relay.domains == ("example.net", "example.org")
    assert (settings.log.level, settings.log.addresses, settings.log.format) == ("debug", "hash", "console")
    assert settings.hostname == "mail.example.org"


@pytest.mark.parametrize("value", ["0", "no", "noop"])
def test_addresses_stay_as_they_are_where_that_is_said(value: str) -> None:
    assert loaded(ANONYMIZE_EMAILS=value).log.addresses == "plain"


def test_certificates_of_the_listener() -> None:
    (fault, *_) = faults(POSTFIX_smtpd_tls_security_level="encrypt")
    assert "POSTFIX_smtpd_tls_security_level" in fault
    found = faults(POSTFIX_smtpd_tls_security_level="may", POSTFIX_smtpd_tls_cert_file="/nowhere.pem")
    assert any("POSTFIX_smtpd_tls_cert_file: " in fault for fault in found)


def test_hosts_are_masqueraded_in_the_envelope() -> None:
    settings = loaded(MASQUERADED_DOMAINS="example.com example.org")
    assert [rewrite.to for rewrite in settings.rewrites] == [r"\1@example.com", r"\1@example.org"]
    assert {(rewrite.at, rewrite.address) for rewrite in settings.rewrites} == {("entry", "sender")}
    assert "in the header" in said(settings)["MASQUERADED_DOMAINS"]


def test_ours_win_and_that_is_said() -> None:
    settings = loaded(
        RELAYHOST="a.example",
        ASYNCMTA_SMARTHOST="b.example:587",
        POSTFIX_myhostname="theirs.example",
        ASYNCMTA_HOSTNAME="ours.example",
        ASYNCMTA_LISTENER__0__PORT="2526",
        POSTFIX_mynetworks="10.0.0.0/8",
        ASYNCMTA_RELAY__NETWORKS="127.0.0.0/8",
        POSTFIX_maximal_queue_lifetime="1d",
        ASYNCMTA_QUEUE__BOUNCE_LIFETIME="1h",
    )
    assert (settings.smarthost, settings.routes, settings.hostname) == ("b.example:587", (), "ours.example")
    assert settings.listeners[0].port == 2526
    assert settings.relay.networks == (ipaddress.ip_network("127.0.0.0/8"),)
    assert settings.queue.lifetime == 86400.0
    passed = said(settings)
    assert passed["RELAYHOST"].startswith("is passed over: ASYNCMTA_ROUTE__0__")
    assert passed["POSTFIX_myhostname"] == "is passed over: ASYNCMTA_HOSTNAME or its table is set"


def test_listeners_of_ours_keep_their_ports(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[[listener]]\nport = 2526\n[[listener]]\naddress = "127.0.0.2"\n')
    settings = Settings.load(file, environ=ON | {"ALLOW_EMPTY_SENDER_DOMAINS": "1"})
    assert [listener.port for listener in settings.listeners] == [2526, 2525]
    file.write_text("listener = 7\n")
    with pytest.raises(InvalidConfig):
        Settings.load(file, environ=ON | {"ALLOW_EMPTY_SENDER_DOMAINS": "1"})


def test_rules_of_ours_do_not_drop_theirs_unsaid() -> None:
    assert faults(ALLOWED_SENDER_DOMAINS="example.org", ASYNCMTA_RULE__0__ACTION="accept") == [
        (
            "environment: ALLOWED_SENDER_DOMAINS: there is a [[rule]] of your own, which would drop this one; "
            "say it there, and take this away"
        )
    ]


def test_values() -> None:
    assert host_and_port("a.example") == host_and_port("[a.example]") == "a.example:25"
    assert host_and_port("[2001:db8::1]:587") == "[2001:db8::1]:587"
    assert host_and_port("[2001:db8::1]") == "[2001:db8::1]:25"
    assert host_and_port("a:b") == "a:b"
    assert networks("10.0.0.0/8,10.0.0.0/8") == ["10.0.0.0/8"]
    assert with_subdomains(domains("a.example,b@c.example .d.example a.example")) == [
        "a.example",
        ".a.example",
        "b@c.example",
        ".d.example",
    ]
    assert (size("0"), size("5")) == ("1TiB", "5B")
    assert (time_in("d")("2w"), time_in("d")("$x")) == ("1209600s", "$x")


def test_nothing_there_is_nothing_said() -> None:
    assert variables({"POSTFIX_x": "", "PATH": "/bin"}) == {}
    assert translate({}).said == ()

"""Who we are to a next hop, as the settings say it; what cannot be meant is in tests/bad_configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from asyncmta.config import InvalidConfig, Settings
from asyncmta.config_kinds import Unfit
from asyncmta.config_texts import token_url
from asyncmta.credentials import Grant, Identity, Login
from asyncmta.mail.address import parse_address
from asyncmta.routing import Mx, Route, Smarthost

HOST = {"via": "smarthost", "hosts": ["smtp.example.org:587"]}
TOKEN = {"username": "me", "token_url": "https://id.example/t", "client_id": "we", "refresh_token": "hush"}


def route_of(settings: Settings) -> Route:
    return settings.routing().route(parse_address("x@elsewhere.example"), None)


def smarthost(**keys: Any) -> Smarthost:
    found = route_of(Settings.from_dict({"route": [{**HOST, **keys}]}))
    assert isinstance(found, Smarthost)
    return found


def test_a_password() -> None:
    found = smarthost(username="me", password="hush", auth="cram-md5")
    assert found.login == Login("me", "hush", "cram-md5")
    assert "hush" not in repr(found)
    assert (found.tls, found.identity, found.implicit_tls) == ("verify", None, False)
    assert smarthost().login is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"token_file": "/run/token"}, Grant(file="/run/token")),
        ({"token_command": ["get", "-v", "me", "-v"]}, Grant(command=("get", "-v", "me", "-v"))),
        (
            {**TOKEN, "client_secret": "s", "token_scope": "mail offline"},
            Grant(
                url="https://id.example/t",
                client_id="we",
                client_secret="s",
                refresh_token="hush",
                scope="mail offline",
            ),
        ),
    ],
)
def test_tokens_of_three_sources(keys: dict[str, Any], expected: Grant) -> None:
    assert smarthost(**{"username": "me", **keys}).login == Login("me", "", "auto", expected)


def test_tokens_to_this_machine_may_travel_in_clear() -> None:
    found = smarthost(**TOKEN, hosts=["localhost:25", "[::1]:25", "127.0.0.2:25"], tls="none")
    assert found.login is not None


def test_secrets_come_from_files_and_do_not_show(tmp_path: Path) -> None:
    pem = tmp_path / "me.pem"
    trustme.CA().issue_cert("me.example").private_key_and_cert_chain_pem.write_to_path(pem)
    (tmp_path / "refresh").write_text("hush\n")
    (tmp_path / "secret").write_text("hush-hush\n")
    config = tmp_path / "config.toml"
    config.write_text(
        '[[route]]\nvia = "smarthost"\nhosts = ["smtp.example.org:465"]\nusername = "me"\nclient_id = "we"\n'
        'token_url = "https://id.example/t"\ncertificate = "me.pem"\nimplicit_tls = true\ntoken_scope = "mail"\n'
    )
    settings = Settings.load(
        config,
        environ={
            "ASYNCMTA_ROUTE__0__REFRESH_TOKEN_FILE": str(tmp_path / "refresh"),
            "ASYNCMTA_ROUTE__0__CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        },
    )
    found = route_of(settings)
    assert isinstance(found, Smarthost)
    assert found.identity == Identity(str(pem))
    assert found.implicit_tls
    assert found.login is not None
    assert found.login.grant == Grant(
        url="https://id.example/t", client_id="we", client_secret="hush-hush", refresh_token="hush", scope="mail"
    )
    shown = settings.effective()
    assert "hush" not in str(shown) + repr(found)
    assert shown["route"][0]["refresh_token"] == shown["route"][0]["client_secret"] == "********"
    assert shown["route"][0]["tls"] == "verify"


def test_levels_by_mx() -> None:
    tree = {
        "remote": {"tls": "require"},
        "route": [
            {"recipient": "safe.example", "via": "mx", "tls": "verify"},
            {"recipient": "plain.example", "via": "mx"},
        ],
    }
    settings = Settings.from_dict(tree)
    routing = settings.routing()
    keys = {name: routing.destination(parse_address(f"x@{name}.example"), None) for name in ("safe", "plain", "other")}
    assert keys == {
        "safe": "mx:safe.example tls=verify",
        "plain": "mx:plain.example",
        "other": "mx:other.example",
    }
    assert [routing.route_of(key) for key in keys.values()] == [
        Mx("safe.example", "verify"),
        Mx("plain.example"),
        Mx("other.example"),
    ]
    assert settings.remote.tls == "require"
    assert "route 0 (recipient safe.example, sender *): matches, mx: tls=verify" in routing.explain(
        parse_address("x@safe.example"), None
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://id.example/t",
        "https://id.example:8443/t?x=y",
        "http://127.0.0.1:8080/t",
        "http://[::1]/t",
        "http://localhost/",
    ],
)
def test_where_tokens_may_be_asked_for(text: str) -> None:
    assert token_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://id.example/t",
        "ftp://id.example/t",
        "https:///t",
        "https://me:pass@id.example/t",
        "https://id.example:99999/t",
        "https://id.example:0/t",
        "https://id.example/t#x",
        "https://id.example/t x",
        "https://ïd.example/t",
        "https://[::1/t",
        "http://192.0.2.1/t",
    ],
)
def test_where_they_may_not(text: str) -> None:
    with pytest.raises(Unfit, match="expected an address such as"):
        token_url(text)


def test_a_fault_of_one_key_hides_no_other_and_brings_none() -> None:
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict({"route": [{**HOST, "username": "me", "token_url": "nonsense"}]})
    assert len(caught.value.faults) == 1

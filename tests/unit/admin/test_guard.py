"""Who may come in over TCP."""

from __future__ import annotations

import pytest

from asyncmta.admin.guard import Guard, host_name, is_loopback

TOKEN = Guard(token="s3crét", host="192.0.2.1")
OPEN = Guard(token="", host="127.0.0.1")
BEARER = "Bearer s3crét"


def status(guard, path="/v1/queue", **headers):
    refusal = guard.refusal(path, {key.capitalize(): value for key, value in headers.items()})
    return refusal.status if refusal else None


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic s3crét", "s3crét", "Bearer s3crétx"])
def test_a_wrong_token_stays_outside(given):
    assert status(TOKEN, authorization=given, host="mta.example") == 401


@pytest.mark.parametrize("given", [BEARER, "bearer s3crét"])
def test_the_token_opens(given):
    assert status(TOKEN, authorization=given, host="any.name.example:80") is None


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_need_no_token(path):
    assert status(TOKEN, path, host="x") is None
    assert status(TOKEN, path + "/x", host="x") == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8025", "localhost:8025", "LOCALHOST", "[::1]:8025", "127.0.0.7"])
def test_without_a_token_loopback_names_come_in(host):
    assert status(OPEN, host=host) is None


LED_HERE = ["", "evil.example", "localhost.evil.example:8025", "192.0.2.1", "[", "::1", "[::1].evil.example"]


@pytest.mark.parametrize("host", LED_HERE)
def test_without_a_token_a_name_that_was_led_here_stays_outside(host):
    assert status(OPEN, host=host) == 403


def test_a_page_of_another_site_cannot_ask():
    assert status(OPEN, host="localhost:8025", origin="http://evil.example") == 403
    assert status(OPEN, host="localhost:8025", origin="null") == 403
    assert status(OPEN, host="localhost:8025", origin="http://localhost:8026") == 403
    assert status(OPEN, host="localhost:8025", origin="http://LOCALHOST:8025") is None
    assert status(TOKEN, host="a", origin="http://evil.example", authorization=BEARER) == 403


def test_names_and_addresses():
    assert host_name("[::1]:25") == "::1"
    assert host_name("Example.ORG:80") == "example.org"
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("")

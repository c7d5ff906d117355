"""The tables `[suppression]` and `[[webhook]]`: what they mean, and what cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.config_suppression import automatic_of

HOOK = {"url": "https://app.example.org/events", "secret": "whispered by nobody"}


def test_nobody_is_put_on_the_list_by_default() -> None:
    settings = Settings.from_dict({}, folder="/etc/mail")
    assert automatic_of(settings.suppression).classes == frozenset()
    assert (settings.suppression.file, settings.suppression.action) == ("", "refuse")
    assert settings.webhooks == ()


def test_which_failures_count() -> None:
    table = {"automatic": ["hard", "spam"], "automatic_after": 2, "automatic_expires": "0s", "file": "list"}
    settings = Settings.from_dict({"suppression": table}, folder="/etc/mail")
    automatic = automatic_of(settings.suppression)
    assert automatic.classes == {"no_mailbox", "no_domain", "disabled", "spam"}
    assert (automatic.after, automatic.window, automatic.expires) == (2, 30 * 86400.0, 0.0)
    assert settings.suppression.file == "/etc/mail/list"


def test_a_webhook_and_its_defaults() -> None:
    settings = Settings.from_dict({"webhook": [HOOK]})
    (table,) = settings.webhooks
    assert table.events == ("delivered", "deferred", "failed", "expired", "bounced")
    assert (table.batch, table.timeout, table.plain_http) == (100, 10.0, False)
    assert "whispered" not in str(settings.effective())
    variables = {"ASYNCMTA_WEBHOOK__0__URL": HOOK["url"], "ASYNCMTA_WEBHOOK__0__SECRET": HOOK["secret"]}
    assert Settings.load(environ=variables).webhooks == settings.webhooks
    local = Settings.from_dict({"webhook": [HOOK | {"url": "http://127.0.0.1:8080/x"}]})
    assert local.webhooks[0].url == "http://127.0.0.1:8080/x"
    plain = Settings.from_dict({"webhook": [HOOK | {"url": "http://app:8080/x", "plain_http": True}]})
    assert plain.webhooks[0].url == "http://app:8080/x"


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"suppression": {"automatic": ["nonsense"]}}, "suppression.automatic"),
        ({"webhook": [HOOK | {"url": ""}]}, "webhook.0.url"),
        ({"webhook": [HOOK | {"url": "ftp://x.example/"}]}, "webhook.0.url"),
        ({"webhook": [HOOK | {"url": "https://[::1/"}]}, "webhook.0.url"),
        ({"webhook": [HOOK | {"url": "https://me:pass@x.example/"}]}, "webhook.0.url"),
        ({"webhook": [HOOK | {"url": "http://app.example.org/"}]}, "webhook.0.url"),
        ({"webhook": [HOOK, HOOK]}, "webhook.1.url"),
        ({"webhook": [HOOK | {"secret": ""}]}, "webhook.0.secret"),
        ({"webhook": [HOOK | {"secret": "short"}]}, "webhook.0.secret"),
        ({"webhook": [HOOK | {"secret": "whsec_!"}]}, "webhook.0.secret"),
        ({"webhook": [HOOK | {"events": []}]}, "webhook.0.events"),
        ({"webhook": [HOOK | {"events": ["delivered", "opened"]}]}, "webhook.0.events"),
        ({"webhook": [HOOK], "mode": "null-client", "smarthost": "relay.example:25"}, "mode"),
    ],
)
def test_what_cannot_be_meant(tables: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict(tables)
    assert [fault.split(": ")[1] for fault in caught.value.faults] == [key]

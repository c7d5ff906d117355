"""The table `[[webhook]]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at whether somebody is there.

docs/webhooks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Struct

from asyncmta.config_kinds import Choice, Duration, Flag, Text, TextList, Unfit, Whole, named_url
from asyncmta.config_texts import any_text, is_loopback
from asyncmta.webhooks.events import KINDS, USUAL
from asyncmta.webhooks.signing import SHORTEST_SECRET, InvalidSecret, key_of

Report = Callable[..., None]


def http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_url(text) from None
    if parts.scheme not in ("https", "http") or not host or port == 0 or parts.fragment:
        raise _no_url(text)
    if not text.isascii() or " " in text or parts.username is not None:
        raise _no_url(text)
    return text


def _no_url(text: str) -> Unfit:
    return Unfit(f'expected an address such as "https://app.example.org/mail-events", got {named_url(text)}')


def secret(text: str) -> str:
    try:
        key_of(text)
    except InvalidSecret as error:
        raise Unfit(str(error)) from None
    return text


class Secret(Struct, frozen=True):
    """A secret that nobody may see, shown as one that would be taken."""

    def parse(self, value: Any) -> str:
        found: str = _SECRET.parse(value)
        return found

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: str) -> str:
        return "*" * SHORTEST_SECRET if value else ""


_SECRET = Text(secret, optional=True, secret=True)


class WebhookTable(Struct, frozen=True, kw_only=True):
    url: Annotated[str, Text(http_url, optional=True)] = ""
    secret: Annotated[str, Secret()] = ""
    events: Annotated[tuple[str, ...], TextList(Text(any_text))] = USUAL
    batch: Annotated[int, Whole(1, 1000)] = 100
    timeout: Annotated[float, Duration(0.1, 300.0)] = 10.0
    plain_http: Annotated[bool, Flag()] = False


_KIND = Choice(KINDS)


def check_webhooks(tables: Iterable[WebhookTable], mode: str, report: Report) -> None:
    """Report who cannot be told, or could be read by others."""
    seen: set[str] = set()
    for index, table in enumerate(tables):
        path = f"webhook.{index}"
        if mode == "null-client":
            report("mode", '"null-client" has no journal to tell of; leave out [[webhook]]')
            return
        if not table.url:
            report(f"{path}.url", "a [[webhook]] needs an address")
            continue
        if not table.secret:
            report(f"{path}.secret", "a [[webhook]] needs a secret, such as what is printed by: openssl rand -hex 32")
        if table.url in seen:
            report(f"{path}.url", "is there twice; put the events into one [[webhook]]")
        seen.add(table.url)
        _check_events(path, table, report)
        parts = urlsplit(table.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not table.plain_http:
            said = "would go over a network in the clear; use https, or set plain_http = true"
            report(f"{path}.url", said, f"{path}.plain_http")


def _check_events(path: str, table: WebhookTable, report: Report) -> None:
    if not table.events:
        report(f"{path}.events", f"names none; known are {', '.join(KINDS)}")
    for name in table.events:
        try:
            _KIND.parse(name)
        except Unfit as error:
            report(f"{path}.events", str(error))
            return

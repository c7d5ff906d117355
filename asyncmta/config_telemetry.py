"""The table `[telemetry]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at whether a collector is there, or the libraries of the extra (`telemetry/extra`).

docs/telemetry.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from asyncmta.config_kinds import Text, Unfit, named, named_url
from asyncmta.config_texts import any_text, is_loopback

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")

Report = Callable[..., None]


def base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_url(text) from None
    if parts.scheme not in ("https", "http") or not host or port == 0 or parts.query or parts.fragment:
        raise _no_url(text)
    if not text.isascii() or " " in text or parts.username is not None:
        raise _no_url(text)
    return text


def _no_url(text: str) -> Unfit:
    return Unfit(f'expected an address such as "http://collector:4318", got {named_url(text)}')


def header_list(text: str) -> str:
    headers_of(text)
    return text


def headers_of(text: str) -> dict[str, str]:
    """`name=value,other=value`, values percent-encoded, as OTEL_EXPORTER_OTLP_HEADERS has them. Raises Unfit."""
    found: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = part.partition("=")
        value = unquote(value.strip())
        if not equals or not _HEADER.match(name.strip()) or not value.isascii() or not value.isprintable():
            raise Unfit('expected headers such as "authorization=Bearer%20word,other=value"')
        found[name.strip().lower()] = value
    return found


class Share(Struct, frozen=True):
    """A number from 0 to 1."""

    def parse(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise Unfit(f"expected a number from 0.0 to 1.0, got {named(value)}")
        return float(value)

    def from_text(self, text: str) -> Any:
        return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text, re.ASCII) else text

    def show(self, value: float) -> float:
        return value


class TelemetryTable(Struct, frozen=True, kw_only=True):
    endpoint: Annotated[str, Text(base_url, optional=True)] = ""
    service_name: Annotated[str, Text(any_text)] = "asyncmta"
    sample: Annotated[float, Share()] = 0.01
    headers: Annotated[str, Text(header_list, optional=True, secret=True)] = ""


def check_telemetry(table: TelemetryTable, mode: str, has_extra: Callable[[], bool], report: Report) -> None:
    """Report what cannot be told, or could be read by others."""
    if not table.endpoint:
        return
    if mode == "null-client":
        report("mode", '"null-client" has no queue to tell of; leave out telemetry.endpoint', "telemetry.endpoint")
    parts = urlsplit(table.endpoint)
    if table.headers and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        said = "would go over a network in the clear; use an https endpoint, or leave them out"
        report("telemetry.headers", said, "telemetry.endpoint")
    if not has_extra():
        report("telemetry.endpoint", "needs the extra: pip install 'asyncmta[otel]'")

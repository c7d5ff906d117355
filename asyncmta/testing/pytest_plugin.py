"""Fixtures for pytest: `mta`, a running one with a spool of its own; `smtp_sink`, a server that takes what it relays;
`clock`, a `FakeClock`.

Installed with the package (entry point pytest11), so that a test only has to name them. The `mta` of these fixtures
cannot reach a stranger: whatever is not for `example.org`, whose mailboxes are below the test's temporary directory,
goes to `smtp_sink`. Other settings: define a fixture `mta_settings` of your own that returns a dict. Never: anything
that works without pytest; that is in the other files of this package.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asyncmta.testing.clock import FakeClock
from asyncmta.testing.smtp_sink import SmtpSink

if TYPE_CHECKING:
    from asyncmta import Mta

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # it is an extra; every pytest run where asyncmta is installed loads this file, and must not break
    async_fixture = pytest.fixture  # type: ignore[assignment]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still; `clock.advance(seconds)` moves it."""
    return FakeClock()


@async_fixture
async def smtp_sink() -> AsyncIterator[SmtpSink]:
    """A receiving server on a free port: `smtp_sink.messages`, `smtp_sink.script(...)`, `smtp_sink.address`."""
    async with SmtpSink() as sink:
        yield sink


@pytest.fixture
def mta_settings(tmp_path: Path, smtp_sink: SmtpSink) -> dict[str, Any]:
    """The settings of `mta`, as config.toml would have them."""
    host, port = smtp_sink.address
    return {
        "hostname": "mta.example",
        "spool": str(tmp_path / "spool"),
        "listener": [{"address": "127.0.0.1", "port": 0}],
        "local": {
            "domains": ["example.org"],
            "maildir": str(tmp_path / "mail" / "{domain}" / "{local_part}"),
            "mailboxes": "any",
        },
        "route": [{"recipient": "*", "via": "smarthost", "hosts": [f"{host}:{port}"], "tls": "none"}],
    }


@async_fixture
async def mta(mta_settings: dict[str, Any]) -> AsyncIterator[Mta]:
    """An MTA that listens when the test begins (`mta.addresses[0]`) and is drained when it ends."""
    from asyncmta import Mta, Settings  # noqa: PLC0415 - a suite that only wants a sink need not load all of it

    async with Mta(Settings.from_dict(mta_settings)) as running:
        yield running

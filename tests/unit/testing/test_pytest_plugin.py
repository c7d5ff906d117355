# ruff: noqa: F811 - a fixture is imported, and named by a parameter
"""The fixtures, used as a user's test uses them. (Imported here, so that it makes no difference whether the package's
entry point is installed.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncmta import Mta
from asyncmta.testing.client import RawClient
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.pytest_plugin import clock, mta, mta_settings, smtp_sink  # noqa: F401 - fixtures
from asyncmta.testing.smtp_sink import SmtpSink


def test_a_clock(clock: FakeClock) -> None:
    before = clock.now()
    clock.advance(60.0)
    assert clock.now() == before + 60.0


async def test_a_sink(smtp_sink: SmtpSink) -> None:
    async with RawClient(*smtp_sink.address) as client:
        await client.hello()
        await client.send_message("a@x.example", ["b@y.example"], b"hello")
    assert [message.content for message in smtp_sink.messages] == [b"hello\r\n"]


async def test_an_mta_relays_to_the_sink_and_delivers_to_mailboxes(
    mta: Mta,
    smtp_sink: SmtpSink,
    tmp_path: Path,
) -> None:
    async with RawClient(*mta.addresses[0]) as client:
        await client.hello()
        replies = await client.send_message(
            "me@example.org", ["you@far.example", "alice@example.org"], b"Subject: hi\r\n\r\nbody\r\n"
        )
        assert [reply.code for reply in replies] == [250, 250, 250, 354, 250]
    await mta.idle(timeout=10)
    [relayed] = smtp_sink.messages
    assert relayed.recipients == ("you@far.example",)
    assert relayed.content.endswith(b"Subject: hi\r\n\r\nbody\r\n")
    [delivered] = (tmp_path / "mail/example.org/alice/new").iterdir()
    assert delivered.read_bytes().startswith(b"Return-Path: <me@example.org>\nDelivered-To: alice@example.org\n")
    assert smtp_sink.violations == []


class TestOtherSettings:
    @pytest.fixture
    def mta_settings(self, mta_settings: dict[str, Any]) -> dict[str, Any]:
        return {**mta_settings, "hostname": "other.example"}

    async def test_a_fixture_of_ones_own_changes_the_settings(self, mta: Mta) -> None:
        async with RawClient(*mta.addresses[0]) as client:
            assert (await client.reply()).text.startswith("other.example")


def test_it_loads_where_pytest_asyncio_is_missing() -> None:
    code = (
        "import sys; sys.modules['pytest_asyncio'] = None\n"
        "from asyncmta.testing import pytest_plugin\n"
        "print(pytest_plugin.async_fixture.__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("_pytest")


def test_the_rest_of_the_kit_needs_no_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; sys.modules['pytest_asyncio'] = None\n"
        "from asyncmta.testing import client, clock, disk, dns, smtp_sink\n"
        "print(smtp_sink.SmtpSink.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "SmtpSink\n"

"""What a start pays for: only what every relay needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from asyncmta.cli import serve
from asyncmta.config import Settings

NOT_BEFORE_THE_FIRST_MAIL = (
    "aiohttp",
    "jinja2",
    "opentelemetry",
    "prometheus_client",
    "pygments",
    "rich",
    "structlog",
    "textual",
)
"""Libraries that take long to import, for whoever uses what they are for."""


def test_listening_waits_for_no_library_that_mail_does_not_need() -> None:
    code = (
        f"import sys, asyncmta.cli.serve; print([name for name in {NOT_BEFORE_THE_FIRST_MAIL} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_the_drop_directory_stands_before_the_control_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever stops it right after its start has a `sendmail` that can leave nothing."""
    stood: list[bool] = []

    async def imported(_: str) -> ModuleType:
        stood.append((tmp_path / "spool" / "drop").is_dir())
        raise ModuleNotFoundError("no HTTP today")

    monkeypatch.setattr(serve, "imported", imported)
    config = tmp_path / "config.toml"
    config.write_text(
        f'hostname = "mta.test"\nspool = "{tmp_path}/spool"\n[[listener]]\naddress = "127.0.0.1"\nport = 0\n'
    )
    with pytest.raises(ModuleNotFoundError, match="no HTTP today"):
        await serve.Service(Settings.load(config)).run()
    assert stood == [True]

"""What a start pays for: only what every relay needs."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from asyncmta.admin import control_socket
from asyncmta.admin.client import ControlClient
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

    def bind(_: str) -> socket.socket:
        stood.append((tmp_path / "spool" / "drop").is_dir())
        raise ModuleNotFoundError("no sockets today")

    monkeypatch.setattr(control_socket, "bind", bind)
    with pytest.raises(ModuleNotFoundError, match="no sockets today"):
        await serve.Service(settings(tmp_path)).run()
    assert stood == [True]


async def test_http_is_loaded_for_the_first_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    async def imported(name: str) -> ModuleType:
        loaded.append(name)
        return import_module(name)

    monkeypatch.setattr(serve, "imported", imported)
    ready = asyncio.Event()
    monkeypatch.setattr(serve, "freeze", ready.set)  # the last step of a start
    service = serve.Service(settings(tmp_path))
    running = asyncio.create_task(service.run())
    path = tmp_path / "spool" / "control.sock"
    await ready.wait()
    assert loaded == []
    answers = await asyncio.to_thread(lambda: [ControlClient(str(path)).get("/v1/sites") for _ in range(2)])
    assert answers == [{"sites": []}] * 2
    assert loaded == ["asyncmta.admin.door"]
    service._stop(signal.SIGTERM)
    assert await running == 0
    assert not path.exists()


async def test_a_door_over_tcp_is_there_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def imported(_: str) -> ModuleType:
        raise ModuleNotFoundError("no HTTP today")

    monkeypatch.setattr(serve, "imported", imported)
    with pytest.raises(ModuleNotFoundError, match="no HTTP today"):
        await serve.Service(settings(tmp_path, '[admin]\nlisten = "127.0.0.1:8025"\n')).run()
    assert not (tmp_path / "spool" / "control.sock").exists()


def settings(folder: Path, more: str = "") -> Settings:
    config = folder / "config.toml"
    config.write_text(
        f'hostname = "mta.test"\nspool = "{folder}/spool"\n[[listener]]\naddress = "127.0.0.1"\nport = 0\n{more}'
    )
    return Settings.load(config)

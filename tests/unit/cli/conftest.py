"""The command line as a user has it: `run(...)` gives exit code, standard output and standard error.

`mta` is the stand-in of tests/unit/admin behind its real control socket, served by a thread of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import pathlib
import sys
import threading

import pytest

from asyncmta.admin.door import Door
from asyncmta.cli.main import main

_spec = importlib.util.spec_from_file_location(
    "fake_mta", pathlib.Path(__file__).parent.parent / "admin" / "conftest.py"
)
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)


class Ended:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"code {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration of its own, found by the environment."""
    path = tmp_path / "config.toml"
    path.write_text('hostname = "mta.example"\nspool = "spool"\n')
    (tmp_path / "spool").mkdir()
    monkeypatch.setenv("ASYNCMTA_CONFIG", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def run(config, capsysbinary, monkeypatch):
    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capsysbinary.readouterr()
        return Ended(int(ended.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture
def mta(config):
    fake = fakes.FakeMta()
    fake.rows = [fakes.Row(fakes.identity(number), accepted_at=1000.0 + number) for number in (3, 2, 1)]
    ready, stop = threading.Event(), []

    async def serve():
        door = Door(
            fake,
            socket_path=str(config.parent / "spool" / "control.sock"),
            listen="",
            token="",
            message_size=10_000,
            on_error=lambda *_: None,
        )
        await door.open()
        over = asyncio.Event()
        stop.append((asyncio.get_running_loop(), over))
        ready.set()
        await over.wait()
        await door.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield fake
    loop, over = stop[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()

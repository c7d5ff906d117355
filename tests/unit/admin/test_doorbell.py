"""Who rings at the control socket before the door is built."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from asyncmta.admin import control_socket
from asyncmta.admin.control_socket import SocketTaken
from asyncmta.admin.door import Door
from asyncmta.admin.doorbell import Doorbell

ASKED = b"GET /livez HTTP/1.0\r\n\r\n"


class Home:
    """A doorbell with the real door behind it, which is built when it is told."""

    def __init__(self, fake, path, failure=None):
        self.built, self.errors = 0, []
        self.stopped: BaseException = asyncio.CancelledError()
        self.building, self.may_build = asyncio.Event(), asyncio.Event()
        self._fake, self._path, self.failure = fake, path, failure
        self.bell = Doorbell(path, build=self._build, on_error=lambda *told: self.errors.append(told))

    async def _build(self, control):
        self.built += 1
        self.building.set()
        try:
            await self.may_build.wait()
        except asyncio.CancelledError:
            raise self.stopped from None
        if self.failure is not None:
            raise self.failure
        door = Door(
            self._fake, socket_path=self._path, listen="", token="", message_size=100,
            on_error=lambda *_: None, control=control,
        )  # fmt: skip
        await door.open()
        return door


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "control.sock")


@pytest.fixture
async def home(fake, path):
    home = Home(fake, path)
    home.bell.hang()
    yield home
    await home.bell.close()


async def asked(path):
    """What is answered, or nothing."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(ASKED)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_nothing_is_built_before_somebody_rings(home):
    await asyncio.sleep(0)
    assert home.built == 0


async def test_all_who_rang_meanwhile_are_answered_by_one_door(home, path):
    waiting = [asyncio.ensure_future(asked(path)) for _ in range(3)]
    await home.building.wait()
    home.may_build.set()
    assert [answer[:15] for answer in await asyncio.gather(*waiting)] == [b"HTTP/1.0 200 OK"] * 3
    assert (await asked(path)).startswith(b"HTTP/1.0 200 OK")
    assert home.built == 1


async def test_a_door_that_cannot_be_built_is_told_of_and_nobody_waits(fake, path, tmp_path):
    failure = ModuleNotFoundError("no HTTP today")
    home = Home(fake, path, failure)
    home.may_build.set()
    home.bell.hang()
    assert await asked(path) == b""
    assert home.errors == [("the control socket", failure)]
    await home.bell.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_door_that_could_not_be_built_is_tried_again_for_the_next_who_rings(fake, path):
    """Descriptors that ran out for a moment do not cost an operator the door for as long as the process runs."""
    home = Home(fake, path, OSError(errno.EMFILE, "Too many open files"))
    home.may_build.set()
    home.bell.hang()
    assert [await asked(path) for _ in range(2)] == [b"", b""]
    home.failure = None
    assert (await asked(path)).startswith(b"HTTP/1.0 200 OK")
    assert (home.built, len(home.errors)) == (3, 2)
    assert os.stat(path).st_mode & 0o777 == 0o600
    await home.bell.close()


async def test_a_bell_that_cannot_be_hung_again_is_told_of(fake, path, monkeypatch, tmp_path):
    failure, gone = MemoryError(), OSError(errno.EMFILE, "Too many open files")
    home = Home(fake, path, failure)
    home.may_build.set()
    home.bell.hang()

    def bind(_):
        raise gone

    monkeypatch.setattr(control_socket, "bind", bind)
    assert await asked(path) == b""
    assert home.errors == [("the control socket", failure), ("the control socket", gone)]
    await home.bell.close()
    assert list(tmp_path.iterdir()) == []


async def test_closed_while_the_door_is_being_built(home, path, tmp_path):
    waiting = asyncio.ensure_future(asked(path))
    await home.building.wait()
    await home.bell.close()
    assert await waiting == b""
    assert (home.errors, list(tmp_path.iterdir())) == ([], [])


async def test_closed_while_a_door_fails_it_is_not_hung_again(home, path, tmp_path, monkeypatch):
    """Else somebody could ring again before it is gone."""
    waiting = asyncio.ensure_future(asked(path))
    await home.building.wait()
    hung = []
    monkeypatch.setattr(control_socket, "bind", hung.append)

    home.stopped = OSError(errno.EIO, "what was half built does not go away")
    await home.bell.close()
    assert await waiting == b""
    assert (hung, list(tmp_path.iterdir())) == ([], [])


async def test_closed_before_anybody_rang(home, tmp_path):
    await home.bell.close()
    await home.bell.close()
    assert (home.built, list(tmp_path.iterdir())) == (0, [])


async def test_a_socket_that_is_taken_refuses_the_start(fake, path):
    with control_socket.bind(path), pytest.raises(SocketTaken):
        Home(fake, path).bell.hang()


async def test_the_socket_is_of_its_owner_alone_from_the_start(home, path):
    with socket.socket(socket.AF_UNIX) as ringing:
        ringing.connect(path)
    assert os.stat(path).st_mode & 0o777 == 0o600

"""The thread that needs no lock, on real files. Where it was not compiled, a Python thread does its work."""

from __future__ import annotations

import errno
import os
import resource
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from asyncmta.system.appending import VERSION
from asyncmta.system.disk import PosixDisk

appending = pytest.importorskip("asyncmta.system._appending", reason="not compiled here")

Result = tuple[OSError | None, bool]  # and the seconds, which are only looked at below


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield file
    os.close(file)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[int]:
    file = os.open(request.param, os.O_RDWR)
    yield file
    os.close(file)


def outcome(appender: appending.Appender) -> Result:
    ready, _, _ = select.select([appender.fileno()], [], [], 30)
    assert ready
    result = appender.result()
    assert result is not None
    return result[:2]


def do(file: int, *buffers: bytes, offset: int = 0, sync: bool = True) -> Result:
    appender = appending.Appender()
    appender.start(file, buffers, offset, sync)
    return outcome(appender)


def test_writes_all_buffers_one_behind_the_other(file: int) -> None:
    assert do(file, b"one", b"", bytearray(b"two"), memoryview(b"xthreex")[1:6], offset=4) == (None, False)
    assert os.pread(file, 100, 0) == b"\0\0\0\0onetwothree"


def test_writes_more_buffers_than_the_kernel_takes_at_once(file: int) -> None:
    parts = [b"%05d" % number for number in range(3000)]
    assert do(file, *parts) == (None, False)
    assert os.pread(file, 20_000, 0) == b"".join(parts)


def test_writes_nothing(file: int) -> None:
    assert do(file) == (None, False)
    assert do(file, b"", b"") == (None, False)
    assert os.pread(file, 1, 0) == b""


def test_goes_on_behind_a_short_write(file: int) -> None:
    """The kernel writes up to the limit, and refuses the rest when it is asked again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        error, in_sync = do(file, b"1234", b"5678", b"9abc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error is not None
    assert (error.errno, in_sync) == (errno.EFBIG, False)
    assert os.pread(file, 100, 0) == b"123456789a"


def test_one_task_behind_the_other(file: int) -> None:
    appender = appending.Appender()
    for number in range(100):
        appender.start(file, [b"%03d" % number], number * 3, number % 10 == 0)
        assert outcome(appender) == (None, False)
        assert appender.result() is None
    assert os.pread(file, 300, 0) == b"".join(b"%03d" % number for number in range(100))


@pytest.mark.parametrize("device", ["/dev/full"], indirect=True)
def test_an_error_of_the_write(device: int) -> None:
    error, in_sync = do(device, b"octets")
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror, in_sync) == (errno.ENOSPC, os.strerror(errno.ENOSPC), False)


@pytest.mark.parametrize("device", ["/dev/null"], indirect=True)
def test_an_error_of_the_sync(device: int) -> None:
    error, in_sync = do(device, b"octets")
    assert error is not None
    assert (error.errno, in_sync) == (errno.EINVAL, True)  # a device that keeps nothing cannot be synced
    assert do(device, b"octets", sync=False) == (None, False)


def test_says_how_long_the_kernel_took_and_not_when_it_was_asked(file: int) -> None:
    appender = appending.Appender()
    began = time.monotonic()
    appender.start(file, [bytes(4096)] * 100, 0, True)
    select.select([appender.fileno()], [], [], 30)
    took = time.monotonic() - began
    while time.monotonic() - began < 2 * took:
        os.sched_yield()
    result = appender.result()
    assert result is not None
    assert 0 < result[2] <= took


def test_an_error_is_not_remembered(file: int) -> None:
    appender = appending.Appender()
    appender.start(-1, [b"octets"], 0, True)
    error, in_sync = outcome(appender)
    assert error is not None
    assert (error.errno, in_sync) == (errno.EBADF, False)
    appender.start(file, [b"octets"], 0, True)
    assert outcome(appender) == (None, False)


def test_has_one_task_at_a_time(file: int) -> None:
    appender = appending.Appender()
    assert appender.result() is None
    appender.start(file, [b"first"], 0, True)
    select.select([appender.fileno()], [], [], 30)
    with pytest.raises(RuntimeError, match="busy or closed"):
        appender.start(file, [b"second"], 0, True)
    result = appender.result()
    assert result is not None
    assert result[:2] == (None, False)
    assert os.pread(file, 100, 0) == b"first"


def test_holds_the_buffers_until_the_result(file: int) -> None:
    appender, octets = appending.Appender(), bytearray(b"octets")
    appender.start(file, [octets], 0, True)
    with pytest.raises(BufferError):
        octets.clear()
    outcome(appender)
    octets.clear()
    assert os.pread(file, 100, 0) == b"octets"


def test_is_as_it_was_after_what_is_no_buffer(file: int) -> None:
    appender, octets = appending.Appender(), bytearray(b"octets")
    for wrong in ([octets, 3], 3, [octets, "text"]):
        with pytest.raises(TypeError):
            appender.start(file, wrong, 0, True)
    octets.clear()  # nobody holds it
    appender.start(file, [b"well"], 0, True)
    assert outcome(appender) == (None, False)


def test_takes_nothing_when_it_was_closed(file: int) -> None:
    appender = appending.Appender()
    appender.close()
    appender.close()
    with pytest.raises(RuntimeError):
        appender.start(file, [b"octets"], 0, True)
    assert appender.result() is None


def threads() -> set[str]:
    """Of appenders: they have a name."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            if (task / "comm").read_text() == "journal\n":
                found.add(task.name)
    return found


def test_its_thread_ends_with_it(file: int) -> None:
    before = threads()
    appenders = [appending.Appender() for _ in range(8)]
    while len(threads() - before) < 8:  # a thread names itself
        os.sched_yield()
    for appender in appenders[:4]:
        appender.close()
    appenders[7].start(file, [b"octets"], 0, True)
    while len(threads() - before) > 4:
        os.sched_yield()
    assert outcome(appenders[7]) == (None, False)
    del appenders, appender
    while threads() - before:
        os.sched_yield()


def test_a_descriptor_that_is_not_to_be_had() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            appending.Appender()
        assert PosixDisk().appender() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_machine_s_disk_has_one(file: int) -> None:
    appender = PosixDisk().appender()
    assert appender is not None
    appender.start(file, [b"octets"], 0, True)
    assert outcome(appender) == (None, False)


def test_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncmta.system.disk._appending", None)
    assert PosixDisk().appender() is None


def test_a_task_that_begins_while_another_is_being_begun(file: int) -> None:
    appender = appending.Appender()

    def parts() -> Iterator[bytes]:
        yield b"outer"
        appender.start(file, [b"inner"], 0, True)
        yield b"outer"

    with pytest.raises(RuntimeError, match="busy or closed"):
        appender.start(file, parts(), 100, True)  # type: ignore[arg-type]
    assert outcome(appender) == (None, False)
    assert os.pread(file, 1000, 0) == b"inner"


def test_it_is_closed_while_a_task_is_being_begun(file: int) -> None:
    appender, octets = appending.Appender(), bytearray(b"octets")

    def parts() -> Iterator[bytearray]:
        appender.close()
        yield octets

    with pytest.raises(RuntimeError, match="busy or closed"):
        appender.start(file, parts(), 0, True)  # type: ignore[arg-type]
    octets.clear()  # nobody holds it
    assert appender.result() is None


@pytest.mark.parametrize("old", [SimpleNamespace(), SimpleNamespace(VERSION=1)])
def test_one_of_older_sources_is_not_taken(old: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tree is installed in place, and its C file was changed since."""
    old.Appender = appending.Appender
    monkeypatch.setattr("asyncmta.system.disk._appending", old)
    assert PosixDisk().appender() is None
    assert appending.VERSION == VERSION

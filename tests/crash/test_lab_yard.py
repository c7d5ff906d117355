"""However a run of the laboratory ends, nothing stays mounted, running or lying about."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.crash.lab import mounts, yard
from tests.crash.lab.forms import demand
from tests.crash.lab.hatchery import TOP
from tests.crash.lab.yard import LOCK, PREFIX, Stake, descendants, in_processes, mounted_below, sweep

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(yard.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_that_nobody_holds_is_cleared_away_and_no_other(temporary) -> None:
    held = Stake()
    left = temporary / f"{PREFIX}left"
    left.mkdir()
    (left / LOCK).touch()
    (left / "image").touch()
    strange = temporary / f"{PREFIX}strange"
    strange.mkdir()
    sweep()
    assert sorted(path.name for path in temporary.iterdir()) == sorted([held.folder.name, strange.name])
    held.pull()
    assert not held.folder.exists()


def test_what_was_left_mounted_is_unmounted(temporary) -> None:
    demand(mounts.missing("tmpfs"))
    left = temporary / f"{PREFIX}left"
    mounts.tmpfs(left / "small", 1 << 20)
    (left / LOCK).touch()
    assert mounted_below(left) == [str(left / "small")]
    sweep()
    assert mounted_below(left) == []
    assert not left.exists()


def test_whoever_dies_takes_along_what_it_started(tmp_path) -> None:
    script = (
        "import subprocess, time; from tests.crash.lab.yard import dying_with_us;"
        "print(subprocess.Popen(dying_with_us(['sleep', '100'])).pid, flush=True); time.sleep(100)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=TOP, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        await_line(
            pathlib.Path(f"/proc/{child}/comm"), "sleep"
        )  # cmdline has the word before setpriv has done its work
        process.kill()
    assert is_soon(lambda: not is_alive(child))


def twice(share: list[int]) -> list[int]:
    return [2 * each for each in share]


def test_work_is_shared_among_processes() -> None:
    assert in_processes(twice, range(5)) == [[0, 4, 8], [2, 6]]
    assert in_processes(twice, []) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(end: signal.Signals, temporary) -> None:
    """After SIGKILL the folder is cleared by the next run; nothing runs on in any case."""
    demand(mounts.missing("xfs"))
    environment = os.environ | {"TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "tests.crash.lab", "power", "--scale", "0.5"]
    process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert is_soon(lambda: len(mounted_below(temporary)) == 4, 60)
        time.sleep(0.5)  # not for time to pass: anywhere in its cuts
        children = descendants(process.pid)
        assert len(children) >= 4  # two workers, and a hatchery each
    finally:
        process.send_signal(end)
        process.wait(30)
    assert is_soon(lambda: not any(map(is_alive, children)))
    if end == signal.SIGKILL:  # a thread of the dead may hold the folder for a moment longer
        assert is_soon(lambda: sweep() or not list(temporary.iterdir()))
    assert mounted_below(temporary) == []
    assert list(temporary.iterdir()) == []


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_soon(condition, patience: float = 20.0) -> bool:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def await_line(path: pathlib.Path, word: str) -> None:
    assert is_soon(lambda: word in path.read_text(encoding="latin-1"))

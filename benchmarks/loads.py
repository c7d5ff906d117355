"""`source.py` and `counting_sink.py` as processes beside the MTA: what was sent, and what came of it, each once."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks import tools

HERE = pathlib.Path(__file__).resolve().parent
Found = dict[str, Any]


def start(port: int, **words: object) -> subprocess.Popen[bytes]:
    """`source.py` with these options; True stands for a word alone."""
    command = [sys.executable, str(HERE / "source.py"), "--port", str(port)]
    for name, value in words.items():
        if value is True:
            command.append(f"--{name}")
        elif value is not False:
            command += [f"--{name}", str(value)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(source: subprocess.Popen[bytes], timeout: float) -> Found:
    """What it says of itself, when it is done. Raises RuntimeError when one message was not taken."""
    try:
        said, errors = source.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"source: not done in {timeout:.0f} s") from None
    finally:
        source.kill()
        source.communicate()
    if source.returncode:
        raise RuntimeError(errors.decode(errors="replace").strip()[-300:])
    found: Found = json.loads(said)
    return found


def send(port: int, timeout: float, **words: object) -> Found:
    return ended(start(port, **words), timeout)


@contextlib.contextmanager
def counting(
    folder: pathlib.Path, delay: float = 0.0, addresses: tuple[str, ...] = ("127.0.0.1",), port: int = 0
) -> Iterator[tools.Sink]:
    """A sink that counts; its `messages` are recipients, and its `report` has all of it once it has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    report, port = folder / "sink.json", port or tools.free_port()
    report.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "counting_sink.py"), str(report), str(port), str(delay), *addresses]
    address = "127.0.0.1" if addresses[0] == "0.0.0.0" else addresses[0]
    with tools.running(command, port, address) as sink:
        yield sink
    sink.report = json.loads(report.read_text())


def check(report: Found, deliveries: int) -> None:
    """All came, each once. Raises RuntimeError otherwise."""
    if report["twice"] or report["distinct"] != deliveries:
        raise RuntimeError(f"{deliveries} were to come; {report['distinct']} came, and {report['twice']} came twice")

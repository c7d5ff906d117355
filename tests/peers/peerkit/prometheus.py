"""Debian's Prometheus and promtool, unpacked under .tools: one that scrapes an MTA, and what it answers."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from peerkit.programs import TOP
from peerkit.serving import free_port

FOLDER = TOP / ".tools" / "prometheus" / "usr" / "bin"

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: mail
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def tool(name: str) -> str:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not there: run make test-tools")
    return str(path)


def promtool(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [tool("promtool"), *arguments], cwd=TOP, input=stdin, capture_output=True, timeout=60, check=False
    )


class Prometheus:
    """It scrapes this port of 127.0.0.1 once a second."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        self._folder = folder
        self._target = port
        self.port = free_port()

    def __enter__(self) -> Prometheus:
        self._folder.mkdir()
        config = self._folder / "prometheus.yml"
        config.write_text(CONFIG.format(rules=TOP / "docs" / "alerts.yml", port=self._target))
        command = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self._folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, path: str, **query: str) -> Any:
        """`data` of its answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            said = json.load(response)
        assert said["status"] == "success", said
        return said["data"]

    def value(self, expression: str) -> float | None:
        """Of an expression that has one; None while it has none."""
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            found = self.ask("query", query=expression)["result"]
            return float(found[0]["value"][1]) if found else None
        return None

    def await_value(self, expression: str, wanted: float, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while (found := self.value(expression)) != wanted:
            log = (self._folder / "log").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, f"{expression} is {found} and not {wanted}\n{log}"
            time.sleep(0.2)

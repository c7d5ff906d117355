"""The queue before the collector: what it holds, what it counts, and what is imported without it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from asyncmta.config import InvalidConfig, Settings
from asyncmta.telemetry import exporting as module
from asyncmta.telemetry import extra
from asyncmta.telemetry.exporting import Exporting, Service
from asyncmta.telemetry.spans import Span

SPAN = Span(name="accept", trace_id=1, span_id=2, start=1.0, end=2.0, attributes={})


class Kit(Exporting):
    """Its thread is the test."""

    def __init__(self) -> None:
        self.changes: list[bool] = []
        super().__init__(
            endpoint="http://127.0.0.1:1/",
            headers={},
            service=Service("asyncmta", "1", "mx"),
            on_change=self.changes.append,
            timeout=0.1,
        )

    def use(self, *results: Any) -> None:
        """What the library will answer."""
        answers = iter(results)

        def export(spans: Any) -> Any:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self._sending.export = export  # type: ignore[method-assign]


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setattr(module, "ROOM", 3)
    monkeypatch.setattr(module.threading.Thread, "start", lambda thread: None)
    monkeypatch.setattr(module.threading.Thread, "join", lambda thread, timeout: thread.run())
    return Kit()


def test_what_there_is_no_room_for_is_dropped_and_counted(kit: Kit) -> None:
    for _ in range(5):
        kit.put(SPAN)
    assert (kit.told().waiting, kit.told().dropped) == (3, 2)
    kit.use(module.SpanExportResult.SUCCESS)
    kit.close()
    assert (kit.told().waiting, kit.told().exported, kit.told().failed) == (0, 3, 0)
    assert kit.changes == []


def test_what_is_not_taken_is_counted_and_said_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    failure, success = module.SpanExportResult.FAILURE, module.SpanExportResult.SUCCESS
    kit.use(failure, OSError("no"), success)
    for _ in range(3):
        kit.put(SPAN)
    kit.close()
    assert (kit.told().exported, kit.told().failed) == (1, 2)
    assert kit.changes == [False, True]


def test_the_end_does_not_wait_for_a_collector_that_is_known_to_take_nothing(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    kit.use(module.SpanExportResult.FAILURE)
    kit.put(SPAN)
    kit._send([SPAN])
    monkeypatch.setattr(module.threading.Thread, "join", lambda thread, timeout: waited.append(timeout))
    kit.close()
    assert waited == [0.0]
    assert kit.changes == [False]


def test_the_base_does_not_import_the_libraries() -> None:
    code = (
        "import sys, asyncmta, asyncmta.mta, asyncmta.cli.main, asyncmta.cli.serve\n"
        "from asyncmta import Mta, Settings\n"
        "Mta(Settings.from_dict({}))\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google', 'requests'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk.trace", "opentelemetry.exporter"])
def test_without_the_extra_the_settings_say_so(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> object:
        if name == missing:
            return None
        if name.startswith(f"{missing}."):
            raise ModuleNotFoundError(missing)
        return object()

    monkeypatch.setattr(extra, "find_spec", find_spec)
    with pytest.raises(InvalidConfig) as caught:
        Settings.from_dict({"telemetry": {"endpoint": "http://127.0.0.1:4318"}})
    assert caught.value.faults == [
        "settings: telemetry.endpoint: needs the extra: pip install 'asyncmta[otel]'",
    ]
    assert Settings.from_dict({}).telemetry.endpoint == ""

"""Shared by all tests: hypothesis profiles, and no variable of the environment that would change settings."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("fast", deadline=None, max_examples=60)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASYNCMTA_")]:
        monkeypatch.delenv(name)


def _must_run(nodeid: str) -> bool:
    """In .ci/run a test with a real program may not be skipped: there a skip would hide a missing tool."""
    return os.environ.get("PEERS") == "required" and nodeid.startswith("tests/peers/")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _must_run(item.nodeid):
        report.outcome = "failed"
        report.longrepr = f"PEERS=required, and this was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _must_run(collector.nodeid):
        report.outcome = "failed"
        report.longrepr = f"PEERS=required, and this was skipped: {report.longrepr}"
    return report

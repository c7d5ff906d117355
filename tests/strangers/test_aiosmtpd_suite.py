"""aiosmtpd's own tests of its server, which come in its wheel, against our listener (bar 11: strangers' suites agree).

They run in a process of their own (aiosmtpd_shim.py says how); what they find is held against the list of deviations,
from both sides: a deviation that has gone has to leave the list.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tomllib
from collections import Counter

import aiosmtpd.tests
import pytest

HERE = pathlib.Path(__file__).parent
SUITE = pathlib.Path(aiosmtpd.tests.__path__[0])
# The last one leaves smtplib broken behind it when its message is refused.
FILES = ("test_smtp.py", "test_smtps.py", "test_starttls.py", "test_smtpsmuggling.py")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each of their tests."""
    file = tmp_path_factory.mktemp("aiosmtpd") / "outcomes"
    environment = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "AIOSMTPD_OUTCOMES": str(file),
        "ASYNCIO_CATCHUP_DELAY": "0.1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.strangers.aiosmtpd_shim",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=line",
    ]
    command += ["-c", os.devnull, "--rootdir", str(SUITE), *(str(SUITE / name) for name in FILES)]
    ended = subprocess.run(
        command, cwd=HERE.parent.parent, env=os.environ | environment, capture_output=True, timeout=110, check=False
    )
    assert ended.returncode in (0, 1), ended.stdout.decode()[-3000:]  # 1: some failed, as the list says
    found: dict[str, str] = json.loads(file.read_text())
    print(len(found), Counter(found.values()))
    return found


@pytest.fixture(scope="module")
def listed() -> dict[str, list[str]]:
    """The table: reason -> tests; "elsewhere" for what asks no server."""
    table = tomllib.loads((HERE / "aiosmtpd_deviations.toml").read_text(encoding="utf-8"))
    return {each["why"]: each["tests"] for each in table["deviation"]} | {"elsewhere": table["elsewhere"]["tests"]}


def test_they_are_all_there(outcomes: dict[str, str]) -> None:
    assert len(outcomes) == 311


def test_what_is_not_listed_passes_and_what_is_listed_fails(
    outcomes: dict[str, str], listed: dict[str, list[str]]
) -> None:
    deviations = {name for why, names in listed.items() if why != "elsewhere" for name in names}
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} == deviations


def test_what_passes_was_said_by_our_listener(outcomes: dict[str, str], listed: dict[str, list[str]]) -> None:
    assert {name for name, outcome in outcomes.items() if outcome == "elsewhere"} == set(listed["elsewhere"])


def test_the_list_names_each_test_once_and_the_reasons_are_in_the_decisions(listed: dict[str, list[str]]) -> None:
    names = [name for each in listed.values() for name in each]
    assert len(names) == len(set(names))
    decisions = " ".join((HERE.parent.parent / "docs" / "decisions.md").read_text(encoding="utf-8").split())
    assert [why for why in listed if why != "elsewhere" and why not in decisions] == []

"""Every NAME.toml in this folder is refused with exactly the lines of NAME.expected (@FOLDER@: this folder)."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.config import InvalidConfig, Settings

FOLDER = Path(__file__).parent
CASES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", CASES)
def test_bad_config(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    expected = (FOLDER / f"{name}.expected").read_text(encoding="utf-8").replace("@FOLDER@", str(FOLDER))
    with pytest.raises(InvalidConfig) as caught:
        Settings.load(f"{name}.toml", environ={})
    assert caught.value.faults == expected.splitlines()
    assert str(caught.value) + "\n" == expected


def test_every_case_has_its_message_and_every_message_its_case() -> None:
    assert len(CASES) >= 40
    assert sorted(path.stem for path in FOLDER.glob("*.expected")) == CASES

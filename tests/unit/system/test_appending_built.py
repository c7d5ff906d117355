"""_appending.c is compiled wherever it can be: otherwise CI would try the Python thread alone, unnoticed."""

from __future__ import annotations

import importlib
import os
import runpy
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[3] / "hatch_build.py"
PURE = os.environ.get("ASYNCMTA_PURE", "")  # before tests/conftest.py takes it away


def test_it_is_there_where_it_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCMTA_PURE", PURE)
    hook = runpy.run_path(str(HOOK))
    try:
        hook["compiler"]()
    except hook["Refused"] as refused:
        pytest.skip(f"cannot be compiled here: {refused}")
    module = importlib.import_module("asyncmta.system._appending")
    assert module.__file__ == str(HOOK.parent / hook["OBJECT"]), "run make: the tree is not installed in place"

"""_appending.c is compiled wherever it can be: otherwise CI would try the Python thread alone, unnoticed."""

from __future__ import annotations

import importlib
import os
import re
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
    try:
        module = importlib.import_module("asyncmta.system._appending")
    except ImportError as error:
        pytest.fail(f"{error}: it can be compiled and is not there; run make -B .venv/.installed")
    assert module.__file__ == str(HOOK.parent / hook["OBJECT"])


def test_references_are_counted_by_the_python_that_runs() -> None:
    """Macros count as the one does that it was compiled with: a wheel that 3.12 had made crashed 3.11."""
    source = (HOOK.parent / "asyncmta/system/_appending.c").read_text()
    code = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    assert "#define Py_LIMITED_API 0x030B0000\n" in code
    assert not re.findall(r"\bPy_(?:X?(?:INC|DEC|SET|NEW|New)R[Ee][Ff]|CLEAR|RETURN_\w+)\b", code)

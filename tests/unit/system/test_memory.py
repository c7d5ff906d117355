"""system/memory: free memory is given back, or nothing happens."""

from __future__ import annotations

import ctypes

import pytest

from asyncmta.system.memory import give_back


def test_where_the_c_library_can() -> None:
    assert give_back() in (True, False)


def test_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert give_back() is False

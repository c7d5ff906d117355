"""Nobody is trusted: to read the machine's certificates takes longer than a life in a simulation."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _trust_nobody(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)

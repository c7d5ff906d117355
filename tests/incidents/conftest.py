"""A world of its own for each test; whatever still runs at its end is drained without grace."""

from __future__ import annotations

import os

import pytest

from tests.incidents.incidentkit import world  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _trust_nobody(monkeypatch):
    """To read the machine's certificates takes longer than most tests; who needs one names his own."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)

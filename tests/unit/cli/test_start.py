"""What a start pays for: only what every relay needs."""

from __future__ import annotations

import subprocess
import sys

NOT_BEFORE_THE_FIRST_MAIL = (
    "aiohttp",
    "jinja2",
    "opentelemetry",
    "prometheus_client",
    "pygments",
    "rich",
    "structlog",
    "textual",
)
"""Libraries that take long to import, for whoever uses what they are for."""


def test_listening_waits_for_no_library_that_mail_does_not_need() -> None:
    code = (
        f"import sys, asyncmta.cli.serve; print([name for name in {NOT_BEFORE_THE_FIRST_MAIL} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"

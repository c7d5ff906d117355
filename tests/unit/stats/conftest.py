"""Logs to count: made by the real `MailLog`'s builders, and counted again in another way."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

"""Whom the first message of a mechanism names, so that guesses can be counted before anything is checked.

Promises: "" for a message that names nobody, None for one that is none of its mechanism. Never: the check itself.
"""

from __future__ import annotations

from asyncmta.auth import oauth, scram
from asyncmta.auth.source import SCRAM


def login_in(mechanism: str, message: bytes) -> str | None:
    """For the mechanisms other than PLAIN and LOGIN."""
    if mechanism == SCRAM:
        first = scram.client_first(message)
        return None if first is None else first.login
    given = oauth.bearer(mechanism, message)
    return None if given is None else given.login

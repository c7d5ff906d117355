"""What those say who give access tokens: a token endpoint, a command, a file; as a token with its lifetime, or why not.

Promises: a token is printable ASCII without a space, and bounded, so that it can neither end a line nor say a second
thing; no reason holds a secret of the grant. Never: sockets, files, what is done then (`tokens`).

RFC 6749 5.1, 5.2 and 6; RFC 6750 2.1.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from asyncmta.credentials import Grant

MAX_ANSWER = 65536
LONGEST_REASON = 200
LONGEST_LIFETIME = 366 * 86400.0

_TOKEN = re.compile(r"[!-~]{1,8192}\Z")


class NewToken(Struct, frozen=True):
    """`lifetime` in seconds, None where it was not said. `refresh_token`: the next one to use, "" for as before."""

    token: str
    lifetime: float | None = None
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"NewToken(lifetime={self.lifetime!r})"


def form_of(grant: Grant) -> dict[str, str]:
    """What is posted to a token endpoint."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh_token,
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "scope": grant.scope,
    }
    return {name: value for name, value in form.items() if value}


def of_endpoint(status: int, body: bytes, grant: Grant) -> NewToken | str:
    """What an endpoint answered."""
    answer = _mapping(body)
    if status == 200 and answer is not None:
        return _token_of(answer)
    if answer is None:
        return f"the answer is {status}, and no JSON object"
    said = " ".join(str(answer[key]) for key in ("error", "error_description") if answer.get(key))
    return f"the answer is {status}: {without_secrets(said, grant)}" if said else f"the answer is {status}"


def of_text(text: bytes) -> NewToken | str:
    """What a file holds or a command prints: a token alone, or the JSON object that an endpoint would have sent."""
    answer = _mapping(text)
    if answer is not None:
        return _token_of(answer)
    return _checked(text.decode("ascii", "replace").strip(), None, "")


def without_secrets(text: str, grant: Grant) -> str:
    """For people: bounded, on one line, and what nobody may see is gone."""
    for secret in (grant.client_secret, grant.refresh_token):
        if secret:
            text = text.replace(secret, "********")
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_REASON])


def _mapping(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return answer if isinstance(answer, dict) else None


def _token_of(answer: dict[str, Any]) -> NewToken | str:
    kind, refresh_token = answer.get("token_type", "Bearer"), answer.get("refresh_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "the token is of another type than Bearer"
    lifetime = _seconds(answer.get("expires_in"))
    if lifetime is not None and lifetime <= 0:
        return "the token has expired already"
    return _checked(answer.get("access_token"), lifetime, refresh_token if isinstance(refresh_token, str) else "")


def _seconds(said: object) -> float | None:
    """A number, also as text, as some send it."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 20:
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return min(float(said), LONGEST_LIFETIME)


def _checked(token: object, lifetime: float | None, refresh_token: str) -> NewToken | str:
    if not isinstance(token, str) or _TOKEN.match(token) is None:
        return "there is no access token in it"
    return NewToken(token, lifetime, refresh_token)

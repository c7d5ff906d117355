"""A batch of events as one HTTP request: its body, its id, and its signature after Standard Webhooks 1.0.

Promises: the same events give the same id, so that who gets a batch twice can tell; the signature covers id, time
and body. Never: a connection, the time (an argument).

standardwebhooks.com: webhook-id, webhook-timestamp, webhook-signature (`v1,` and base64 of HMAC-SHA256).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SHORTEST_SECRET = 16

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0


class InvalidSecret(ValueError):
    """Not a secret that can be used; the message says why."""


def key_of(secret: str) -> bytes:
    """`whsec_` and base64, or any text. Raises InvalidSecret."""
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret[len(PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidSecret(f'what stands behind "{PREFIX}" is base64') from None
    else:
        key = secret.encode("utf-8", "replace")
    if len(key) < SHORTEST_SECRET:
        raise InvalidSecret(f"a secret has at least {SHORTEST_SECRET} octets, such as those of: openssl rand -hex 32")
    return key


def body_of(lines: Sequence[bytes]) -> bytes:
    """The events of these lines as one JSON array."""
    return b"[" + b",".join(lines) + b"]"


def id_of(body: bytes) -> str:
    return f"msg_{hashlib.sha256(body).hexdigest()[:32]}"


def headers(body: bytes, key: bytes, now: float) -> dict[str, str]:
    """What goes with the body at this time (Unix seconds)."""
    name, stamp = id_of(body), str(int(now))
    signature = hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def wait_after(failures: int) -> float:
    """Seconds until a batch is sent again that so many times in a row was not taken."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 30))

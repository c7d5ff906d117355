"""Who may come in over TCP: the bearer token, the Host and the Origin of a request. Pure.

Promises: the token is compared in constant time; a page in a browser can neither ask (its Origin is not ours) nor be
led here by a name of its own (DNS rebinding: without a token only loopback names are taken as Host). Probes of health
and metrics need no token. Never: sockets; the control socket is guarded by its file mode.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

from msgspec import Struct

OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class OpenDoor(ValueError):
    """`admin.listen` is reachable from elsewhere and there is no token."""


class Refusal(Struct, frozen=True):
    """Why not: HTTP status, code and text of the error."""

    status: int
    code: str
    message: str


class Guard(Struct, frozen=True):
    """`token` "" means that none is needed, which is for loopback only. `host` is the address listened on."""

    token: str
    host: str

    def refusal(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """None: come in. `headers` is asked without regard to case."""
        refusal = self.stranger(headers)
        if refusal is not None or path in OPEN_PATHS or not self.token or self.is_bearer(headers):
            return refusal
        return Refusal(401, "unauthorized", "a bearer token is needed")

    def stranger(self, headers: Mapping[str, str]) -> Refusal | None:
        """Is it another site's page, or was a browser led here by a name that is not ours?"""
        host = headers.get("Host", "")
        name = host_name(host)
        if not self.token and name != self.host and not is_loopback(name):
            return Refusal(403, "bad_host", "the Host of the request is not an address of this server")
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return Refusal(403, "bad_origin", "requests from other sites' pages are not taken")
        return None

    def is_bearer(self, headers: Mapping[str, str]) -> bool:
        """Does it come with the token?"""
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(given)

    def is_token(self, given: str) -> bool:
        # Compared as octets: compare_digest takes no text beyond ASCII.
        return hmac.compare_digest(given.strip().encode("utf-8", "replace"), self.token.encode())


def host_name(host: str) -> str:
    """The name or address in a Host field, without port and brackets; "" for what is neither."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name.lower() if not rest or rest.startswith(":") else ""
    return host.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """Is it this machine and nothing else?"""
    if name in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

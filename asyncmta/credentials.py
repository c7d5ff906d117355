"""Who we are to a next hop, as values: a login with its password or its access tokens, and a client certificate.

Promises: no secret shows in a `repr`, and so in no log and no traceback. Never: files, the network, which mechanism is
used (`delivery/mechanisms`), or whether the keys of a route fit together (`config_credentials`).

RFC 4954 (AUTH), RFC 6749 6 (refresh tokens), RFC 8446 4.4.2 (client certificates).
"""

from __future__ import annotations

from msgspec import Struct


class Grant(Struct, frozen=True):
    """Where access tokens come from: a file, a command, or (`url`) the refresh flow. One of the three is set."""

    file: str = ""
    command: tuple[str, ...] = ()
    url: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    scope: str = ""

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.file or self.url or (self.command[0] if self.command else "")

    def __repr__(self) -> str:
        return f"Grant({self.name!r})"


class Login(Struct, frozen=True):
    """For AUTH. `auth`: the one mechanism to use, in lower case, or "auto". With a `grant` there is no password."""

    username: str
    password: str
    auth: str = "auto"
    grant: Grant | None = None

    def __repr__(self) -> str:
        return "Login(...)"


class Identity(Struct, frozen=True):
    """A client certificate: a file with a chain, and one with its key ("": the same)."""

    certificate: str
    key: str = ""

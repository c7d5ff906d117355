"""AUTH as a client: which mechanisms are worth a try, and what each of them says, as octets before base64.

Promises: a password is shown in PLAIN and LOGIN only where nobody else can read it, unless the operator wants it so;
the one mechanism that a login names is the only one used; a challenge that does not belong there is answered by
giving up. Never: sockets, base64, where a token comes from.

RFC 4954 (AUTH), 4616 (PLAIN), 2195 (CRAM-MD5), 7628 (OAUTHBEARER), 6750 (bearer tokens); draft-murchison-sasl-login;
Google's description of XOAUTH2.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from msgspec import Struct

from asyncmta.credentials import Login

WITH_PASSWORD = ("plain", "login", "cram-md5")
WITH_TOKEN = ("xoauth2", "oauthbearer")  # in this order: the first is what those offer who have had tokens for long
NOT_HERE = frozenset({500, 501, 502, 503, 504, 534})  # this mechanism is not for us; another one may be
MOST_CHALLENGES = 3


class Secret(Struct, frozen=True):
    """What shows who we are: a password, or a token, to this host and port."""

    username: str
    value: str
    host: str = ""
    port: int = 0

    def __repr__(self) -> str:
        return f"Secret(username={self.username!r})"


def candidates(login: Login, offered: Iterable[str], *, is_private: bool) -> list[str]:
    """Mechanisms in the order in which to try them; both sides have them. `is_private`: nobody else can read it."""
    known = {word.lower() for word in offered}
    ours: tuple[str, ...] = WITH_TOKEN if login.grant is not None else WITH_PASSWORD
    if login.auth != "auto":
        ours = (login.auth,)
    elif not is_private:
        ours = ours[::-1]  # what does not show the password comes first
    return [name for name in ours if name in known]


def first_words(mechanism: str, secret: Secret) -> bytes | None:
    """What goes with the AUTH command itself; None: the server speaks first."""
    name, value = secret.username, secret.value
    match mechanism:
        case "plain":
            return f"\0{name}\0{value}".encode()
        case "login":
            return name.encode()
        case "xoauth2":
            return f"user={name}\x01auth=Bearer {value}\x01\x01".encode()
        case "oauthbearer":
            authzid = name.replace("=", "=3D").replace(",", "=2C")
            where = f"host={secret.host}\x01port={secret.port}\x01" if secret.host else ""
            return f"n,a={authzid},\x01{where}auth=Bearer {value}\x01\x01".encode()
    return None


def answer(mechanism: str, secret: Secret, challenge: bytes) -> bytes | None:
    """What a challenge (334) is answered with; None: nothing fits, and the exchange is to be cancelled."""
    match mechanism:
        case "login":
            wants_name = challenge[:4].lower() == b"user"  # some do not take it with the command
            return (secret.username if wants_name else secret.value).encode()
        case "cram-md5":
            digest = hmac.new(secret.value.encode(), challenge, "md5").hexdigest()
            return f"{secret.username} {digest}".encode()
        case "xoauth2":
            return b""  # it holds the error; the reply comes after this
        case "oauthbearer":
            return b"\x01"
    return None

"""The messages of OAUTHBEARER and XOAUTH2: a login and a bearer token out of octets, and what a refusal looks like.

Promises: a message that is not exactly of its form is None; the token is bounded and printable ASCII. Never: whether
a token is good; that is asked of a callable.

RFC 7628 3.1 and 3.2.2 (OAUTHBEARER), RFC 5801 4 (GS2 header), RFC 6750 2.1 (bearer tokens).
"""

from __future__ import annotations

from msgspec import Struct

from asyncmta.auth.saslprep import saslprep

MAX_TOKEN = 8192

_REFUSED = {
    "OAUTHBEARER": b'{"status":"invalid_token"}',
    "XOAUTH2": b'{"status":"401","schemes":"bearer","scope":""}',
}


class Bearer(Struct, frozen=True):
    """`login` is "" where the client named none, which OAUTHBEARER allows."""

    login: str
    token: str

    def __repr__(self) -> str:
        return f"Bearer(login={self.login!r})"


def refusal(mechanism: str) -> bytes:
    """The challenge that tells the client of its failure; whatever it answers, the exchange has failed."""
    return _REFUSED[mechanism]


def bearer(mechanism: str, message: bytes) -> Bearer | None:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return None
    return _oauthbearer(text) if mechanism == "OAUTHBEARER" else _xoauth2(text)


def _oauthbearer(text: str) -> Bearer | None:
    """`n,a=user,^Ahost=h^Aport=587^Aauth=Bearer TOKEN^A^A`"""
    header, _, rest = text.partition("\x01")
    flag, _, authzid = header.partition(",")
    if flag not in ("n", "y") or not authzid.endswith(","):
        return None
    name = authzid[:-1]
    login: str | None = ""
    if name:
        if not name.startswith("a=") or name.count("=") - 1 != name.count("=2C") + name.count("=3D"):
            return None
        login = saslprep(name[2:].replace("=2C", ",").replace("=3D", "="))
    return None if login is None else _with_token(login, rest)


def _xoauth2(text: str) -> Bearer | None:
    """`user=USER^Aauth=Bearer TOKEN^A^A`"""
    user, _, rest = text.partition("\x01")
    login = saslprep(user[5:]) if user.startswith("user=") else None
    return None if login is None else _with_token(login, rest)


def _with_token(login: str, text: str) -> Bearer | None:
    """`key=value` pairs, each ended by a ^A, and one more at the end; unknown keys are ignored."""
    if not text.endswith("\x01\x01"):
        return None
    pairs = [pair.partition("=") for pair in text[:-2].split("\x01")]
    given = [value for key, _, value in pairs if key == "auth"]
    if not all(equals for _, equals, _ in pairs) or len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    is_one = 0 < len(token) <= MAX_TOKEN and token.isascii() and token.isprintable() and " " not in token
    return Bearer(login, token) if scheme.lower() == "bearer" and is_one else None

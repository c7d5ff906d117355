"""The server's half of SCRAM-SHA-256, sans-IO: messages in, messages out, and whether the proof is right.

Promises: the nonce is the client's with ours behind it and has to come back whole, as has the GS2 header; a name that
nobody has gets a salt and an iteration count that stay the same and look like everybody's, so that names cannot be
tried out; the proof is compared in constant time. Channel binding is not offered: `y` and `n` are alike, `p` is
refused. Never: where a verifier comes from, randomness (the nonce is given), base64 of the SMTP line.

RFC 5802 3, 5, 5.1 and 7; RFC 7677 (SHA-256).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from msgspec import Struct

from asyncmta.auth.saslprep import saslprep

MIN_ITERATIONS, MAX_ITERATIONS = 4096, 1_000_000
SALT = 16  # octets of a salt of ours
_HASH = 32
_MAX_SALT = 64
_MAX_NONCE = 256


class Verifier(Struct, frozen=True):
    """What the server knows of a password. Whoever has it can check guesses, but not log in."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"Verifier(iterations={self.iterations})"


class ClientFirst(Struct, frozen=True):
    """`header` is the GS2 header as it came, `bare` the rest; `login` is decoded and prepared."""

    header: bytes
    bare: bytes
    login: str
    nonce: bytes


def make_verifier(password: str, salt: bytes, iterations: int) -> Verifier:
    """Of a prepared password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(iterations, salt, stored_key, _hmac(salted, b"Server Key"))


def verify(verifier: Verifier, password: str) -> bool:
    """Is this the password? For PLAIN and LOGIN; slow."""
    made = make_verifier(password, verifier.salt, verifier.iterations)
    return hmac.compare_digest(made.stored_key, verifier.stored_key)


def show(verifier: Verifier) -> str:
    """As it stands in a file, in the form that Dovecot writes behind `{SCRAM-SHA-256}`."""
    keys = (verifier.salt, verifier.stored_key, verifier.server_key)
    return ",".join([str(verifier.iterations), *(b64encode(key).decode() for key in keys)])


def read(text: str) -> Verifier | None:
    """`show` backwards; None for what it cannot have said."""
    parts = text.split(",")
    if len(parts) != 4 or not (parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 8):
        return None
    salt, stored_key, server_key = map(_decoded, parts[1:])
    if not salt or len(salt) > _MAX_SALT or not MIN_ITERATIONS <= int(parts[0]) <= MAX_ITERATIONS:
        return None
    if not stored_key or not server_key or {len(stored_key), len(server_key)} != {_HASH}:
        return None
    return Verifier(int(parts[0]), salt, stored_key, server_key)


def nobodys_verifier(secret: bytes, login: str, like: Verifier) -> Verifier:
    """For a name that nobody has: the same each time, no proof fits it, and it looks like this one."""
    salt = hashlib.blake2b(login.encode(), key=secret, digest_size=64, person=b"scram salt").digest()
    key = hashlib.blake2b(login.encode(), key=secret, digest_size=_HASH, person=b"scram key").digest()
    return Verifier(like.iterations, salt[: len(like.salt)], key, key)


def client_first(message: bytes) -> ClientFirst | None:
    """`n,,n=user,r=nonce`; None for what is none, or asks for what we do not do (channel binding, an extension)."""
    parts = message.split(b",", 2)
    if len(parts) != 3 or parts[0] not in (b"n", b"y"):
        return None
    flag, authzid, bare = parts
    fields = bare.split(b",")  # behind name and nonce there may be extensions, which may be ignored
    if len(fields) < 2 or not fields[0].startswith(b"n=") or not fields[1].startswith(b"r="):
        return None
    login, nonce = _name(fields[0][2:]), fields[1][2:]
    if login is None or not _is_nonce(nonce):
        return None
    if authzid and (not authzid.startswith(b"a=") or _name(authzid[2:]) != login):  # in the name of somebody else
        return None
    return ClientFirst(flag + b"," + authzid + b",", bare, login, nonce)


class ScramServer:
    """One exchange, from behind the client's first message."""

    def __init__(self, first: ClientFirst, verifier: Verifier, nonce: bytes) -> None:
        self._first = first
        self._verifier = verifier
        self._nonce = first.nonce + nonce
        salt = b64encode(verifier.salt)
        self.server_first = b"r=%b,s=%b,i=%d" % (self._nonce, salt, verifier.iterations)

    def finish(self, message: bytes) -> bytes | None:
        """To the client's last message: ours, when the proof is right; None when it is not, or is no such message."""
        without_proof, comma, proof_text = message.rpartition(b",p=")
        fields = without_proof.split(b",")
        proof = _decoded_octets(proof_text)
        if not comma or len(fields) < 2 or proof is None or len(proof) != _HASH:
            return None
        if fields[0] != b"c=" + b64encode(self._first.header) or fields[1] != b"r=" + self._nonce:
            return None
        said = b",".join((self._first.bare, self.server_first, without_proof))
        signature = _hmac(self._verifier.stored_key, said)
        client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            return None
        return b"v=" + b64encode(_hmac(self._verifier.server_key, said))


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _name(octets: bytes) -> str | None:
    """A saslname: `=2C` is a comma, `=3D` an equals sign, and no other `=` may be there."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    if text.count("=") != text.count("=2C") + text.count("=3D"):
        return None
    return saslprep(text.replace("=2C", ",").replace("=3D", "="))


def _is_nonce(nonce: bytes) -> bool:
    return 0 < len(nonce) <= _MAX_NONCE and all(33 <= octet <= 126 for octet in nonce)


def _decoded(text: str) -> bytes | None:
    return _decoded_octets(text.encode())


def _decoded_octets(octets: bytes) -> bytes | None:
    try:
        return b64decode(octets, validate=True)
    except NotBase64:
        return None

"""The client's half of SCRAM-SHA-256, written from RFC 5802 on its own, for the tests."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode


class ScramClient:
    def __init__(
        self, login: str, password: str, *, nonce: bytes = b"fyko+d2lbbFgONRv9qkxdawL", header: bytes = b"n,,"
    ):
        self._password = password
        self._header = header
        self._nonce = nonce
        name = login.replace("=", "=3D").replace(",", "=2C").encode()
        self._bare = b"n=" + name + b",r=" + nonce
        self.first = header + self._bare
        self.expected = b""

    def last(self, server_first: bytes, *, nonce: bytes | None = None, header: bytes | None = None) -> bytes:
        fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
        assert fields[b"r"].startswith(self._nonce)
        assert len(fields[b"r"]) > len(self._nonce)
        salt, iterations = b64decode(fields[b"s"]), int(fields[b"i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = b"c=" + b64encode(header or self._header) + b",r=" + (nonce or fields[b"r"])
        said = self._bare + b"," + server_first + b"," + without_proof
        signature = hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.expected = b"v=" + b64encode(hmac.digest(server_key, said, "sha256"))
        return without_proof + b",p=" + b64encode(proof)

"""Hashes of passwords: made (argon2id) and checked (argon2, bcrypt, a verifier of SCRAM-SHA-256).

Every call takes its time on purpose, with the interpreter's lock given up, and is for a thread. Promises: the
comparison is constant in time; what is no hash after all is a no. Never: who may be asked how often (`checking`).
"""

from __future__ import annotations

import secrets

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from asyncmta.auth import scram
from asyncmta.auth.users_file import User

# The least of what OWASP recommends: a relay checks several at once, and its memory is for mail.
MEMORY, PASSES, LANES = 19456, 2, 1  # KiB
ITERATIONS = 100_000  # of a verifier: twelve times the least, and still nothing that a client notices
BCRYPT_READS = 72  # octets; crypt(3) takes no more either

_HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY, parallelism=LANES)
# Whose hash is checked where there is no user at all: salt and result are zeroes, which no password gives.
NOBODY = User("", hash=f"$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}")


def make_hash(password: str) -> str:
    """Of a prepared password."""
    return _HASHER.hash(password)


def make_verifier(password: str) -> scram.Verifier:
    """Of a prepared password."""
    return scram.make_verifier(password, secrets.token_bytes(scram.SALT), ITERATIONS)


def fits(user: User, password: str) -> bool:
    """Is this the user's password? Prepared, it is."""
    if user.hash.startswith("$argon2"):
        try:
            return _HASHER.verify(user.hash, password)
        except (Argon2Error, InvalidHashError):
            return False
    if user.hash:
        try:
            return bcrypt.checkpw(password.encode()[:BCRYPT_READS], user.hash.encode())
        except ValueError:
            return False
    return user.verifier is not None and scram.verify(user.verifier, password)

"""auth/hashes: real argon2 and bcrypt, at their real cost."""

from __future__ import annotations

import bcrypt

from asyncmta.auth import hashes, scram
from asyncmta.auth.users_file import User, format_user, parse_line

DOVECOT = "$2y$05$" + bcrypt.hashpw(b"secret", bcrypt.gensalt(5)).decode()[7:]  # as doveadm pw writes it


def test_what_is_made_is_read_and_fits() -> None:
    user = User("alice", hashes.make_hash("grün"), hashes.make_verifier("grün"))
    assert parse_line(format_user(user)) == user
    assert user.hash != hashes.make_hash("grün")
    assert hashes.fits(user, "grün")
    assert not hashes.fits(user, "grun")


def test_bcrypt() -> None:
    user = parse_line(f"alice:{{BLF-CRYPT}}{DOVECOT}")
    assert isinstance(user, User)
    assert hashes.fits(user, "secret")
    assert not hashes.fits(user, "Secret")
    long = User("b", bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    assert hashes.fits(long, "x" * 200)  # as crypt(3) has always had it


def test_a_verifier_alone() -> None:
    user = User("carol", verifier=scram.make_verifier("pencil", b"salt", 4096))
    assert hashes.fits(user, "pencil")
    assert not hashes.fits(user, "pen")


def test_nobody_and_what_is_no_hash_fit_nothing() -> None:
    assert isinstance(parse_line(f"x:{hashes.NOBODY.hash}"), User)
    assert not hashes.fits(hashes.NOBODY, "")
    assert not hashes.fits(User("x", "$argon2id$broken"), "a")
    assert not hashes.fits(User("x", "$2b$04$short"), "a")
    assert not hashes.fits(User("x"), "a")

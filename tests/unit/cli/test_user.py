"""`asyncmta user`: the file of users made, changed and shown, with passwords that fit afterwards."""

from __future__ import annotations

import json
import os
import stat

import pytest

from asyncmta.auth import hashes, scram
from asyncmta.auth.users_file import parse_users


@pytest.fixture
def users(config):
    """Reads the users of the file that the configuration names."""
    config.write_text(config.read_text() + '[auth]\nusers = "users"\n')

    def users():
        found = parse_users((config.parent / "users").read_bytes())
        assert found.faults == ()
        return found.by_key

    return users


def test_from_nothing(run, users, config):
    assert "`asyncmta user add` makes it" in run("check-config").err
    ended = run("user", "add", "alice@example.org", stdin=b"secret word\r\nmore\n")
    assert (ended.code, ended.out) == (0, "")
    (alice,) = users().values()
    assert alice.hash.startswith("$argon2id$")
    assert hashes.fits(alice, "secret word")
    assert (alice.verifier, alice.senders) == (None, None)
    assert stat.S_IMODE(os.stat("users").st_mode) == 0o600
    assert run("check-config").code == 0


def test_a_password_that_is_made(run, users):
    ended = run("user", "add", "bob", "--generate", "--scram", "--senders", "*@example.org,b@example.net")
    bob = users()["bob"]
    password = ended.out.strip()
    assert len(password) == 24
    assert hashes.fits(bob, password)
    assert scram.verify(bob.verifier, password)
    assert [pattern.text for pattern in bob.senders] == ["*@example.org", "b@example.net"]


def test_passwd_leaves_no_old_password_anywhere(run, users):
    run("user", "add", "bob", "--scram", "--senders", "b@example.net", stdin=b"old\n")
    assert run("user", "passwd", "BOB", stdin=b"new\n").code == 0
    bob = users()["bob"]
    assert hashes.fits(bob, "new")
    assert scram.verify(bob.verifier, "new")
    assert [pattern.text for pattern in bob.senders] == ["b@example.net"]
    ended = run("user", "passwd", "bob", "--generate", "--no-scram")
    assert hashes.fits(users()["bob"], ended.out.strip())
    assert users()["bob"].verifier is None


def test_list_and_del(run, users):
    run("user", "add", "alice@example.org", stdin=b"x\n")
    run("user", "add", "bob", "--scram", "--senders", "", stdin=b"x\n")
    run("user", "add", "carol", "--senders", "*", stdin=b"x\n")
    assert run("user", "list").out == (
        "alice@example.org  argon2\nbob  argon2 + SCRAM-SHA-256  sends from nowhere\ncarol  argon2  sends from *\n"
    )
    assert json.loads(run("user", "list", "--json").out)[1] == {
        "login": "bob",
        "secrets": ["argon2", "SCRAM-SHA-256"],
        "senders": [],
    }
    assert run("user", "del", "Bob").code == 0
    assert list(users()) == ["alice@example.org", "carol"]


def test_a_file_that_is_named_needs_no_configuration(run, config, tmp_path):
    config.write_text("nonsense")
    path = str(tmp_path / "others")
    assert run("user", "add", "--file", path, "bob", stdin=b"x\n").code == 0
    assert run("user", "list", "--file", path).out == "bob  argon2\n"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("add", "bob"), 65, "is there already"),
        (("add", "BOB"), 65, "is there already"),
        (("add", "a:b"), 65, "a:b: "),
        (("add", "a:"), 65, "not a login"),
        (("add", "#x"), 65, "not a login"),
        (("add", ""), 65, "not a login"),
        (("add", "eve", "--senders", "a@b@c"), 65, "senders="),
        (("passwd", "eve"), 65, "no such user"),
        (("del", "eve"), 65, "no such user"),
        (("list", "--file", "missing"), 66, "No such file"),
        (("add", "eve", "--file", "missing/users"), 73, "cannot be written"),
    ],
)
def test_what_cannot_be_done(run, users, arguments, code, word):
    run("user", "add", "bob", stdin=b"x\n")
    before = users()
    ended = run("user", *arguments, stdin=b"secret\n")
    assert ended.code == code
    assert word in ended.err
    assert "secret" not in ended.err
    assert users() == before


@pytest.mark.parametrize("password", [b"", b"\n", b"a\0b\n", b"x" * 1025])
def test_passwords_that_cannot_be(run, users, password, config):
    ended = run("user", "add", "bob", stdin=password)
    assert ended.code == 65
    assert "not a password" in ended.err
    assert not (config.parent / "users").exists()


def test_a_file_with_a_fault_is_not_touched(run, users, config):
    (config.parent / "users").write_text("bob\n")
    for command in (("list",), ("add", "eve"), ("passwd", "bob"), ("del", "bob")):
        ended = run("user", *command, stdin=b"x\n")
        assert ended.code == 65
        assert "line 1" in ended.err
    assert (config.parent / "users").read_text() == "bob\n"


def test_where_no_file_is_configured(run, config):
    assert run("user", "list").code == 78
    config.write_text("hostname = 7\n")
    ended = run("user", "list")
    assert ended.code == 78
    assert "config.toml: hostname" in ended.err


def test_submission_that_nobody_could_use_is_not_served(run, config):
    listener = '[[listener]]\nrole = "submission"\nallow_plaintext_auth = true\n'
    config.write_text(listener)
    for command in ("check-config", "serve"):
        ended = run(command)
        assert ended.code == 78
        assert 'listener.0.role: "submission" needs users who can log in: set auth.users or auth.dovecot' in ended.err
    config.write_text(listener + '[auth]\ndovecot = "/run/dovecot/auth-client"\n')
    assert run("check-config").code == 0

"""Logins of real clients (swaks, GNU SASL), against users of a file and of a real Dovecot."""

from __future__ import annotations

import json
import subprocess

import pytest
import trustme
from peerkit.dovecot import Dovecot
from peerkit.programs import program
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

AUTH = """
[auth]
{source}
failure_delay = "0s"
"""
LOCAL = '[local]\ndomains = ["localhost"]\nmaildir = "mail/{domain}/{local_part}"\nmailboxes = "any"\n'


@pytest.fixture
def submission(serving, tmp_path, monkeypatch):
    """An MTA that wants a login, its source of users being this line of [auth]."""
    monkeypatch.setenv("ASYNCMTA_LISTENER__0__ROLE", "submission")
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "mta.pem")
    monkeypatch.setenv("ASYNCMTA_TLS__CERTIFICATE", str(tmp_path / "mta.pem"))
    monkeypatch.setenv("ASYNCMTA_LISTENER__0__TLS", "starttls")
    monkeypatch.setenv("ASYNCMTA_LISTENER__0__ALLOW_PLAINTEXT_AUTH", "true")  # gsasl knows no STARTTLS
    return lambda source: serving(LOCAL + AUTH.format(source=source))


def add(mta, login, password, *more):
    ended = mta.asyncmta("user", "add", login, *more, stdin=f"{password}\n".encode())
    assert ended.returncode == 0, ended.stderr


def swaks(mta, user, password, *more, mechanism="PLAIN", sender="me@example.org"):
    """The exit code: 0 for a message that was taken, 28 for a login that was not."""
    command = [program("swaks"), "--server", f"127.0.0.1:{mta.port}", "-tls", "--from", sender, "--to", "a@localhost"]
    command += ["--auth", mechanism, "--auth-user", user, "--auth-password", password, *more]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print(ended.stdout)
    return ended.returncode, ended.stdout


def gsasl(mta, user, password, mechanism="SCRAM-SHA-256"):
    """Does GNU SASL think that it has logged in? With SCRAM it has then checked us too."""
    command = [program("gsasl"), "--smtp", "--connect", f"127.0.0.1:{mta.port}", "--mechanism", mechanism]
    command += [
        "--no-starttls",
        "--authentication-id",
        user,
        "--password",
        password,
        "--no-cb",
        "--quality-of-protection",
    ]
    command = command[:-1]
    ended = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    print(ended.stdout, ended.stderr)
    return ended.returncode == 0


def lines(mta, event):
    found = [json.loads(line) for line in mta.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_users_of_a_file(submission):
    mta = submission('users = "users"')
    add(mta, "me@example.org", "secret")
    mta.start()
    for mechanism in ("PLAIN", "LOGIN"):
        assert swaks(mta, "me@example.org", "secret", mechanism=mechanism)[0] == 0
    assert wait(lambda: [line["login"] for line in lines(mta, "accepted")] == ["me@example.org"] * 2, 10)
    assert "<~* 535 5.7.8" in swaks(mta, "me@example.org", "Secret")[1]
    assert swaks(mta, "nobody", "secret")[0] == 28
    assert wait(lambda: [line["login"] for line in lines(mta, "refused")] == ["me@example.org", "nobody"], 10)
    said = swaks(mta, "me@example.org", "secret", "--quit-after", "AUTH")[1]
    assert "AUTH PLAIN LOGIN" in said
    assert "SCRAM" not in said  # nobody has a verifier


def test_a_password_that_is_changed_while_it_runs(submission):
    mta = submission('users = "users"')
    add(mta, "me", "old")
    mta.start()
    assert swaks(mta, "me", "old")[0] == 0
    assert mta.asyncmta("user", "passwd", "me", stdin=b"new\n").returncode == 0
    assert wait(lambda: swaks(mta, "me", "new", "--quit-after", "AUTH")[0] == 0, 20)
    assert swaks(mta, "me", "old")[0] == 28


def test_scram_with_a_client_of_others(submission):
    mta = submission('users = "users"')
    add(mta, "me", "päss word", "--scram")
    add(mta, "her", "secret")
    mta.start()
    assert gsasl(mta, "me", "päss word")
    assert not gsasl(mta, "me", "pass word")
    assert not gsasl(mta, "her", "secret")
    assert not gsasl(mta, "nobody", "secret")
    for mechanism in ("PLAIN", "LOGIN"):
        assert gsasl(mta, "me", "päss word", mechanism)


def test_senders(submission):
    mta = submission('users = "users"')
    add(mta, "me", "secret", "--senders", "*@example.org")
    mta.start()
    assert swaks(mta, "me", "secret")[0] == 0
    assert "<~* 553 5.7.1" in swaks(mta, "me", "secret", sender="me@example.com")[1]


@pytest.fixture
def dovecot(tmp_path):
    with Dovecot(tmp_path / "dovecot") as dovecot:
        yield dovecot
        print(dovecot.log())


def test_users_of_dovecot(submission, dovecot):
    dovecot.users.write_text(f"me@example.org:{dovecot.hash('BLF-CRYPT', 'secret')}\n")
    mta = submission(f'dovecot = "{dovecot.socket}"').start()
    for mechanism in ("PLAIN", "LOGIN"):
        assert swaks(mta, "Me@example.org", "secret", mechanism=mechanism)[0] == 0
    # As Dovecot writes it.
    assert wait(lambda: [line["login"] for line in lines(mta, "accepted")] == ["me@example.org"] * 2, 10)
    assert "<~* 535 5.7.8" in swaks(mta, "me@example.org", "Secret")[1]
    dovecot.stop()
    assert "<~* 454 4.7.0" in swaks(mta, "me@example.org", "secret")[1]
    dovecot.start()
    assert swaks(mta, "me@example.org", "secret")[0] == 0


def test_scram_through_dovecot(submission, dovecot):
    dovecot.users.write_text(f"me:{dovecot.hash('SCRAM-SHA-256', 'secret')}\n")
    mta = submission(f'dovecot = "{dovecot.socket}"').start()
    assert gsasl(mta, "me", "secret")
    assert not gsasl(mta, "me", "Secret")
    assert gsasl(mta, "me", "secret", "PLAIN")


def test_one_file_for_both(submission, dovecot):
    """Dovecot reads what we write, and we what it writes."""
    hashes = {name: dovecot.hash(scheme, "secret") for name, scheme in (("a", "ARGON2ID"), ("b", "SCRAM-SHA-256"))}
    dovecot.users.write_text("".join(f"{name}:{hash}::::::\n" for name, hash in hashes.items()))
    ours = submission(f'users = "{dovecot.users}"')
    add(ours, "c", "secret")
    ours.start()
    for user in "abc":
        assert swaks(ours, user, "secret")[0] == 0
    assert ours.stop() == 0
    theirs = submission(f'dovecot = "{dovecot.socket}"').start()
    for user in "abc":
        assert swaks(theirs, user, "secret")[0] == 0

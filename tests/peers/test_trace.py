"""`asyncmta trace` beside real clients: swaks with STARTTLS and a login, and smtp-source in a hurry."""

from __future__ import annotations

import base64
import json
import signal
import subprocess

import pytest
import trustme
from peerkit.programs import TOP, program, smtp_source
from peerkit.receiver import wait

pytestmark = pytest.mark.peers

SETTINGS = """
[local]
domains = ["localhost"]
maildir = "mail/{domain}/{local_part}"
mailboxes = "any"

[auth]
users = "users"
failure_delay = "0s"
"""
SECRET = "correct-horse-battery"


@pytest.fixture
def mta(serving, tmp_path, monkeypatch):
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "mta.pem")
    monkeypatch.setenv("ASYNCMTA_TLS__CERTIFICATE", str(tmp_path / "mta.pem"))
    monkeypatch.setenv("ASYNCMTA_LISTENER__0__TLS", "starttls")
    mta = serving(SETTINGS)
    ended = mta.asyncmta("user", "add", "me@example.org", stdin=f"{SECRET}\n".encode())
    assert ended.returncode == 0, ended.stderr
    return mta.start()


@pytest.fixture
def tracing(mta, tmp_path):
    """Starts `asyncmta trace` with these options and waits until it looks on: its process, and what it has said."""
    running = []

    def start(*options):
        out = tmp_path / f"trace{len(running)}.json"
        with out.open("wb") as stdout:
            process = subprocess.Popen(mta.command("trace", *options), cwd=TOP, stdout=stdout)
        running.append(process)

        def looks_on():
            swaks(mta, "--quit-after", "EHLO")
            return out.read_text()

        assert wait(looks_on, 20)
        return process, out

    yield start
    for process in running:
        process.kill()
        process.wait()


def swaks(mta, *more):
    command = [program("swaks"), "--server", f"127.0.0.1:{mta.port}", "--from", "me@example.org", "--to", "a@localhost"]
    return subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("password", "code"), [(SECRET, 0), (f"{SECRET}-no", 28)])
def test_a_login_behind_starttls(mta, tracing, mechanism, password, code):
    process, out = tracing()
    sent = swaks(mta, "-tls", "--auth", mechanism, "--auth-user", "me@example.org", "--auth-password", password)
    assert sent.returncode == code, sent.stdout
    assert wait(lambda: '"line":"QUIT"' in out.read_text().partition(f'"AUTH {mechanism}')[2], 20)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    text = out.read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert any(event["kind"] == "tls" and event["line"].startswith("TLSv1.") for event in events)
    lines = [event["line"] for event in events]
    assert "AUTH PLAIN ***" in lines if mechanism == "PLAIN" else lines.count("***") == 2
    assert any(line.startswith("535 " if code else "235 ") for line in lines)
    wire = [line.split()[-1] for line in sent.stdout.splitlines() if line.startswith(" ~> ")]
    (at,) = [number for number, word in enumerate(wire) if word == "LOGIN"] or [0]
    said = wire[at + 1 : at + 3] if mechanism == "LOGIN" else [word for word in wire if word.startswith("AG1l")]
    assert len(said) == (2 if mechanism == "LOGIN" else 1)
    for secret in (*said, password, base64.b64encode(password.encode()).decode().rstrip("=")):
        assert secret not in text


def test_under_load_all_mail_is_taken(mta, tracing, tmp_path):
    _, out = tracing("--content", "--listener", "relay")
    smtp_source(mta.port, 1000, "-l", "2000", "-t", "b@localhost", sessions=10, timeout=100)
    new = tmp_path / "mail" / "localhost" / "b" / "new"
    assert wait(lambda: new.exists() and len(list(new.iterdir())) == 1000, 60)
    events = [json.loads(line) for line in out.read_text().splitlines() if line.endswith("}")]
    queued = sum("Queued as" in event["line"] for event in events)
    lost = sum(event["count"] for event in events if event["kind"] == "dropped")
    assert queued == 1000 or lost > 0

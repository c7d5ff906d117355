"""Mail programs that users have, each with STARTTLS and AUTH through the submission listener to the next hop."""

from __future__ import annotations

import json
import re
import smtplib
import ssl
import subprocess

import pytest
from peerkit.null_clients import Postfix, msmtp, nullmailer
from peerkit.programs import program
from peerkit.receiver import Receiver, wait
from peerkit.serving import SMARTHOST
from peerkit.submission import LOGIN, PASSWORD, Submission

pytestmark = pytest.mark.peers

SENDER, TO = "alice@client.test", "bob@next.test"
CONTENT = b"From: alice@client.test\nTo: bob@next.test\nSubject: hello\n\nfirst\n.\n..two\n\nlast\n"
ESMTPSA = re.compile(rb"Received: (?:.*\r\n[ \t])*.*\bby mta\.test with ESMTPSA id (\w+)")
BODY = b"\r\n\r\nfirst\r\n.\r\n..two\r\n\r\nlast\r\n"


@pytest.fixture(scope="module")
def next_hop():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def submission(tmp_path_factory, next_hop):
    folder = tmp_path_factory.mktemp("submission")
    with Submission(folder, SMARTHOST.format(port=next_hop.port)) as mta:
        yield mta.start()


@pytest.fixture(params=["plain", "login"])
def mechanism(request):
    return request.param


@pytest.fixture(autouse=True)
def _nothing_yet(next_hop):
    next_hop.taken.clear()


def assert_arrived(mta, next_hop):
    """One message, as it was sent, by one who was known and over TLS."""
    assert wait(lambda: next_hop.taken, 30), mta.tail()
    (taken,) = next_hop.taken
    assert (taken.sender, taken.recipients) == (SENDER, [TO])
    assert taken.content.endswith(BODY)
    queue_id = ESMTPSA.match(taken.content)
    assert queue_id is not None, taken.content
    assert wait(lambda: accepted(mta, queue_id[1].decode()), 10), mta.tail()
    assert accepted(mta, queue_id[1].decode())["login"] == LOGIN


def accepted(mta, queue_id):
    """The line of the log."""
    for line in mta.log.read_text().splitlines():
        said = json.loads(line)
        if said["event"] == "accepted" and said["queue_id"] == queue_id:
            return said
    return None


def swaks(mta, *more):
    command = [program("swaks"), "--server", f"localhost:{mta.submission_port}", "--from", SENDER, "--to", TO, "--tls"]
    command += [
        "--tls-verify",
        "--tls-ca-path",
        str(mta.authority),
        "--data",
        CONTENT.decode().removesuffix("\n"),
        *more,
    ]  # it adds one
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_swaks(submission, next_hop, mechanism):
    said = swaks(submission, "--auth", mechanism, "--auth-user", LOGIN, "--auth-password", PASSWORD)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "<~  235 2.7.0" in said.stdout
    assert_arrived(submission, next_hop)


def test_smtplib(submission, next_hop, mechanism):
    with smtplib.SMTP("localhost", submission.submission_port, timeout=30) as client:
        assert client.starttls(context=ssl.create_default_context(cafile=submission.authority))[0] == 220
        client.ehlo()
        client.user, client.password = LOGIN, PASSWORD
        client.auth(mechanism, getattr(client, f"auth_{mechanism}"))
        assert client.sendmail(SENDER, [TO], CONTENT.decode()) == {}
    assert_arrived(submission, next_hop)


def test_msmtp(submission, next_hop, mechanism, tmp_path):
    msmtp(submission, tmp_path, mechanism=mechanism, sender=SENDER, to=TO, content=CONTENT)
    assert_arrived(submission, next_hop)


def test_nullmailer(submission, next_hop, mechanism, tmp_path):
    nullmailer(submission, tmp_path, mechanism=mechanism, sender=SENDER, to=TO, content=CONTENT)
    assert_arrived(submission, next_hop)


def test_postfix(submission, next_hop):
    with Postfix(submission) as postfix:
        postfix.send(sender=SENDER, to=TO, content=CONTENT)
        assert wait(lambda: "status=sent (250 2.0.0 " in postfix.log(), 30), postfix.log()[-3000:]
    assert_arrived(submission, next_hop)


def test_a_wrong_password_and_none_get_nothing_through(submission, next_hop):
    said = swaks(submission, "--auth", "plain", "--auth-user", LOGIN, "--auth-password", "wrong")
    assert "<~* 535 5.7.8" in said.stdout
    said = swaks(submission)
    assert "<~* 530 5.7.0" in said.stdout
    with smtplib.SMTP("localhost", submission.submission_port, timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth")  # only over TLS
    assert next_hop.taken == []

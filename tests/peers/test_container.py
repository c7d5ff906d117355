"""The image: the Dockerfile's steps are executed in a Debian, and what they made runs as a container would.

A uid that nobody has, a read-only root, one volume, no capability. Base image: Debian's own Python 3.11 in place of
python:3.11-slim, which cannot be had here (`peerkit.image`).
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import smtplib
import tomllib
import urllib.request

import pytest
import trustme
from peerkit.container import VOLUME, Container
from peerkit.image import BASE, Image
from peerkit.programs import TOP, program
from peerkit.receiver import Receiver, wait
from peerkit.serving import free_port
from peerkit.tls_hosts import LOGIN, PASSWORD, TlsExim

from asyncmta.spool.facts import doubt
from asyncmta.system.disk import PosixDisk

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("network")]


@pytest.fixture(scope="module")
def image():
    if os.geteuid() != 0:
        pytest.skip("not root: no chroot")
    for name in ("unshare", "nsenter", "setpriv"):
        program(name)
    if not (BASE / "asyncmta-base").exists():
        pytest.skip(f"{BASE} is not there: run make test-tools (mmdebstrap)")
    return Image()


@pytest.fixture
def container(image, tmp_path):
    """Makes containers; what still runs at the end is killed."""
    made = []

    def container(*, on_tmpfs=False, **environment):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        uid = random.SystemRandom().randrange(1_000_000_000, 1_000_900_000)  # as OpenShift gives them out
        made.append(Container(image, folder, uid, environment, on_tmpfs=on_tmpfs))
        return made[-1]

    yield container
    for each in made:
        each.__exit__()


def events(container, name):
    found = [json.loads(line) for line in container.log.read_text().splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == name]


def send(port, sender="me@example.org", recipient="you@example.net", text="hello"):
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        return client.sendmail(sender, [recipient], f"Subject: {text}\n\n{text}\n")


def test_what_the_image_says(image):
    marks = image.stage.marks
    assert image.base == "python:3.11-slim"
    assert marks["USER"] == "10025:0"
    assert marks["VOLUME"] == "/var/spool/asyncmta"
    assert marks["STOPSIGNAL"] == "SIGTERM"
    assert image.exec_form("HEALTHCHECK") == ["asyncmta", "health"]
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in marks["LABEL"]
    for name in ("sendmail", "newaliases"):
        assert os.readlink(image.root / "usr/sbin" / name) == f"/opt/asyncmta/bin/{name}"
    assert not (image.root / "tmp/build").exists()
    assert not (image.root / "src").exists()


def test_the_extension_is_compiled_in_it_and_what_compiled_it_is_not(image, container):
    (package,) = image.root.glob("opt/asyncmta/lib/python3.*/site-packages/asyncmta/system")
    assert [path.name for path in package.glob("_appending*")] == ["_appending.abi3.so", "_appending.pyi"]
    made = container(ASYNCMTA_LISTENER__0__PORT=str(free_port()))
    made.start().await_health()
    loaded = made.run("python", "-c", "import asyncmta.system._appending as it; print(it.__file__)")
    assert (loaded.returncode, loaded.stderr) == (0, b"")
    assert loaded.stdout.decode().strip() == f"/{package.relative_to(image.root)}/_appending.abi3.so"
    (wheel,) = package.parents[1].glob("asyncmta-*.dist-info/WHEEL")
    assert "Root-Is-Purelib: false\nTag: cp311-abi3-linux_" in wheel.read_text()
    tools = made.run("sh", "-c", "for name in cc gcc cpp as ld make c99; do command -v $name; done; exit 0")
    assert (tools.returncode, tools.stdout) == (0, b"")
    assert not [*image.root.glob("usr/bin/*-gcc*"), *image.root.glob("usr/lib/gcc*/*/*/cc1")]
    assert made.stop() == 0, made.text()


def test_it_takes_is_killed_starts_and_delivers(container):
    port, away = free_port(), free_port()
    made = container(
        ASYNCMTA_HOSTNAME="relay.test",
        ASYNCMTA_LISTENER__0__PORT=str(port),
        ASYNCMTA_ROUTE__0__VIA="smarthost",
        ASYNCMTA_ROUTE__0__HOSTS=f"127.0.0.1:{away}",
        ASYNCMTA_ROUTE__0__TLS="none",
    )
    made.start().await_health()
    status = made.status()
    assert status["Uid"].split() == [str(made.uid)] * 4
    assert status["Gid"].split() == ["0"] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert "ro" in made.mounts()["/"]
    for at in range(20):
        send(port, text=f"hello {at}")
    sent = made.run("/usr/sbin/sendmail", "-f", "me@example.org", "you@example.net", stdin=b"Subject: cron\n\nhello\n")
    assert (sent.returncode, sent.stderr) == (0, b"")
    made.kill()
    assert bool(events(made, "spool_file_system_doubtful")) == bool(doubt(PosixDisk().file_system(str(made.volume))))
    with Receiver(port=away) as receiver:
        made.start().await_health()
        flushed = made.run("asyncmta", "queue", "retry", "--all")
        assert flushed.returncode == 0, flushed.stderr
        assert wait(lambda: len(receiver.taken) == 21, 60), made.text()
        assert made.stop() == 0, made.text()
    assert sorted(path.name for path in made.volume.iterdir()) == ["queue"]


def test_a_container_of_the_other_image_is_swapped(container):
    port = free_port()
    with Receiver() as receiver:
        made = container(
            RELAYHOST=f"[127.0.0.1]:{receiver.port}",
            POSTFIX_smtp_tls_security_level="none",
            ALLOWED_SENDER_DOMAINS="example.org",
            POSTFIX_myhostname="relay.example.org",
            ASYNCMTA_LISTENER__0__PORT=str(port),
        )
        made.start().await_health()
        send(port, sender="me@sub.example.org")
        assert wait(lambda: len(receiver.taken) == 1, 30), made.text()
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            send(port, sender="me@elsewhere.example")
        assert caught.value.smtp_code == 550
        told = {event["variable"]: event["ours"] for event in events(made, "foreign_variable")}
        assert "ASYNCMTA_ROUTE__0__HOSTS" in told["RELAYHOST"]
        assert made.stop() == 0


def test_a_restriction_of_the_other_image_that_cannot_be_kept_stops_it(container):
    made = container(ALLOWED_SENDER_DOMAINS="example.org", POSTFIX_smtpd_recipient_restrictions="reject")
    assert made.start().end() == 78
    assert "POSTFIX_smtpd_recipient_restrictions: a restriction that cannot be kept" in made.text()
    assert pathlib.Path(made.volume, "queue").exists() is False


def test_a_container_without_a_volume_is_warned_about(container):
    made = container(on_tmpfs=True, ASYNCMTA_LISTENER__0__PORT=str(free_port()), ASYNCMTA_QUEUE__MIN_FREE_SPACE="0B")
    made.start().await_health()
    (told,) = events(made, "spool_file_system_doubtful")
    assert (told["level"], told["file_system"]) == ("warning", "tmpfs")
    assert "mount a volume there" in told["reason"]
    assert made.stop() == 0
    assert list(made.volume.iterdir()) == []


def test_the_web_page_is_in_the_image(container):
    """Templates and static files are in the wheel, and a read-only root is enough for them."""
    admin = free_port()
    made = container(
        ASYNCMTA_LISTENER__0__PORT=str(free_port()),
        ASYNCMTA_ADMIN__LISTEN=f"127.0.0.1:{admin}",
        ASYNCMTA_ADMIN__TOKEN="a-token-of-tests",
    )
    made.start().await_health()
    assert wait(lambda: answers(admin, "/login"), 30), made.text()
    page = answers(admin, "/login")
    assert "Admin token" in page
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        assert answers(admin, path)
    assert made.stop() == 0, made.text()


def answers(port, path):
    """What is there, or ""."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.read().decode()
    except OSError:
        return ""


def test_through_a_smarthost_with_a_login(container):
    with TlsExim(trustme.CA()) as host:
        port = free_port()
        made = container(
            RELAYHOST=f"[{host.address}]:{host.port}",
            RELAYHOST_USERNAME=LOGIN,
            RELAYHOST_PASSWORD_FILE=f"{VOLUME}/password",
            ALLOWED_SENDER_DOMAINS="example.org",
            ASYNCMTA_LISTENER__0__PORT=str(port),
        )
        (made.volume / "password").write_text(f"{PASSWORD}\n")
        made.start().await_health()
        send(port, recipient=f"you@{host.domain}")
        assert wait(lambda: list((host.maildir / "new").iterdir()), 30), made.text() + host.said()
        assert f":{LOGIN}" in host.log()
        assert wait(lambda: events(made, "delivered"), 30), made.text()
        (delivered,) = events(made, "delivered")
        assert delivered["tls"].startswith("TLSv1.")
        assert PASSWORD not in made.log.read_text()
        assert made.stop() == 0

"""Mail programs that hand everything to one next hop, set up in a folder: msmtp, nullmailer, and Postfix.

Each has a queue or none of its own, trusts the authority that it is given and no other, and logs in. None listens.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from peerkit.programs import PLACES, POSTFIX, TOP, postfix_environment, postfix_program, program
from peerkit.submission import LOGIN, PASSWORD, Submission

NULLMAILER = TOP / ".tools" / "nullmailer"
# Accounts that Debian always has, instead of those that an installed Postfix would make.
OWNER, GROUP = "uucp", "voice"

MSMTP = """
account default
host localhost
port {port}
tls on
tls_starttls on
tls_trust_file {authority}
auth {mechanism}
user {login}
password "{password}"
from {sender}
"""
MAIN = (
    PLACES
    + """\
myhostname = null.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
relayhost = [localhost]:{port}
smtp_host_lookup = native
smtp_tls_security_level = secure
smtp_tls_CAfile = {authority}
smtp_tls_secure_cert_match = localhost
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{home}/passwords
smtp_sasl_security_options = noanonymous
"""
)
MASTER = """
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""


def run(command: list[str], content: bytes = b"", **environment: str) -> None:
    """To its end, which has to be a good one."""
    ended = subprocess.run(
        command, input=content, env=os.environ | environment, capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr).decode(errors="replace")[-2000:]


def msmtp(mta: Submission, folder: pathlib.Path, *, mechanism: str, sender: str, to: str, content: bytes) -> None:
    config = folder / "msmtprc"
    config.write_text(
        MSMTP.format(
            port=mta.submission_port,
            authority=mta.authority,
            mechanism=mechanism,
            login=LOGIN,
            password=PASSWORD,
            sender=sender,
        )
    )
    config.chmod(0o600)
    run([program("msmtp"), "-C", str(config), "-f", sender, "--", to], content)


def nullmailer(mta: Submission, folder: pathlib.Path, *, mechanism: str, sender: str, to: str, content: bytes) -> None:
    """Injected into its queue, then one run over it. The folder is laid out as for its own tests."""
    if not (NULLMAILER / "usr" / "sbin" / "nullmailer-send").exists():
        pytest.skip(f"{NULLMAILER} is not there: run make test-tools")
    root = folder / "nullmailer"
    for made in ("conf", "queue/queue", "queue/tmp", "queue/failed"):
        (root / made).mkdir(parents=True)
    os.mkfifo(root / "queue" / "trigger")
    for part, at in (("usr/bin", "bin"), ("usr/sbin", "sbin"), ("usr/lib/nullmailer", "protocols")):
        _copy(NULLMAILER / part, root / at)
    login = "auth-login" if mechanism == "login" else ""
    (root / "conf" / "remotes").write_text(
        f"127.0.0.1 smtp port={mta.submission_port} starttls x509cafile={mta.authority} {login} "
        f"user={LOGIN} pass='{PASSWORD}'\n"
    )
    (root / "mailname").write_text("null.test\n")
    (root / "conf" / "pausetime").write_text("0\n")  # one run
    environment = {"NULLMAILER_TEST_PREFIX": str(root)}
    run([str(root / "bin" / "nullmailer-inject"), "-f", sender, to], content, **environment)
    run([str(root / "sbin" / "nullmailer-send")], **environment)
    assert list((root / "queue" / "queue").iterdir()) == []
    assert list((root / "queue" / "failed").iterdir()) == []


def _copy(programs: pathlib.Path, folder: pathlib.Path) -> None:
    """Without the bit that makes one of them another user, who would not look into our folder."""
    folder.mkdir()
    for file in programs.iterdir():
        shutil.copyfile(file, folder / file.name)
        (folder / file.name).chmod(0o755)


class Postfix:
    """Postfix without a listener, which relays to the submission port."""

    def __init__(self, mta: Submission) -> None:
        postfix_program("smtp-source")
        if os.geteuid() != 0:
            pytest.skip("Postfix's master starts as root only")
        # Not below pytest's folder, which is closed to the users that Postfix's processes become.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="asyncmta-postfix-"))
        self.home.chmod(0o755)
        self._config = self.home / "etc"
        for name in ("etc", "spool", "data", "log"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", OWNER)
        authority = shutil.copy(mta.authority, self.home)
        top = POSTFIX.resolve()
        (self._config / "main.cf").write_text(
            MAIN.format(
                home=self.home,
                top=top,
                owner=OWNER,
                group=GROUP,
                port=mta.submission_port,
                authority=authority,
            )
        )
        (self._config / "master.cf").write_text(MASTER)
        passwords = self.home / "passwords"
        passwords.write_text(f"[localhost]:{mta.submission_port} {LOGIN}:{PASSWORD}\n")
        passwords.chmod(0o600)

    def __enter__(self) -> Postfix:
        self._postfix("start")
        return self

    def __exit__(self, *_: object) -> None:
        self._postfix("abort")  # "stop" waits for five seconds
        shutil.rmtree(self.home)

    def _postfix(self, *words: str) -> None:
        run([postfix_program("postfix"), "-c", str(self._config), *words], **postfix_environment())

    def send(self, *, sender: str, to: str, content: bytes) -> None:
        command = [postfix_program("sendmail"), "-C", str(self._config), "-i", "-f", sender, to]
        run(command, content, **postfix_environment())

    def log(self) -> str:
        return (self.home / "log" / "maillog").read_text(errors="replace")

"""Programs that send through `sendmail`: cron, PHP's mail(), git send-email, bsd-mailx, mutt, Python; as root and as a
user without any rights, while the MTA runs and while it does not.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import pathlib
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time

import pytest
from peerkit.posters import (
    AS_DAEMON,
    AS_NOBODY,
    DAEMON,
    NOBODY,
    SENDMAIL,
    Cron,
    as_root,
    environment,
    run,
    succeeded,
    unpacked,
)
from peerkit.receiver import Receiver, Taken, wait
from peerkit.serving import SMARTHOST, Serving

pytestmark = pytest.mark.peers

ROOT, USER = "root", "nobody"
LETTER = b"From: me@x.test\nTo: you@y.test\nSubject: x\n\nhello\n"


@pytest.fixture
def house(receiver: Receiver):
    """An MTA, not yet started, in a folder that everybody may pass through, and that sends everything on."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="asyncmta-sendmail-"))
    folder.chmod(0o755)
    mta = Serving(folder, SMARTHOST.format(port=receiver.port))
    yield mta
    mta.__exit__()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=[("up", ROOT), ("up", USER), ("down", ROOT), ("down", USER)], ids="-".join)
def ways(request, house: Serving):
    """Whether the MTA runs, or ran once, and will again; and the user to be."""
    state, name = request.param
    if name == USER:
        as_root()
    house.start()
    if state == "down":
        assert house.stop() == 0
    return state, AS_NOBODY if name == USER else []


BOTH = pytest.mark.parametrize("ways", [("up", ROOT), ("down", USER)], ids="-".join, indirect=True)


def arrived(house: Serving, receiver: Receiver, state: str, count: int = 1) -> list[Taken]:
    """What came out at the other end, after a start where there was none."""
    if state == "down":
        assert receiver.taken == []
        house.start()
    assert wait(lambda: len(receiver.taken) >= count, 30), house.tail()
    return receiver.taken


def parsed(taken: Taken):
    return email.message_from_bytes(taken.content, policy=email.policy.default)


def test_flags_of_cron(house, receiver, ways):
    """As Debian's cron calls it, for a job of root's."""
    state, user = ways
    content = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> echo\nMIME-Version: 1.0\n\nout\n.\nmore\n"
    flags = ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"]
    succeeded(run([SENDMAIL, *flags], house.config, stdin=content, user=user))
    (taken,) = arrived(house, receiver, state)
    assert taken.recipients == ["root@mta.test"]
    assert taken.sender == f"{USER if user else ROOT}@mta.test"
    assert taken.content.endswith(b"\r\n\r\nout\r\n.\r\nmore\r\n")
    dropped = user or state == "down"
    assert (f"(from userid {NOBODY if user else 0})".encode() in taken.content) == bool(dropped)


@pytest.mark.parametrize("owner", [ROOT, USER])
def test_cron(house, receiver, owner):
    house.start()
    with Cron(house.config, f"@reboot {owner} echo hello from cron\n") as cron:
        wait(lambda: receiver.taken, 20)
        if not receiver.taken:
            cron.may_run()
    (taken,) = arrived(house, receiver, "up")
    message = parsed(taken)
    assert (taken.sender, taken.recipients) == (f"{owner}@mta.test", [f"{owner}@mta.test"])
    assert message["Subject"].startswith(f"Cron <{owner}@")
    assert "hello from cron" in message.get_content()


@BOTH
def test_php(house, receiver, ways):
    state, user = ways
    php = unpacked("php", "usr/bin/php8.2")
    header = "From: shop@x.test\\r\\nBcc: b@y.test"
    code = f'exit(mail("you@y.test", "Grüße", "line\\r\\n.\\nmore", "{header}", "-fbounce@x.test") ? 0 : 1);'
    command = [str(php), "-n", "-d", f"sendmail_path={SENDMAIL} -t -i", "-r", code]
    succeeded(run(command, house.config, user=user))
    (taken,) = arrived(house, receiver, state)
    assert (taken.sender, taken.recipients) == ("bounce@x.test", ["you@y.test", "b@y.test"])
    message = parsed(taken)
    assert (message["From"], message["Bcc"]) == ("shop@x.test", None)
    assert taken.content.endswith(b"line\r\n.\r\nmore\r\n")


@BOTH
def test_git_send_email(house, receiver, ways):
    state, _ = ways
    git = unpacked("git-email", "usr/lib/git-core/git-send-email").parent
    repository = house.folder / "repository"
    shutil.rmtree(repository, ignore_errors=True)
    more = {"HOME": str(house.folder), "PATH": os.pathsep.join([str(git), os.environ["PATH"]])}

    def git_run(*arguments: str):
        ended = run(["git", "-C", str(repository), *arguments], house.config, **more)
        succeeded(ended)
        return ended

    repository.mkdir()
    git_run("init", "-q")
    (repository / "file").write_text("Grüße\n")
    git_run("add", "file")
    git_run("-c", "user.name=A. Jür", "-c", "user.email=a@x.test", "commit", "-q", "-m", "subject of it")
    git_run("format-patch", "-q", "-1", "-o", "patches")
    patch = next((repository / "patches").iterdir())
    flags = ["-c", f"sendemail.smtpServer={SENDMAIL}", "-c", "user.name=B", "-c", "user.email=b@x.test", "send-email"]
    flags += ["--confirm=never", "--quiet", "--to=list@y.test", "--cc=you@y.test", "--envelope-sender=b@x.test"]
    git_run(*flags, str(patch))
    (taken,) = arrived(house, receiver, state)
    assert (taken.sender, taken.recipients[:2]) == ("b@x.test", ["list@y.test", "you@y.test"])
    assert parsed(taken)["Subject"] == "[PATCH] subject of it"
    assert "Grüße".encode() in taken.content


@BOTH
def test_bsd_mailx(house, receiver, ways):
    state, user = ways
    mail = unpacked("bsd-mailx", "usr/bin/bsd-mailx")
    (house.folder / "mailrc").write_text(f"set sendmail={SENDMAIL}\n")
    command = [str(mail), "-s", "disk full", "-c", "boss@y.test", "you@y.test", "root"]
    ended = run(command, house.config, stdin=b"look\n.\nat it\n", user=user, MAILRC=str(house.folder / "mailrc"))
    succeeded(ended)
    (taken,) = arrived(house, receiver, state)
    assert sorted(taken.recipients) == ["boss@y.test", "root@mta.test", "you@y.test"]
    message = parsed(taken)
    assert (message["Subject"], message["Cc"]) == ("disk full", "boss@y.test")
    assert taken.content.endswith(b"look\r\n.\r\nat it\r\n")


@BOTH
def test_mutt(house, receiver, ways):
    state, user = ways
    mutt = unpacked("mutt", "usr/bin/mutt")
    (house.folder / "muttrc").write_text(
        f'set sendmail="{SENDMAIL} -oem -oi"\nset from="me@x.test"\nset use_envelope_from\nset copy=no\n'
    )
    (house.folder / "attached").write_bytes(bytes(range(256)) * 20)
    flags = [
        "-F",
        str(house.folder / "muttrc"),
        "-s",
        "with a file",
        "-b",
        "b@y.test",
        "-a",
        str(house.folder / "attached"),
    ]
    ended = run(
        [str(mutt), *flags, "--", "you@y.test"], house.config, stdin=b"see it\n", user=user, HOME="/nonexistent"
    )
    succeeded(ended)
    (taken,) = arrived(house, receiver, state)
    assert (taken.sender, sorted(taken.recipients)) == ("me@x.test", ["b@y.test", "you@y.test"])
    text, file = parsed(taken).iter_parts()
    assert text.get_content() == "see it\r\n"
    assert file.get_content() == bytes(range(256)) * 20
    assert b"b@y.test" not in taken.content


class Pipe(smtplib.SMTP):
    """smtplib on the standard input and output of `sendmail -bs`."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        self._ours = ours
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, env=env)
        theirs.close()
        super().__init__(timeout=30)
        self.connect("pipe", 25)

    def _get_socket(self, host, port, timeout):
        return self._ours


@BOTH
def test_smtplib_over_a_pipe(house, receiver, ways):
    state, user = ways
    with Pipe([*user, SENDMAIL, "-bs"], environment(house.config)) as client:
        for number in range(3):
            content = LETTER.decode() + f"number {number}\n..\n"
            assert client.sendmail("me@x.test", ["you@y.test", "b@y.test"], content) == {}
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("me@x.test", ["you@y.test"], "DKIM-Signature: x\n\n" + "x" * 2000)
    assert client.process.wait(30) == 0
    found = arrived(house, receiver, state, 3)
    assert sorted(taken.content[-14:] for taken in found) == [b"number %d\r\n..\r\n" % number for number in range(3)]


def test_smtplib_over_the_listener(house, receiver):
    house.start()
    with smtplib.SMTP("127.0.0.1", house.port, timeout=30) as client:
        assert client.sendmail("me@x.test", ["you@y.test"], LETTER.decode()) == {}
    (taken,) = arrived(house, receiver, "up")
    assert taken.content.endswith(b"Subject: x\r\n\r\nhello\r\n")


def test_what_was_left_while_nobody_ran_comes_once(house, receiver):
    """Also when the MTA is killed while it takes them."""
    as_root()
    house.start()
    assert house.stop() == 0
    script = f"for n in $(seq 8); do {SENDMAIL} you$n@y.test <letter || exit 1; done"
    (house.folder / "letter").write_bytes(LETTER)
    writers = [
        subprocess.Popen([*AS_NOBODY, "sh", "-c", script], env=environment(house.config), cwd=house.folder)
        for _ in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    for _ in range(3):
        house.start(wait=False)
        time.sleep(0.9)
        house.kill()
    house.start()
    assert wait(lambda: len(receiver.taken) >= 24, 30), house.tail()
    assert wait(lambda: not list((house.folder / "spool" / "dropped").glob("0*")), 10)
    ids = [re.search(rb"id (\w{16})", taken.content)[1] for taken in receiver.taken]
    assert len(set(ids)) == 24
    assert not list((house.folder / "spool" / "drop").glob("*.mail"))


def test_an_mta_without_rights_takes_the_mail_of_others(house, receiver):
    """It owns the directory and nothing that is left there; the files' group lets it read them."""
    as_root()
    os.chown(house.folder, DAEMON, DAEMON)
    house = Serving(house.folder, SMARTHOST.format(port=receiver.port), prefix=tuple(AS_DAEMON))
    try:
        house.start()
        for state in ("up", "down"):
            receiver.taken.clear()
            for user in ([], AS_NOBODY):
                succeeded(run([SENDMAIL, "you@y.test"], house.config, stdin=LETTER, user=user))
            found = arrived(house, receiver, state, 2)
            senders = {taken.sender for taken in found}
            assert senders == {"root@mta.test", "nobody@mta.test"}
            assert "running_as_root" not in house.log.read_text()
            house.kill()
    finally:
        house.__exit__()


def test_what_a_hostile_user_leaves(house, receiver):
    as_root()
    house.start()
    drop = house.folder / "spool" / "drop"
    script = (
        f"cd {drop} && ln -s /etc/shadow a.mail && mkfifo b.mail && mkdir c.mail && echo nonsense >d.mail"
        f" && truncate -s 1T e.mail && ln d.mail f.mail; ls . 2>&1; rm -f wake; cat {drop}/* 2>&1; true"
    )
    ended = run(["sh", "-c", script], house.config, user=AS_NOBODY)
    assert ended.stdout.count(b"Permission denied") >= 1
    succeeded(run([SENDMAIL, "you@y.test"], house.config, stdin=LETTER, user=AS_NOBODY))
    (taken,) = arrived(house, receiver, "up")
    assert b"from userid 65534" in taken.content
    assert wait(lambda: sorted(each.name for each in drop.iterdir()) == ["c.mail", "wake"], 15), list(drop.iterdir())
    said = [json.loads(line) for line in house.log.read_text().splitlines()]
    assert sum(line.get("count", 0) for line in said if line["event"] == "drop_refused") == 5
    assert {line["userid"] for line in said if line["event"] == "drop_refused"} == {NOBODY}
    assert house.stop() == 0


def test_mailq_and_a_queue_run(house, receiver):
    house.start()
    assert run([SENDMAIL, "-bp"], house.config).stdout == b"Mail queue is empty\n"
    receiver.stalls = True
    succeeded(run([SENDMAIL, "-v", "you@y.test"], house.config, stdin=LETTER))
    mailq = str(pathlib.Path(SENDMAIL).with_name("mailq"))
    assert wait(lambda: b"in 1 Request." in run([mailq], house.config).stdout, 10)
    succeeded(run([SENDMAIL, "-q"], house.config))
    house.kill()
    lines = run([mailq], house.config).stdout.decode().splitlines()
    assert re.fullmatch(r"[0-9a-z]{16} +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  root@mta\.test", lines[1])
    assert lines[-1] == "-- 0 Kbytes in 1 Request."


def test_nobody_may_look_at_the_queue(house):
    as_root()
    house.start()
    for command in (["mailq"], ["sendmail", "-q"]):
        program = str(pathlib.Path(SENDMAIL).with_name(command[0]))
        assert run([program, *command[1:]], house.config, user=AS_NOBODY).returncode == 77

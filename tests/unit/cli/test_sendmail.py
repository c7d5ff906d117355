"""cli/sendmail: messages over the control socket and by the drop directory, and how it ends."""

from __future__ import annotations

import getpass
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncmta.cli import handing_over
from asyncmta.cli.sendmail import main
from asyncmta.inbound.drop_directory import DropDirectory, DropSettings
from asyncmta.inbound.drop_file import Dropped, read
from asyncmta.inbound.injection import Reports

LETTER = b"To: You <you@y.example>, root\nBcc: hidden@y.example\nSubject: x\n\nhello\n"


class Ended:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"code {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def post(config, capsys, monkeypatch):
    """`post("-t", stdin=...)`: as the command would be run, by the name of sendmail."""

    def post(*arguments, stdin=LETTER, name="sendmail"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(list(arguments), name)
        out, err = capsys.readouterr()
        return Ended(ended.value.code, out, err)

    return post


@pytest.fixture
def drop(config):
    """The drop directory of an MTA that ran once; `drop()` gives the messages in it."""
    spool = config.parent / "spool"
    fifo, _ = DropDirectory(DropSettings(directory=str(spool / "drop"), taken=str(spool / "dropped"))).prepare(0.0)
    os.close(fifo)

    def messages() -> list[Dropped]:
        found = [read(each.read_bytes()) for each in sorted((spool / "drop").glob("*.mail"))]
        assert all(isinstance(each, Dropped) for each in found)
        return found

    return messages


# -- a message ------------------------------------------------------------------------------------------------------


def test_to_an_mta_that_runs(post, mta):
    assert post("you@y.example", "root").code == 0
    ((sender, recipients, content),) = mta.submitted
    assert (sender, recipients) == (f"{getpass.getuser()}@mta.example", ["you@y.example", "root@mta.example"])
    assert content.startswith(b"From: ")
    assert f"<{sender}>\r\nDate: ".encode() in content
    assert content.endswith(LETTER.replace(b"\n", b"\r\n"))  # Bcc goes when the MTA takes it


def test_all_that_can_be_said_of_it(post, mta):
    flags = ["-f", "Me <me@x.example>", "-F", "My, Name", "-N", "never", "-R", "hdrs", "-V", "id", "-B8BITMIME"]
    assert post(*flags, "you@y.example", stdin=b"Subject: x\n\na\n.\nb\n").code == 0
    ((sender, recipients, content),) = mta.submitted
    assert (sender, recipients) == ("me@x.example", ["you@y.example"])
    assert content.startswith(b'From: "My, Name" <me@x.example>\r\nDate: ')
    assert content.endswith(b"Subject: x\r\n\r\na\r\n")
    assert mta.reports == [Reports("NEVER", "HDRS", "id")]


def test_recipients_of_the_header_are_added_to_those_of_the_arguments(post, mta):
    assert post("-ti", "-f", "<>", "more@y.example", "you@y.example").code == 0
    ((sender, recipients, content),) = mta.submitted
    assert sender is None
    assert recipients == ["more@y.example", "you@y.example", "root@mta.example", "hidden@y.example"]
    assert b"hidden" not in content
    assert f"<{getpass.getuser()}@mta.example>".encode() in content


def test_more_recipients_than_a_line_has_room_for(post, mta):
    people = [f"{'x' * 60}{number}@y.example" for number in range(300)]
    assert post(*people).code == 0
    assert mta.submitted[0][1] == people


def test_verbosely(post, mta, drop):
    assert post("-v", "you@y.example").out == f"queued as {1:016d}\n"


def test_without_an_mta_it_waits(post, drop, config):
    ended = post("-v", "you@y.example", "root")
    assert (ended.code, ended.out) == (0, f"left in {config.parent / 'spool' / 'drop'}\n")
    (message,) = drop()
    assert message.directions.recipients == ("you@y.example", "root@mta.example")
    assert message.directions.sender == f"{getpass.getuser()}@mta.example"
    assert message.content.endswith(LETTER.replace(b"\n", b"\r\n"))


def test_an_answer_that_never_comes_is_no_reason_to_lose_it(post, mta, drop, monkeypatch):
    def breaks(self, file):
        raise handing_over.NotRunning("the answer broke off")

    monkeypatch.setattr(handing_over.ControlClient, "hand_over", breaks)
    assert post("you@y.example").code == 0
    assert len(drop()) == 1


@pytest.mark.parametrize(
    ("refusal", "code"), [(("451", "4.3.0", "Later"), 75), (("554", "5.7.1", "Never"), 69)], ids=["for now", "for good"]
)
def test_what_the_mta_refuses_is_not_left(post, mta, drop, refusal, code):
    mta.refuse(int(refusal[0]), *refusal[1:])
    ended = post("you@y.example")
    assert (ended.code, refusal[2] in ended.err) == (code, True)
    assert drop() == []


def test_without_a_drop_directory(post, config):
    ended = post("you@y.example")
    assert (ended.code, "No such file" in ended.err) == (75, True)
    config.write_text(config.read_text() + "[drop]\nenabled = false\n")
    ended = post("you@y.example")
    assert (ended.code, "there is no drop directory" in ended.err) == (75, True)


def test_a_drop_directory_that_cannot_be_written(post, config):
    (config.parent / "spool" / "drop").write_bytes(b"")
    assert post("you@y.example").code == 73


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "said"),
    [
        ([], LETTER, 64, "sendmail: name a recipient, or use -t\n"),
        (["-Z"], LETTER, 64, "sendmail: -Z: there is no such flag\n"),
        (["-t"], b"Subject: x\n\n", 64, "sendmail: nobody is named in To, Cc or Bcc\n"),
        (["nobody:;"], LETTER, 64, "sendmail: nobody is named in To, Cc or Bcc\n"),
        (["a b@y.example"], LETTER, 65, "sendmail: a b@y.example: "),
        (["-f", "x y", "you@y.example"], LETTER, 65, "sendmail: x y@mta.example: "),
        (["a@b,,<"], LETTER, 65, "sendmail: 'a@b,,<' is no list of addresses\n"),
        (["-f", "a@b, c@d", "x@y.example"], LETTER, 65, "sendmail: 'a@b, c@d' is no address\n"),
        (["you@y.example"], b"To: x\n\na\0b", 65, "sendmail: 550 5.6.0 "),
        (["you@y.example"], b"DKIM-Signature: x\n\n" + b"y" * 999, 65, "sendmail: 550 5.6.0 "),
        (["you@y.example"], b"x\n" * 6000, 65, "sendmail: the message is larger than 10240 octets"),
        ([f"{number}@y.example" for number in range(101)], LETTER, 65, "sendmail: 452 4.5.3 "),
        (["-t"], b"To: " + b"(" * 9000 + b"\n\n", 65, "sendmail: comments in To"),
        (
            ["-f", "\udcff@x.example", "-F", "\udcff", "you@y.example"],
            LETTER,
            65,
            "sendmail: ?@x.example: not valid UTF-8",
        ),
        (["-bd"], LETTER, 64, "sendmail: -bd: the MTA is run by `asyncmta serve`\n"),
    ],
)
def test_what_cannot_be_sent(post, drop, config, arguments, stdin, code, said):
    config.write_text(config.read_text() + '[limits]\nmessage_size = "10KiB"\nrecipients = 100\n')
    ended = post(*arguments, stdin=stdin)
    assert ended.code == code
    assert ended.err.startswith(said)
    assert drop() == []


def test_a_configuration_that_is_wrong(post, config, tmp_path):
    config.write_text('spool = ""\n[limits]\nrecipients = 3\n')
    ended = post("you@y.example")
    assert (ended.code, len(ended.err.splitlines())) == (78, 2)
    ended = post("-C", str(tmp_path / "nowhere.toml"), "you@y.example")
    assert (ended.code, "cannot be read" in ended.err) == (78, True)


def test_a_folder_has_no_say(post, drop, tmp_path, monkeypatch):
    monkeypatch.delenv("ASYNCMTA_CONFIG")
    monkeypatch.setattr("asyncmta.cli.sendmail.USUAL_FILE", str(tmp_path / "nowhere.toml"))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    (tmp_path / "sub" / "config.toml").write_text('title = "not ours"\n')
    ended = post("you@y.example")
    assert (ended.code, str(tmp_path / "sub" / "var" / "spool") in ended.err) == (75, True)


def test_a_bug_is_told_as_one(post, monkeypatch):
    def bug(_path):
        raise RuntimeError("a bug")

    monkeypatch.setattr("asyncmta.cli.sendmail.read_posting", bug)
    ended = post("you@y.example")
    assert (ended.code, "RuntimeError: a bug" in ended.err) == (70, True)


@pytest.mark.parametrize("name", ["sendmail", "mailq", "newaliases"])
def test_it_is_installed_under_its_names(name, config):
    """Through the scripts that users have."""
    command = Path(sys.executable).parent / name
    ended = subprocess.run([command, "-Z"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (ended.returncode, ended.stderr) == (64, f"{name}: -Z: there is no such flag\n")


# -- mailq, -q ------------------------------------------------------------------------------------------------------


def test_mailq(post, mta):
    for ended in (post("-bp"), post(name="mailq")):
        assert ended.code == 0
        lines = ended.out.splitlines()
        assert lines[0].startswith("-Queue ID-")
        assert lines[-1].endswith(" in 3 Requests.")


def test_mailq_of_an_mta_that_does_not_run(post):
    ended = post(name="mailq")
    assert (ended.code, ended.out) == (0, "Mail queue is empty\n")


@pytest.mark.parametrize(
    ("flag", "asked"),
    [
        ("-q", ("retry", None, None, None, False)),
        ("-q30m", ("retry", None, None, None, False)),
        ("-qI0000000000000002", ("retry", ["0000000000000002"], None, None, False)),
        ("-qRy.example", ("retry", None, "y.example", None, False)),
        ("-qSme@x.example", ("retry", None, None, "me@x.example", False)),
    ],
)
def test_a_queue_run(post, mta, flag, asked):
    assert post(flag).code == 0
    assert mta.asked == [asked]


def test_a_queue_run_of_nobody(post):
    ended = post("-q")
    assert (ended.code, "not running" in ended.err) == (69, True)
    assert post("-qInonsense").code == 69


def test_who_may_not_look(post, config, monkeypatch):
    (config.parent / "spool" / "journal").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    for flag in ("-bp", "-q"):
        ended = post(flag)
        assert (ended.code, "only its owner may look at the queue" in ended.err) == (77, True)


def test_the_mta_says_no(post, mta):
    assert post("-qInonsense").code == 65


# -- newaliases -----------------------------------------------------------------------------------------------------


def test_newaliases(post, config, tmp_path):
    (tmp_path / "aliases").write_text("postmaster: root\nroot: me@x.example\n")
    (tmp_path / "virtual").write_text("a@b.example me@x.example\n")
    domain = '[[domain]]\nname = "b.example"\n[[domain]]\nname = "c.example"\naliases = "aliases"\n'
    config.write_text(f'{config.read_text()}[local]\naliases = "aliases"\nvirtual = "virtual"\n{domain}')
    for ended in (post(name="newaliases"), post("-bi"), post("-I")):
        assert (ended.code, ended.err) == (0, "")
        assert (
            ended.out == f"{tmp_path}/aliases: 2 entries\n{tmp_path}/virtual: 1 entry\n{tmp_path}/aliases: 2 entries\n"
        )


def test_newaliases_finds_faults(post, config, tmp_path):
    (tmp_path / "aliases").write_text("root: me@x.example\nnonsense\n")
    config.write_text(config.read_text() + '[local]\naliases = "aliases"\n')
    ended = post(name="newaliases")
    assert (ended.code, "line 2" in ended.err) == (65, True)
    (tmp_path / "aliases").unlink()
    assert post(name="newaliases").code == 66


def test_newaliases_without_any(post):
    ended = post(name="newaliases")
    assert (ended.code, "no file of aliases is configured" in ended.err) == (0, True)


# -- -bs ------------------------------------------------------------------------------------------------------------


def speak(*lines):
    command = Path(sys.executable).parent / "sendmail"
    ended = subprocess.run([command, "-bs"], input=b"\r\n".join((*lines, b"")), capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout.decode().splitlines()


def test_smtp_on_standard_input(drop):
    """DATA waits for its reply, as programs do that speak to a pipe: BDAT needs no two writes."""
    content = b"Subject: x\r\n\r\n.hello\r\n"
    said = speak(
        b"EHLO me", b"MAIL FROM:<me@x.example>", b"RCPT TO:<you@y.example>", b"BDAT 22 LAST\r\n" + content + b"QUIT"
    )
    assert said[0].startswith("220 mta.example ESMTP")
    assert said[-2] == "250 2.0.0 Queued: it waits for the server to be there"
    assert said[-1][:3] == "221"
    (message,) = drop()
    assert (message.directions.sender, message.directions.recipients) == ("me@x.example", ("you@y.example",))
    assert message.content.startswith(b"From: <me@x.example>\r\nDate: ")
    assert message.content.endswith(content)


def test_smtp_without_anybody_to_hand_it_to(config):
    said = speak(b"EHLO me", b"MAIL FROM:<>", b"RCPT TO:<you@y.example>", b"BDAT 3 LAST\r\nx\r\nQUIT")
    assert said[-2][:3] == "451"

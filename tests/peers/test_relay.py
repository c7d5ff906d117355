"""A load through a smarthost route: everything arrives, and nothing but the Received field was added."""

from __future__ import annotations

import os
import pwd
import re
import subprocess

import pytest
from peerkit.client import Client, letter
from peerkit.programs import postfix_environment, postfix_program, smtp_source
from peerkit.receiver import wait
from peerkit.serving import free_port

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

RECEIVED = re.compile(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
CONTENT = (
    b"From: sender@source.test\nTo: somebody\nSubject: caf\xc3\xa9\n folded\n\n"
    b".\n..\n.x\n\nFrom here\n" + b"y" * 900 + b"\n\xff\xfe 8 bit\n" + b"z" * 70 + b"\n\n\n"
)


def without_received(content: bytes) -> bytes:
    """Our one Received field taken off; there must be exactly one, in front."""
    found = RECEIVED.match(content)
    assert found is not None, content[:200]
    rest = content[found.end() :]
    assert RECEIVED.match(rest) is None
    return rest


def test_everything_arrives_unchanged(relaying, receiver, long, tmp_path):
    messages = 20_000 if long else 2000
    file = tmp_path / "letter"
    file.write_bytes(CONTENT)
    smtp_source(receiver.port, 1, "-F", str(file), "-t", "you@next.test", sessions=1)
    as_sent = receiver.taken.pop().content  # what smtp-source itself makes of the file
    relaying.start()
    smtp_source(relaying.port, messages, "-N", "-F", str(file), "-t", "you@next.test")
    assert wait(lambda: len(receiver.taken) >= messages, 120), f"{len(receiver.taken)} of {messages}"
    assert relaying.stop() == 0
    assert len(receiver.taken) == messages
    assert len({recipient for taken in receiver.taken for recipient in taken.recipients}) == messages
    assert {without_received(taken.content) for taken in receiver.taken} == {as_sent}
    assert {taken.sender for taken in receiver.taken} == {"sender@source.test"}


def test_smtp_sink_counts_as_many_as_smtp_source_sent(serving, smarthost, long, tmp_path):
    messages = 20_000 if long else 2000
    port = free_port()
    command = [postfix_program("smtp-sink"), "-4", "-c", "-m", "1000", f"127.0.0.1:{port}", "1024"]
    command[1:1] = ["-u", pwd.getpwnam("nobody").pw_name] if os.geteuid() == 0 else []
    counters = tmp_path / "counters"
    with counters.open("wb") as out, subprocess.Popen(command, env=postfix_environment(), stdout=out) as sink:
        try:
            mta = serving(smarthost.format(port=port)).start()
            smtp_source(mta.port, messages, "-l", "4096", "-t", "you@next.test")
            assert wait(lambda: count(counters) >= messages, 120)
            assert mta.stop() == 0
            assert count(counters) == messages
        finally:
            sink.kill()
    assert mta.asyncmta("queue", "list").stdout == b""


def count(counters):
    """The last `mesg=` that smtp-sink -c wrote."""
    return int((re.findall(rb"mesg=(\d+)", counters.read_bytes()[-200:]) or [b"0"])[-1])


def test_sigterm_under_load_loses_nothing(relaying, receiver, long):
    """Stopped and started again in the middle: every message that got a 250 arrives, and each stop ends with 0."""
    messages = 20_000 if long else 2000
    relaying.start()
    client = Client(relaying.port, messages).start()
    for part in (1, 2, 3):
        client.wait(part * messages // 4, 120)
        assert relaying.stop() == 0
        relaying.start()
    client.wait(messages, 120)
    client.stop()
    arrived = {}
    assert wait(lambda: len(receiver.taken) >= len(client.acknowledged), 60)
    assert relaying.stop() == 0
    for taken in receiver.taken:
        content = without_received(taken.content)
        identity = content.partition(b"X-Identity: ")[2].partition(b"\r\n")[0].decode()
        arrived[identity] = content
    missing = client.acknowledged.keys() - arrived.keys()
    assert not missing, sorted(missing)[:10]
    assert all(arrived[identity] == letter(identity, seed) for identity, seed in client.acknowledged.items())

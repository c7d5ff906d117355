"""Completion in real shells: Tab is pressed on a terminal, and the running MTA is asked."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest
from peerkit.programs import program
from peerkit.serving import SMARTHOST
from peerkit.terminal import Terminal

pytestmark = pytest.mark.peers

BIN = pathlib.Path(sys.executable).parent

# How each is started without its user's settings, and told our script; the prompt is the same.
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'PS1="% "; eval "$(asyncmta completion bash)"; echo is-$((40+2))\n'),
    "zsh": (
        ["-f", "-i"],
        'PS1="%% "; autoload -U compinit; compinit -u -D; eval "$(asyncmta completion zsh)"; echo is-$((40+2))\n',
    ),
    "fish": (
        ["--no-config", "-i"],
        'function fish_prompt; echo "% "; end; asyncmta completion fish | source; echo is-(math 40+2)\n',
    ),
}


@pytest.fixture
def held(serving, tmp_path):
    """A running MTA with a message for a host that is not there; its id."""
    mta = serving(SMARTHOST.format(port=1)).start().await_control()
    sent = mta.asyncmta("send", "-f", "boss@sender.test", "someone@held.test", stdin=b"Subject: x\n\nx\n")
    assert sent.returncode == 0, sent.stderr
    row = mta.asyncmta("queue", "list").stdout.decode()
    return mta, row.split("\t")[0]


@pytest.fixture(params=SHELLS)
def shell(request, held, tmp_path):
    mta, _ = held
    arguments, setting = SHELLS[request.param]
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home), "LC_ALL": "C.UTF-8"}
    env |= {"PATH": f"{BIN}:{os.environ['PATH']}", "ASYNCMTA_CONFIG": str(mta.config), "INPUTRC": "/dev/null"}
    with Terminal([program(request.param), *arguments], env=env) as terminal:
        terminal.type(setting)
        terminal.until_text("is-42")
        yield terminal


def test_a_command_an_id_an_address_and_an_option(shell, held):
    _, queue_id = held
    shell.type("asyncmta jou\t")
    shell.until_text("asyncmta journal")
    shell.type("\x15asyncmta queue show \t")
    shell.until_text(f"asyncmta queue show {queue_id}")
    shell.type(f"\x15asyncmta why {queue_id[:4]}\t")
    shell.until_text(f"asyncmta why {queue_id}")
    shell.type("\x15asyncmta queue list --sender boss@se\t")
    shell.until_text("--sender boss@sender.test")
    shell.type("\x15asyncmta queue list --domain he\t")
    shell.until_text("--domain held.test")
    shell.type("\x15asyncmta queue list --mi\t")
    shell.until_text("--min-age")


def test_words_are_broken_by_bash_and_put_together_again(held):
    """At an equals sign, an at sign and a colon."""
    mta, _ = held
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "ASYNCMTA_CONFIG": str(mta.config), "INPUTRC": "/dev/null"}
    with Terminal([program("bash"), *SHELLS["bash"][0]], env=env) as shell:
        shell.type(SHELLS["bash"][1])
        shell.until_text("is-42")
        shell.type("asyncmta queue list --sender=boss@se\t")
        shell.until_text("--sender=boss@sender.test")
        shell.type("\x15asyncmta queue list --domain=he\t")
        shell.until_text("--domain=held.test")
        shell.type("\x15asyncmta pause site smarthost:\t")
        shell.until_text("pause site smarthost:0")

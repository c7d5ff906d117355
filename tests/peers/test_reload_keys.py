"""Each key of config.toml is changed in the file of a running MTA, SIGHUP is sent, and the answer is seen in its log:
it is what docs/life.md says."""

from __future__ import annotations

import json
import pathlib
import re
import signal

import pytest
import trustme
from peerkit.keys import as_toml, every_key, prepare, settings_of
from peerkit.receiver import wait
from peerkit.serving import Serving

pytestmark = pytest.mark.peers

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "life.md"
FOLLOWING = {"hostname": {"postmaster"}, "spool": {"admin.socket"}, "mode": {"smarthost"}, "domain": {"local.domains"}}
"""What changes with a key, because it is made of it or goes with it."""


def promised() -> dict[str, bool]:
    """By key of config.toml, is it taken over? From the page."""
    found = {}
    text = PAGE.read_text().partition("<!-- keys:")[2].partition("<!-- end -->")[0]
    for line in text.splitlines():
        if not line.startswith(("| `[", "| (top)")):
            continue
        name, now, later = line.removeprefix("| ").removesuffix(" |").split(" | ")
        array = re.fullmatch(r"`\[\[(\w+)\]\]`", name)
        table = re.fullmatch(r"`\[(\w+)\]`", name)
        prefix = f"{array[1]}.0." if array else f"{table[1]}." if table else ""
        found |= {f"{prefix}{key}": True for key in re.findall(r"`(\w+)`", now)}
        found |= {f"{prefix}{key}": False for key in re.findall(r"`(\w+)`", later)}
    return found


@pytest.fixture(scope="module")
def mta(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    authority = trustme.CA()
    issued = ((name, authority.issue_cert(f"{name}.a.example")) for name in ("one", "two"))
    prepare(folder, [(name, each.cert_chain_pems[0].bytes(), each.private_key_pem.bytes()) for name, each in issued])
    serving = Serving(folder, "[pipe]\nenabled = true\n[local]\ndomains = ['a.example', 'lists.example']\n").start()
    assert wait(lambda: '"ready"' in serving.log.read_text(), 30)
    yield serving
    assert serving.stop() == 0


def reloaded(mta, tree):
    """What its log says to SIGHUP and these settings."""
    before = len(answers(mta))
    mta.config.write_text(as_toml({"hostname": "mta.test", "spool": "spool", "log": {"format": "json"}} | tree))
    mta.process.send_signal(signal.SIGHUP)
    assert wait(lambda: len(answers(mta)) > before, 20)
    answer = answers(mta)[before]
    assert answer["event"] == "reloaded", answer
    return answer


def answers(mta):
    lines = (json.loads(line) for line in mta.log.read_text().splitlines() if "reload" in line)
    return [line for line in lines if line["event"] in ("reloaded", "reload_failed")]


def test_the_page_names_every_key():
    assert promised().keys() == set(every_key())


@pytest.mark.parametrize("path", every_key())
def test_a_key_that_is_changed_is_answered_as_the_page_says(mta, path):
    name = path.partition(".0.")[0]
    reloaded(mta, settings_of(path, 0))
    answer = reloaded(mta, settings_of(path, 1))
    if promised()[path]:
        assert set(answer["changed"]) - FOLLOWING.get(name, set()) == {name}
        assert name not in answer["needs_restart"]
    else:
        assert name in answer["needs_restart"]
        assert set(answer["changed"]) <= FOLLOWING.get(name, set())

"""End to end with real programs. Long forms (20,000 messages, 30 kills) with PEERS_LONG=1."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from peerkit.network import own_network
from peerkit.receiver import Receiver
from peerkit.serving import SMARTHOST, Serving

# Read before any test: tests/conftest.py takes such variables away, since they would be settings.
LONG = os.environ.get("PEERS_LONG") == "1"
# A terminal's size that pytest-xdist's workers have got, and none of the terminals here has.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
SEED = int(os.environ.get("PEERS_SEED") or random.SystemRandom().randrange(1 << 32))

# A shell that has us in the background has us ignore it, and so would each program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """For more than one worker (`-n`): which of them runs what."""
    from peerkit.workers import Sharing

    return Sharing(config, log)


@pytest.fixture
def long():
    """Is this the long form?"""
    return LONG


@pytest.fixture
def seed():
    """Of the random moments of this run."""
    print(f"seed {SEED} (PEERS_SEED={SEED} repeats the moments)")
    return SEED


@pytest.fixture
def network():
    """Every port is free, and nothing outside can be reached."""
    with own_network():
        yield


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def serving(tmp_path):
    """Makes MTAs; what still runs at the end is killed. `serving(more, head=...)` adds to the configuration."""
    made = []

    def serving(more="", *, folder=tmp_path, **keywords):
        made.append(Serving(folder, more, **keywords))
        return made[-1]

    yield serving
    for each in made:
        each.__exit__()


@pytest.fixture
def relaying(serving, receiver):
    """An MTA, not yet started, that sends everything to `receiver`."""
    return serving(SMARTHOST.format(port=receiver.port))


@pytest.fixture
def smarthost():
    return SMARTHOST


@pytest.fixture(scope="module")
def browser():
    from peerkit.browser import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def window(browser, served):
    """Of a person who has logged in at what the module serves, and to whom the browser had nothing to complain of."""
    window = browser.window(served.origin, locale="en-GB")
    window.log_in()
    yield window
    assert window.complaints == []
    window.page.context.close()

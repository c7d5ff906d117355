"""The injector is right before anything is said with it: what it counts, kills, fails and remembers."""

from __future__ import annotations

import errno
import os
import random
from dataclasses import replace

import pytest

from tests.crash.lab import calls
from tests.crash.lab.bench import UNSTRUCK, Bench
from tests.crash.lab.calls import Blow, strike_once
from tests.crash.lab.forms import demand_shim
from tests.crash.lab.script import Script
from tests.crash.lab.shim import FAIL, KILL, SHORT, Strike

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def bench():
    demand_shim()
    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def traced(bench):
    return calls.trace(bench)


def first_sync_of_a_batch(traced):
    """Its number when calls are failed, in which sends do not count."""
    calls_of_disk = [call for call in traced if call[0] != "send"]
    return next(
        at
        for at, (kind, path) in enumerate(calls_of_disk, 1)
        if kind == "fdatasync" and path.startswith("spool/journal")
    )


def test_it_sees_what_a_run_does(bench, traced):
    assert 200 < len(traced) < 2000
    seen = {kind for kind, _ in traced}
    assert {"create", "write", "fdatasync", "fsync", "link", "unlink", "close", "mkdir", "send"} <= seen


def test_a_run_that_does_not_compact_is_not_taken_for_one(bench, traced):
    """The laboratory can fail: what the trace must have in it is looked for, and missed."""
    _, played = strike_once(bench, Blow("", UNSTRUCK))
    calls_made = bench.hatchery.block.calls()
    assert calls.not_in(calls_made, played) == []
    first, second = played.compactions
    played.compactions[0] = replace(first, carried=0, freed=0)
    assert calls.not_in(calls_made, played) == [
        "a message carried by compaction 1",
        "a segment dropped by compaction 1",
    ]
    played.compactions[:] = [replace(second, calls=(0, 1))]
    missing = calls.not_in(calls_made, played)
    assert "a compaction after it" in missing
    assert "a sync of what compaction 1 wrote" in missing
    assert "a rotation" in calls.not_in([], played)


def test_a_kill_kills_at_that_call(bench, traced):
    number = next(at for at, (kind, _) in enumerate(traced, 1) if kind == "fdatasync")
    account, played = strike_once(bench, Blow("", Strike(number, KILL)))
    assert played.ended == "died"
    assert account.is_clean, account


def test_a_failed_write_and_a_short_one(bench, traced):
    writes = [at for at, (kind, path) in enumerate(traced, 1) if kind == "write" and path.endswith(".seg")]
    without_sends = sum(kind != "send" for kind, _ in traced[: writes[2]])
    for action, error in ((FAIL, errno.EIO), (SHORT, 0)):
        account, played = strike_once(bench, Blow("", Strike(without_sends, action, error)))
        assert bench.hatchery.block.struck.startswith("write ")
        assert played.ended == "whole"
        assert account.is_clean, account


def test_a_sync_that_failed_is_remembered(bench, traced):
    number = first_sync_of_a_batch(traced)
    account, _ = strike_once(bench, Blow("", Strike(number, FAIL, errno.EIO)))
    (failed,) = [each for each in bench.hatchery.block.syncs() if not each.retry]
    assert failed.path.startswith("spool/journal/")
    assert failed.error == errno.EIO
    assert account.is_clean, account


def test_a_server_that_takes_a_failed_sync_for_a_good_one_is_caught(bench, traced):
    """The laboratory can fail."""
    number = first_sync_of_a_batch(traced)
    account, _ = strike_once(bench, Blow("", Strike(number, FAIL, errno.EIO, -1, ("fdatasync",))), omit="errors")
    assert account.lost
    assert any("got 250 after the sync" in fault for fault in account.faults)
    assert any("was tried again" in fault for fault in account.faults)


def test_the_oracle_finds_a_file_that_is_gone_and_one_that_was_changed(bench):
    """The laboratory can fail."""
    for harm in ("gone", "changed"):
        root = bench.root()
        spec = bench.spec(root)
        script = Script(root, bench.sink, block=bench.hatchery.block)
        with bench.hatchery.hatch(spec, UNSTRUCK) as child:
            script.play(child)
            child.quit()
        (path,) = (root / "mail" / "local.test" / "local-b" / "new").iterdir()
        if harm == "gone":
            os.unlink(path)
        else:
            octets = bytearray(path.read_bytes())
            octets[random.Random(1).randrange(len(octets) - 200, len(octets) - 1)] ^= 1
            path.write_bytes(octets)
        with bench.hatchery.hatch(spec) as child:
            account = script.judge(child)
        assert account.lost == (["local-b to local-b@local.test"] if harm == "gone" else [])
        assert bool(account.altered) == (harm == "changed")

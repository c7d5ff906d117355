"""Kinds a and b: the process killed at every call of the scripted run, and every call made to fail.

A call is one that changes files below the spool and the mailboxes, or sends to a host. Bars 2 and 5 of the reliability
study (J02, J05, J06).
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.lab.bench import UNSTRUCK, Bench
from tests.crash.lab.oracle import Account
from tests.crash.lab.report import Row
from tests.crash.lab.script import Play, Script
from tests.crash.lab.shim import FAIL, HALF, KILL, SHORT, Strike

WHY = "the next hop had taken it, and the crash came before that was on our disk"

_NAMES = ("create", "rename", "link", "mkdir")
# Which calls fail from then on, when a disk does for good.
FOR_GOOD: dict[int, tuple[str, ...]] = {
    errno.EIO: ("open", "write", "fdatasync", "fsync", "unlink", "truncate", "fallocate", *_NAMES),
    errno.ENOSPC: ("write", "fallocate", *_NAMES),
    errno.EDQUOT: ("write", "fallocate", *_NAMES),
    errno.EMFILE: ("open", "create"),
    errno.ENFILE: ("open", "create"),
    errno.ENOMEM: ("open", "write", "fallocate", *_NAMES),
    errno.EROFS: ("write", "fallocate", "unlink", "truncate", *_NAMES),
    errno.EINTR: (),
    0: ("write",),  # a short write
}
INTERRUPTS = 3  # Python repeats an interrupted call for ever, so that "for good" would be


@dataclass(frozen=True)
class Blow:
    """One job: `name` is how it is asked for again."""

    name: str
    strike: Strike


def trace(bench: Bench) -> list[tuple[str, str]]:
    """The calls of a run that nothing befalls."""
    account, played = strike_once(bench, Blow("nothing", UNSTRUCK))
    assert account.is_clean, f"the script fails without any fault: {account}\n{bench.hatchery.tail()}"
    calls = bench.hatchery.block.calls()
    missing = not_in(calls, played)
    assert not missing, f"the run is without {missing}: {played.compactions}"
    return calls


def not_in(calls: Sequence[tuple[str, str]], played: Play) -> list[str]:
    """What a run must have done and has not."""
    found = Counter(f"{kind} {path.rpartition('.')[2]}" for kind, path in calls if path.startswith("spool/journal/"))
    done = {
        "an acceptance": any(sent.acknowledged for sent in played.sent),
        "a rotation": found["create seg"] > played.starts,
        "a restart": played.starts >= 2,
        "a compaction before the restart": bool(played.compactions),
        "a compaction after it": len(played.compactions) >= 2,
    }
    for number, compacted in enumerate(played.compactions, 1):
        during = Counter(kind for kind, path in calls[slice(*compacted.calls)] if path.startswith("spool/journal/"))
        done[f"a message carried by compaction {number}"] = compacted.carried >= 1
        done[f"a sync of what compaction {number} wrote"] = during["write"] >= 2 and during["fdatasync"] >= 2
        # It goes after the checkpoint that says so, which is the second of those batches.
        done[f"a segment dropped by compaction {number}"] = compacted.freed >= 1 and during["unlink"] >= 1
    return [what for what, is_done in done.items() if not is_done]


def told(calls: Sequence[tuple[str, str]]) -> str:
    counts = Counter(kind for kind, _ in calls)
    return f"{len(calls)} system calls ({', '.join(f'{count} {kind}' for kind, count in counts.most_common())})"


def strike_once(bench: Bench, blow: Blow, *, omit: str = "") -> tuple[Account, Play]:
    """The script with one fault, and the judgement; what was struck still stands in the block."""
    root = bench.root()
    spec = bench.spec(root, omit=omit)
    script = Script(root, bench.sink, block=bench.hatchery.block)
    with bench.hatchery.hatch(spec, blow.strike) as child:
        played = script.play(child)
        if played.ended != "died":
            child.quit()
    with bench.hatchery.hatch(spec) as child:
        return script.judge(child), played


def kills(calls: Sequence[tuple[str, str]], *, stride: int = 1, offset: int = 0) -> list[Blow]:
    """At each call: before it, and for writes and sends also in the middle. A few more than there were, for no two runs
    are the same."""
    blows = []
    for number in range(1, len(calls) + 6):
        blows.append(Blow(f"kill {number}", Strike(number, KILL)))
        if number <= len(calls) and calls[number - 1][0] in ("write", "send"):
            blows.append(Blow(f"half {number}", Strike(number, HALF)))
    return blows[offset % stride :: stride]


def fails(calls: Sequence[tuple[str, str]], *, runs: int | None, seed: int) -> list[Blow]:
    """Each call with each error, once and for good; or so many of them as chance has it."""
    count = sum(kind != "send" for kind, _ in calls)
    blows = []
    for number in range(1, count + 1):
        for error, kinds in FOR_GOOD.items():
            action = FAIL if error else SHORT
            name = errno.errorcode.get(error, "short")
            again = INTERRUPTS if error == errno.EINTR else -1
            blows.append(Blow(f"fail {number} {name} once", Strike(number, action, error)))
            blows.append(Blow(f"fail {number} {name} good", Strike(number, action, error, again, kinds)))
    random.Random(seed).shuffle(blows)
    return blows if runs is None else blows[:runs]


def kill_row(bench: Bench, blows: Sequence[Blow]) -> Row:
    row = Row("killed at every system call", why_duplicates=WHY)
    for blow in blows:
        account, played = strike_once(bench, blow)
        if blow.strike.nth <= bench.hatchery.block.count and played.ended == "whole":
            account.faults.append("was to die and did not")
        row.add(account, f"{blow.name} [{bench.hatchery.block.struck}]")
    return row


def fail_row(bench: Bench, blows: Sequence[Blow]) -> Row:
    row = Row("every call fails, by error", why_duplicates=WHY)
    for blow in blows:
        account, played = strike_once(bench, blow)
        row.add(account, f"{blow.name} [{bench.hatchery.block.struck}] {played.ended}")
        if played.mailbox_retries:
            row.remarks = [
                "when a sync of a mailbox directory has failed, the name is made again, and synced, at the next attempt"
            ]
    return row


def kill_share(blows: list[Blow]) -> Row:
    """For a process of its own."""
    with Bench() as bench:
        return kill_row(bench, blows)


def fail_share(blows: list[Blow]) -> Row:
    with Bench() as bench:
        return fail_row(bench, blows)

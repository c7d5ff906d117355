"""The scripted run: accept, deliver to a next hop and to a Maildir, bounce, keep, rotate, compact, stop, start, go on.

Played against a child with real sockets, by a client outside of it, so that what the client and the next hop have seen
outlives the child. `play` is the run that is struck; `judge` opens the spool again with nothing wrong any more, has all
of it delivered, and asks the oracle.
"""

from __future__ import annotations

import base64
import errno
import os
import pathlib
from dataclasses import dataclass, field
from typing import Any

from tests.crash.lab import oracle
from tests.crash.lab.client import Sent, send_all
from tests.crash.lab.hatchery import Child, Died, Hung
from tests.crash.lab.oracle import Account, Arrived, Copy
from tests.crash.lab.shim import Block, FailedSync
from tests.crash.lab.sink import Sink

LARGE = 300_000  # above what stands in the journal itself
PATIENCE = 3.0
"""Real seconds in which a run without a fault is idle by far; what takes longer waits for a time to pass."""

# What is kept stands first, in the oldest segment, so that compaction has it to carry when the others have gone.
FIRST = (
    (("keep-d@next.test",), 1500),
    (("local-i@local.test", "keep-i@next.test"), 600),
    (("remote-a@next.test",), 3000),
    (("local-b@local.test",), 1500),
    (("bounce-c@next.test",), 1500),
)
SECOND = (
    (("large-e@next.test",), LARGE),
    (("keep-j@next.test",), LARGE),
    (("local-f@local.test", "remote-f@next.test"), 2000),
    (("remote-k@next.test",), 5000),
    (("remote-l@next.test",), 5000),
)
THIRD = ((("remote-g@next.test",), 5000), (("local-h@local.test",), 1500), (("remote-m@next.test",), 5000))


@dataclass
class Play:
    """How far it came. `deaths`: copies that the next hop had when the journal still held them, at each start."""

    sent: list[Sent] = field(default_factory=list)
    may_repeat: list[Copy] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    ended: str = "whole"
    refused_starts: int = 0
    mailbox_retries: int = 0
    starts: int = 0
    compactions: list[Compacted] = field(default_factory=list)


@dataclass(frozen=True)
class Compacted:
    """What the spool says it carried and freed, and which calls were made meanwhile (from, to)."""

    carried: int
    freed: int
    calls: tuple[int, int]


class Script:
    """One run over one spool below `root`; for the model disk `root` is unused."""

    def __init__(self, root: pathlib.Path, sink: Sink, *, block: Block | None = None, model: bool = False) -> None:
        self.root = root
        self.sink = sink
        self.block = block
        self.model = model
        self.played = Play()
        self._lives_before = 0  # syncs that failed in lives that are over
        self._lost_before = 0

    # -- the run that is struck --------------------------------------------------------------------------------------

    def play(self, child: Child) -> Play:
        try:
            if self._open(child):
                self._acts(child)
        except Died:
            self.played.ended = "died"
        except Hung as hung:
            self.played.ended = f"hung in {hung}"
            self.played.faults.append(f"hung in {hung}")
        return self.played

    def _acts(self, child: Child) -> None:
        for letters in (FIRST, SECOND):
            if self._send_and_wait(child, letters):
                break
        else:
            self._compact(child)
        if self.model and child.tell("steps")["cut"]:
            self.played.ended = "cut"
            return
        self._close(child)
        self._lose_what_was_not_synced()
        if self._open(child):
            if not self._send_and_wait(child, THIRD):
                self._compact(child)
            self._close(child)

    def _compact(self, child: Child) -> None:
        """What is kept goes from the oldest segment to the newest, and the oldest goes."""
        before = self.block.count if self.block is not None else 0
        said = child.tell("compact")
        after = self.block.count if self.block is not None else 0
        self.played.compactions.append(Compacted(said["carried"], said["freed"], (before, after)))

    def _send_and_wait(self, child: Child, letters: Any) -> bool:
        """True: nothing more will come of this life."""
        group = [
            (Sent(recipients[0].partition("@")[0], recipients, "sender@local.test"), size)
            for recipients, size in letters
        ]
        self.played.sent += [sent for sent, _ in group]
        send_all(self._port, group, timeout=1.0 if self.model else 30.0)  # a machine without power does not answer
        # While writes fail, outcomes may well wait: no need to see for long that they do.
        said = child.tell(
            "idle", timeout=2.0 if self.block is not None and self.block.is_meant_for_good else 15.0, patience=PATIENCE
        )
        if said["late"] and not (self.block is not None and self.block.is_for_good):
            self.played.faults.append("not idle in time")
        if said["failed"] and not self.model:
            # It is poisoned, and would end now: one letter more, which must not be taken.
            late = Sent(f"late-{len(self.played.sent)}", ("remote-late@next.test",), "sender@local.test")
            self.played.sent.append(late)
            send_all(self._port, [(late, 500)])
        self._check_replies()
        return bool(said["failed"] or said["cut"])

    def _open(self, child: Child) -> bool:
        if self.block is not None:
            self._lives_before = len(self.block.syncs())
        said = child.tell("open")
        self.played.faults += said.get("bugs", ())
        if "refused" in said:
            self.played.refused_starts += 1
            self.played.ended = f"start refused: {said['refused']}"
            return False
        self._began(said)
        self.played.starts += 1
        return True

    def _began(self, said: dict[str, Any]) -> None:
        self._port = said["port"]
        if said["damaged"]:
            self.played.faults.append(f"{said['damaged']} places damaged")
        pending = set(said["pending"])
        for taken in self.sink.taken:
            identity = oracle.identity_of(taken.content)
            self.played.may_repeat += [(identity, each) for each in taken.recipients if each in pending]

    def _close(self, child: Child) -> None:
        self.played.faults += child.tell("close")["bugs"]
        self._check_retries()

    def _check_replies(self) -> None:
        """No 250 to a letter whose dot went after a sync of the journal had failed, and each refusal 4yz."""
        for sent in self.played.sent:
            self.played.faults += [
                f"{sent.identity} was refused with {text}" for text in sent.refusals if not text.startswith("4")
            ]
        if self.block is None:
            return
        fatal = [each for each in self._failed_syncs() if not each.retry]
        if fatal:
            for sent in self.played.sent:
                if sent.acknowledged and sent.dot > fatal[0].time:
                    self.played.faults.append(f"{sent.identity} got 250 after the sync of {fatal[0].path} failed")

    def _failed_syncs(self) -> list[FailedSync]:
        """Of the spool, in this life."""
        assert self.block is not None
        syncs = self.block.syncs()[self._lives_before :]
        return [each for each in syncs if _is_of_the_spool(each.path) and each.error != errno.EINTR]

    def _check_retries(self) -> None:
        """A sync that failed is not tried again. In mailboxes it is, at the next attempt: that is only counted."""
        if self.block is None:
            return
        for each in self.block.syncs()[self._lives_before :]:
            if not each.retry or each.error == errno.EINTR:
                continue
            if _is_of_the_spool(each.path):
                self.played.faults.append(f"the failed sync of {each.path} was tried again")
            else:
                self.played.mailbox_retries += 1

    def _lose_what_was_not_synced(self) -> None:
        """After a sync that failed the pages are gone, however the cache still shows them."""
        if self.block is None:
            return
        syncs = self.block.syncs()
        new, self._lost_before = syncs[self._lost_before :], len(syncs)
        for each in new:
            path = self.root / each.path
            of_spool = _is_of_the_spool(each.path) and each.error != errno.EINTR
            if of_spool and not each.retry and each.good_size >= 0 and path.exists():
                os.truncate(path, min(path.stat().st_size, each.good_size))

    # -- and what must be true afterwards ----------------------------------------------------------------------------

    def judge(self, child: Child) -> Account:
        """With nothing wrong: first what waits, then all of it delivered, then that a third start finds nothing."""
        self._lose_what_was_not_synced()
        said = child.tell("open")
        if "refused" in said:
            return Account(faults=[f"the next start was refused: {said['refused']}"])
        self._began(said)
        self._settled(child)
        first = self._account(child)
        self.sink.opened = True
        child.tell("retry")
        self._settled(child)
        last = self._account(child)
        child.tell("close")
        again = child.tell("open")
        if again.get("pending"):
            last.faults.append(f"there again after all was done: {again['pending']}")
        if last.left:
            last.faults.append(f"{last.left} left in the queue")
        last.lost = sorted({*first.lost, *last.lost})
        last.altered += first.altered
        last.faults += [*first.faults, *self.played.faults]
        return last

    def _settled(self, child: Child) -> None:
        said = child.tell("idle", timeout=20.0, patience=PATIENCE)
        if said["late"] or said["failed"]:
            self.played.faults.append(f"after the restart: late={said['late']} failed={said['failed']}")

    def _account(self, child: Child) -> Account:
        arrived = Arrived()
        arrived.note_sink(self.sink.taken)
        if self.model:
            files = {path: base64.b64decode(text) for path, text in child.tell("mail")["files"].items()}
        else:
            files = oracle.mailboxes(self.root / "mail")
        arrived.note_mailboxes(files)
        rows = child.tell("queue")["rows"]
        return oracle.settle(self.played.sent, arrived, rows, may_repeat=self.played.may_repeat)


def _is_of_the_spool(path: str) -> bool:
    """Does a message depend on it? The quarantine and the reserve are not such."""
    return path.startswith(("spool/journal", "spool/content"))

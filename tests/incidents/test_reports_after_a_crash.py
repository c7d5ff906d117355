"""A crash anywhere loses no report and makes none twice: each prefix of a journal is opened, and lived to its end.

Rows L08 and Q-11. A DSN that was durable at the crash counts, sent or not; it may be sent twice, but not made twice.
"""

from __future__ import annotations

import re
from collections import Counter

from asyncmta.mail.envelope import NOTIFY_DELAY, NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS
from asyncmta.spool import framing, segment
from asyncmta.spool.codec import decode
from asyncmta.spool.records import Accepted
from asyncmta.spool.segment import Batch
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk
from tests.unit.scheduling.schedulingkit import LATER, NEVER, OK, Post

EVERYTHING = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY
FINAL = re.compile(r"Final-Recipient: rfc822; (\S+)\r\nAction: (\w+)")


class Told:
    """A transport's script, and what the DSNs say that it has seen, by queue id."""

    def __init__(self, post):
        self.post = post
        self.dsns = {}
        self.tried = Counter()

    def __call__(self, consignment):
        if consignment.envelope.reverse_path is None:
            content = b"".join(self.post.store.read_content(consignment.queue_id)).decode()
            self.dsns[consignment.queue_id] = FINAL.findall(content)
            return OK
        outcomes = {}
        for at in consignment.ordinals:
            address = str(consignment.envelope.recipients[at].address)
            self.tried[address] += 1
            outcomes[at] = self.outcome(address)
        return outcomes

    def outcome(self, address):
        if address.startswith("later") and self.tried[address] < 3:
            return LATER
        return NEVER if "never" in address else OK


async def first_life():
    """Messages of each kind, on a disk; the DSNs that it sent, and who is to be told what."""
    post = Post(warn_after=300.0)
    # What waits is read back from the disk; here a script reads it where it stands, and so it has to stay there.
    post.store.forget_content = lambda _: None
    await post.start()
    post.transport.script = told = Told(post)
    wanted = {}
    for number, notify in enumerate((0, EVERYTHING, NOTIFY_NEVER, NOTIFY_SUCCESS, NOTIFY_FAILURE)):
        people = [f"{kind}{number}@{kind}.example" for kind in ("ok", "never", "later-ok", "later-never")]
        await post.accept(*people, notify=notify)
        for address in people:
            has_failed = "never" in address
            asked = NOTIFY_FAILURE if has_failed else NOTIFY_SUCCESS
            if notify & asked or (has_failed and not notify):
                wanted[address] = "failed" if has_failed else "delivered"
            if address.startswith("later") and (notify & NOTIFY_DELAY or not notify):
                wanted[address, "delayed"] = "delayed"
    await post.live(lambda: post.queued() == [])
    await post.stop()
    return post, told, wanted


def prefixes(disk):
    """The journal after each of its batches: the octets, and the ids that were accepted by then."""
    [path] = [path for path in disk.tree() if path.endswith(".seg")]
    octets = disk.get(path)
    header = segment.decode_header(octets)
    accepted = []
    for found in segment.scan(octets, framing.place(header.journal, header.number)):
        if not isinstance(found, Batch):
            break
        for frame in found.frames:
            if frame.kind == 16:
                record = decode(frame.kind, frame.queue_id, octets[frame.metadata_offset :][: frame.metadata_size])
                assert isinstance(record, Accepted)
                accepted.append(record)
        yield path, octets[: found.end], list(accepted)


async def test_each_prefix_of_a_journal_leads_to_each_report_once():
    post, told, wanted = await first_life()
    assert {address for pairs in told.dsns.values() for address, _ in pairs} == {
        key if isinstance(key, str) else key[0] for key in wanted
    }
    lives = 0
    for path, octets, accepted in prefixes(post.disk):
        disk = FakeDisk()
        for name, content in post.disk.tree().items():
            if name != path and "journal" not in name:
                disk.put(name, content)
        disk.put(path, octets)
        life = Post(disk=disk, clock=FakeClock(post.clock.now()), warn_after=300.0)
        life.store.forget_content = lambda _: None
        await life.start()
        life.transport.script = second = Told(life)
        await life.live(lambda life=life: life.queued() == [])
        await life.stop()
        assert life.events == []
        dsns = {record.queue_id for record in accepted if record.envelope.reverse_path is None}
        made = {queue_id: pairs for queue_id, pairs in told.dsns.items() if queue_id in dsns} | second.dsns
        here = {str(each.address) for record in accepted for each in record.envelope.recipients}
        found = Counter(pair for pairs in made.values() for pair in pairs)
        assert max(found.values(), default=0) <= 1, "told twice"
        ends = {address: action for address, action in found if action != "delayed"}
        due = {key: end for key, end in wanted.items() if isinstance(key, str) and key in here}
        assert {key: "failed" if end == "failed" else "delivered" for key, end in ends.items()} == due
        lives += 1
    assert lives > 20
